"""What a test does inside the instances of a function: stand-ins, set-up, stops; see docs/inside.md."""
