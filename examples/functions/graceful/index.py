"""Works on one item after the other until it is told to stop, and then ends in good order."""

import signal
import time

stop_asked = False


def on_sigterm(signum, frame):
    global stop_asked
    print("asked to stop, finishing the current item")
    stop_asked = True


def main_handler(event, context):
    global stop_asked
    # The instance, and so this module, may have served another event before.
    stop_asked = False
    signal.signal(signal.SIGTERM, on_sigterm)
    done = 0
    while not stop_asked:
        time.sleep(0.01)
        done += 1
    print("stopped after", done, "items")
    return "END"
