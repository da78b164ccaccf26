"""A report, each night of a working day."""

import json


def main_handler(event, context):
    job = json.loads(event["Message"])["job"]
    print(f"{job} of {event['Time']}")
    return {"job": job, "time": event["Time"]}
