"""Enables faulthandler, which shows where the user's code hangs or crashes. Python 3.6 and later.

A crash is reported on standard error, as by ``python -X faulthandler``. For code that hangs the platform sends a signal
that is otherwise unused, and reads the stack from a pipe. faulthandler is written in C, so it works while the
interpreter is blocked. The user's code may override all of this with its own use of faulthandler and signals.
"""

import faulthandler
import os
import signal
import sys

#: the descriptor of the pipe: higher than those that the user's code gets
FD = 255
#: the highest real-time signal; 0 where there are none
SIGNAL = int(getattr(signal, "SIGRTMAX", 0))
#: file and function of the outermost frame that belongs to the user's code
OUTERMOST = ('runtimes/python.py"', " in run")


def enable():
    # type: () -> None
    # From 3.14 on the C stack would be dumped as well, which is long and shows nothing of the user's code.
    no_c_stack = {"c_stack": False} if sys.version_info >= (3, 14) else {}
    faulthandler.enable(2, all_threads=False, **no_c_stack)
    if not SIGNAL or not os.path.isdir("/proc/self/fd"):
        return
    try:
        reading, writing = os.pipe()
    except OSError:  # no descriptor left for it
        return
    try:
        # One descriptor for both ends: the platform reads it through /proc, and a write needs no reader.
        both = os.open("/proc/self/fd/%d" % writing, os.O_RDWR | os.O_NONBLOCK)
        os.dup2(both, FD, False)
        os.close(both)
        faulthandler.register(SIGNAL, FD, all_threads=False)
    except (OSError, RuntimeError, ValueError):
        pass
    finally:
        os.close(reading)
        os.close(writing)
