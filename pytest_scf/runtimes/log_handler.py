"""The handler of the root logger, set up before the code is loaded (docs/cloud-contract.md#python).

The standard library only, Python 3.6 and later.
"""

import logging
import os
import sys

MYPY = False
if MYPY:  # for the type comments only
    from typing import IO, Any  # noqa: F401


def install():
    # type: () -> None
    """Have every record of every logger written to standard output, as its message alone; the root's level is DEBUG."""
    logging.root.setLevel(logging.DEBUG)
    logging.root.addHandler(_RootHandler(sys.stdout))


class _RootHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Leaves a record to a handler of the user's that writes it to the log as well, so that no line is there twice."""

    def emit(self, record):
        # type: (logging.LogRecord) -> None
        try:
            if not self._is_written_by_another(record):
                text = self.format(record) + "\n"
                self.stream.write(text.encode("utf-8", "backslashreplace").decode("utf-8"))
        except Exception:
            self.handleError(record)

    def _is_written_by_another(self, record):
        # type: (logging.LogRecord) -> bool
        logger = logging.getLogger(record.name)  # type: logging.Logger | None
        while logger is not None:
            for handler in logger.handlers:
                if (
                    handler is not self
                    and isinstance(handler, logging.StreamHandler)
                    and record.levelno >= handler.level
                    and _leads_to_the_log(handler.stream)
                    and (not handler.filters or handler.filter(record))
                ):
                    return True
            logger = logger.parent if logger.propagate else None
        return False


def _leads_to_the_log(stream):
    # type: (IO[Any] | None) -> bool
    if stream in (sys.stdout, sys.stderr):
        return True
    try:
        status = os.fstat(stream.fileno())  # type: ignore[union-attr]
        return any(os.path.samestat(status, os.fstat(fd)) for fd in (1, 2))
    except Exception:  # not a file, or closed
        return False
