"""Counts to ``event["until"]``. Interrupted, it returns where it was, so that another event can go on from there.

What stands in /tmp goes with the instance: a worker that is to be resumed must bring its progress out before it ends.
"""

import json
import os
import signal
import tempfile
import time

# /tmp in the cloud; asked for by this name it is the instance's own also where a test cannot give each its own /tmp.
PROGRESS = os.path.join(tempfile.gettempdir(), "progress.json")


def save(count):
    with open(PROGRESS, "w") as file:
        json.dump({"count": count}, file)


def main_handler(event, context):
    # Of this event alone: an instance may serve others before and after it. Raising an exception instead would tear
    # apart whatever runs at that moment, the saving too.
    interrupted = []
    signal.signal(signal.SIGTERM, lambda signum, frame: interrupted.append(signum))
    count = event.get("start", 0)
    save(count)
    while count < event["until"] and not interrupted:
        time.sleep(event.get("pause", 0))
        count += 1
        save(count)
        print("count", count)
    if interrupted:
        print("interrupted at", count)
    return {"finished": count >= event["until"], "resume": count}
