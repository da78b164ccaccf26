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


class Interrupted(Exception):
    pass


def interrupt(signum, frame):
    raise Interrupted


def save(count):
    with open(PROGRESS, "w") as file:
        json.dump({"count": count}, file)


def main_handler(event, context):
    count = event.get("start", 0)
    save(count)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        while count < event["until"]:
            time.sleep(event.get("pause", 0))
            count += 1
            save(count)
            print("count", count)
    except Interrupted:
        # A second signal must not tear the saving apart.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with open(PROGRESS) as file:
            saved = json.load(file)["count"]
        print("interrupted at", saved)
        return {"finished": False, "resume": saved}
    return {"finished": True, "resume": count}
