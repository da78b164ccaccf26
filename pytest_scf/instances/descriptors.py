"""What is said when this process has as many files open as it may have."""

from __future__ import annotations

import errno


def has_run_out(error: OSError) -> bool:
    return error.errno in (errno.EMFILE, errno.ENFILE)


def explain(error: OSError) -> str:
    """The error, and the remedy where descriptors have run out."""
    if has_run_out(error):
        return (
            f"{error.strerror}: this process has as many open as it may have; let fewer instances run at once, "
            "or allow more with ulimit -n"
        )
    return str(error)
