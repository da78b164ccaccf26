"""What is reported to the platform while the user's code runs: signal handlers, use of the shared /tmp.

The standard library only, Python 3.6 and later.
"""

import json
import os
import signal
import sys
import threading

from pytest_scf.runtimes import wire

MYPY = False
if MYPY:  # for the type comments only
    from typing import Any, Callable  # noqa: F401

    from pytest_scf.runtimes.channel import Channel  # noqa: F401

# Kept here because the user's code, or a stand-in, may replace it.
_dumps = json.dumps

_getpid = os.getpid  # the user's code may replace it


def watch_signal_handlers(channel):
    # type: (Channel) -> None
    """Report what the process does with SIGTERM each time the user's code changes it."""
    original = signal.signal
    reported = {"disposition": "default", "name": "", "file": "", "line": 0}  # type: dict[str, Any]

    def report(facts):
        # type: (dict[str, Any]) -> None
        reported.update(facts)
        channel.send(wire.SIGNAL_HANDLER, _dumps(facts).encode())

    def signal_(signalnum, handler):  # type: ignore[no-untyped-def]
        previous = original(signalnum, handler)
        if signalnum == signal.SIGTERM and _getpid() == channel.pid:
            caller = sys._getframe(1)
            # loop.add_signal_handler registers a function of asyncio's; reported are the user's callback and the caller
            while caller.f_back is not None and str(caller.f_globals.get("__name__")).startswith("asyncio."):
                if caller.f_code.co_name == "add_signal_handler":
                    handler = caller.f_locals.get("callback", handler)
                caller = caller.f_back
            facts = {"disposition": "caught", "name": "", "file": caller.f_code.co_filename, "line": caller.f_lineno}
            if handler == signal.SIG_DFL:
                facts["disposition"] = "default"
            elif handler == signal.SIG_IGN:
                facts["disposition"] = "ignored"
            else:
                facts["name"] = getattr(handler, "__qualname__", None) or type(handler).__qualname__
            report(facts)
        return previous

    def remember(handler):
        # type: (Any) -> Callable[[], None]
        """What gives SIGTERM this handler back, with the report that was last made of it."""
        facts = dict(reported)

        def restore():
            # type: () -> None
            original(signal.SIGTERM, handler)
            report(facts)

        return restore

    signal_.__name__ = signal_.__qualname__ = "signal"
    signal_.__doc__ = original.__doc__
    signal_.__module__ = "signal"
    signal_.__wrapped__ = original  # type: ignore[attr-defined]
    signal_.scf_remember = remember  # type: ignore[attr-defined]
    signal.signal = signal_


def watch_shared_tmp(channel, own, allowed):
    # type: (Channel, str, list[str]) -> None
    """Report each file of the shared temporary directory that the user's code opens or changes.

    Without namespaces a handler cannot be kept out of it, so its use is reported.
    """
    if not hasattr(sys, "addaudithook"):  # Python 3.8
        return
    shared = tuple({os.path.realpath("/tmp") + "/", "/tmp/"})
    inside = tuple(os.path.join(place, "") for place in [own, os.path.realpath(own), *allowed])
    operations = {
        "open",
        "os.mkdir",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.listdir",
        "os.scandir",
        "os.symlink",
        "os.link",
        "sqlite3.connect",
    }
    seen = set()  # type: set[str]

    def hook(name, args):  # type: ignore[no-untyped-def]
        if (
            name not in operations
            or _getpid() != channel.pid
            or threading.current_thread() is not threading.main_thread()
        ):
            return
        for path in args[:2]:
            if isinstance(path, bytes):
                path = os.fsdecode(path)
            if not isinstance(path, str) or path in seen:
                continue
            full = os.path.abspath(path)
            if (full + "/").startswith(shared) and not (full + "/").startswith(inside):
                seen.add(path)
                channel.send(wire.SHARED_TMP, _dumps({"path": full, "operation": name}).encode())

    sys.addaudithook(hook)
