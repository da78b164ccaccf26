"""The supervisor: the first process of a fork server, and the last to leave.

It owns the base directory. It forks the zygote, waits until that is gone, and removes the directory: the zygote itself
lives in a read-only mount tree, and the test process may have been killed at any moment. What that leaves is removed,
too: the directory above, which is the test process's.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import linecache
import os
import select
import signal
import site
import socket
import sys
import traceback

from pytest_scf.instances.forkserver import linux, reaping, rmtree, zygote
from pytest_scf.instances.forkserver.isolation import ISOLATIONS

#: seconds that a test process is given to end once the zygote has left; it needs a moment
PATIENCE = 10.0


def main(level: str, control_fd: int, alive_fd: int, base_dir: str, preload: str, sites: list[str]) -> None:
    """Never returns.

    ``alive_fd`` is the reading end of a pipe whose writing end the test process alone holds: whatever ends that
    process closes it.
    """
    _reset_signals_and_umask()
    # Python 3.13 keeps the text of ``python -c`` as the lines of "<string>", which is what the user's exec() names too.
    linecache.clearcache()
    for place in sites:
        site.addsitedir(place)
    if preload:
        importlib.import_module(preload)
    os.environ.clear()  # nothing of it reaches an instance
    if sys.platform == "linux":
        linux.become_subreaper()
        linux.continue_at_parents_end()  # the zygote, which resumes it otherwise, may be stopped as well
    # Made here, not by the test process: that may be killed before there is a process that would remove it.
    with contextlib.suppress(FileExistsError):
        os.mkdir(os.path.dirname(base_dir), mode=0o700)
    os.mkdir(base_dir, mode=0o700)
    # A pipe shows the zygote that this process has ended; a parent-death signal would leave it no time to clean up.
    supervisor_alive, alive_writer = os.pipe()
    status = 1
    isolation = ISOLATIONS[level]
    try:
        gc.collect()
        gc.freeze()
        pid = os.fork()
        if pid == 0:
            os.close(alive_writer)
            zygote.main(socket.socket(fileno=control_fd), [alive_fd, supervisor_alive], isolation)
        reaping.ignore_termination_signals()
        os.close(control_fd)
        os.close(supervisor_alive)
        status = _wait_for_zygote(pid, alive_fd) and 1
        isolation.end_children()
    except BaseException:
        traceback.print_exc()
    finally:
        rmtree.remove_tree(base_dir)
        # A zygote that leaves as it should has seen an end of the test process. That closes one descriptor after the
        # other, and may be held up between two of them.
        if _has_closed(alive_fd, PATIENCE if status == 0 else 0.0):
            rmtree.remove_tree(os.path.dirname(base_dir))
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(base_dir))
        os._exit(status)


def _wait_for_zygote(pid: int, alive_fd: int) -> int:
    """Its raw wait status. Should it be stopped (SIGSTOP) when the test process ends, it has to go on to leave."""
    woken = reaping.watch_children()
    poll = select.poll()
    poll.register(woken, select.POLLIN)
    poll.register(alive_fd, select.POLLIN)
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            reaping.stop_watching_children()
            return status
        ready = dict(poll.poll())
        if woken in ready:
            os.read(woken, 512)
        if alive_fd in ready:
            poll.unregister(alive_fd)
            os.kill(pid, signal.SIGCONT)


def _has_closed(lifeline: int, timeout: float) -> bool:
    """Whether the other end of a lifeline is closed by now, or within ``timeout`` seconds."""
    poll = select.poll()
    poll.register(lifeline, select.POLLIN)
    return bool(poll.poll(timeout * 1000))


def _reset_signals_and_umask() -> None:
    """Signals as a new interpreter has them, whatever the test process was started with (nohup, a shell's ``&``)."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in signal.valid_signals():
        if number in (signal.SIGKILL, signal.SIGSTOP):
            continue
        if number in (signal.SIGPIPE, getattr(signal, "SIGXFSZ", None)):
            signal.signal(number, signal.SIG_IGN)
        elif number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)
        else:
            signal.signal(number, signal.SIG_DFL)
    os.umask(0o022)
