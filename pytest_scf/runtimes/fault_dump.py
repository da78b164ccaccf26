"""Where the user's code is when it hangs or crashes: faulthandler, switched on. Python 3.6 and later.

A crash is told on standard error, as ``python -X faulthandler`` does. For code that hangs the platform sends a signal
that nobody else uses, and reads the stack from a pipe; the handler of both is written in C, so that it works while the
interpreter does not. What the user's code does with faulthandler and with signals takes the place of this.
"""

import faulthandler
import os
import signal
import sys

#: the descriptor of the pipe: far from those that the user's code is given
FD = 255
#: the highest real-time signal; 0 where there are none
SIGNAL = int(getattr(signal, "SIGRTMAX", 0))
#: a frame of this file, of this function, is the outermost that tells of the user's code
OUTERMOST = ('runtimes/python.py"', " in run")


def enable():
    # type: () -> None
    # The stack of C functions, from 3.14 on, says nothing of the user's code and is longer than what does.
    no_c_stack = {"c_stack": False} if sys.version_info >= (3, 14) else {}
    faulthandler.enable(2, all_threads=False, **no_c_stack)
    if not SIGNAL or not os.path.isdir("/proc/self/fd"):
        return
    try:
        reading, writing = os.pipe()
    except OSError:  # no descriptor left for it
        return
    try:
        # Both ends in one: whoever wants to read opens it by way of /proc, and without a reader nothing is lost.
        both = os.open("/proc/self/fd/%d" % writing, os.O_RDWR | os.O_NONBLOCK)
        os.dup2(both, FD, False)
        os.close(both)
        faulthandler.register(SIGNAL, FD, all_threads=False)
    except (OSError, RuntimeError, ValueError):
        pass
    finally:
        os.close(reading)
        os.close(writing)
