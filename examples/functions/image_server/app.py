"""An image function: takes a job as an event, and puts down its progress when it is told to stop."""

import json
import signal
import threading
import time

from flask import Flask, jsonify, request

app = Flask(__name__)
stopping = threading.Event()


def stop(signum, frame):
    print("told to stop")
    stopping.set()


signal.signal(signal.SIGTERM, stop)


@app.post("/event-invoke")
def invoke():
    job = request.get_json()
    print("job", job["name"], "for request", request.headers["X-Scf-Request-Id"])
    done = 0
    while done < job["steps"] and not stopping.wait(job.get("pause", 0)):
        done += 1
        with open("/tmp/progress.json", "w") as file:
            json.dump({"job": job["name"], "done": done}, file)
    return jsonify(done=done, finished=done == job["steps"], at=time.time())


if __name__ == "__main__":
    app.run(host="0.0.0.0", port=9000)
