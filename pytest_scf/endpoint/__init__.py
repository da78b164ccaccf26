"""The API as the cloud's clients reach it: over HTTP with signatures, from the SDK in process, from inside a function.

Knows the contract's ``Api`` only.
"""
