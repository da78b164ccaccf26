"""A function that a signal finds at some moments, and the same one mended."""

from __future__ import annotations

import textwrap

FAULTY = textwrap.dedent(
    """\
    import signal


    class Stopped(Exception):
        pass


    def on_sigterm(signum, frame):
        raise Stopped


    signal.signal(signal.SIGTERM, on_sigterm)


    def main_handler(event, context):
        done = []
        try:
            for n in range(event["count"]):
                done.append(n)
        except Stopped:
            print("saved", len(done))
        return len(done)
    """
)
MENDED = textwrap.dedent(
    """\
    import signal

    stop_asked = False


    def on_sigterm(signum, frame):
        global stop_asked
        stop_asked = True


    signal.signal(signal.SIGTERM, on_sigterm)


    def main_handler(event, context):
        global stop_asked
        done = []
        for n in range(event["count"]):
            if stop_asked:
                break
            done.append(n)
        stop_asked = False
        return len(done)
    """
)


def line_of(source: str, text: str) -> int:
    return next(number for number, line in enumerate(source.splitlines(), 1) if text in line)
