"""What works inside an instance on the test's behalf: stand-ins, set-up, stops and recordings; see docs/inside.md.

Loaded only where a function uses one of them. The standard library only, Python 3.6 and later, and relative imports
only: in an interpreter that does not have this package it is loaded from its directory, under another name.
"""
