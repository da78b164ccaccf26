"""A termination at every moment of a function; see docs/inside.md."""
