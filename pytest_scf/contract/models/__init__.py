"""The requests and responses of the API, field by field, in the API's own spelling; a module for each of ``actions``.

Beside each field of a request stands the validator that says what it accepts; a field without a default is required.
RequestId is not here: every answer gets it, in one place; an action that answers nothing else returns None.

Written after the vendor's public documents; the tests compare them with the official SDK's classes.
"""
