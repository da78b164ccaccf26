"""``python -m pytest_scf serve``: functions over HTTP outside of pytest, for clients in any language."""
