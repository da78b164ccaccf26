"""Uploads a file; one that is terminated in the middle of it tells the store to forget the part that is there."""

import signal

import cos


class Stopped(Exception):
    pass


def on_sigterm(signum, frame):
    raise Stopped


def main_handler(event, context):
    signal.signal(signal.SIGTERM, on_sigterm)
    try:
        return cos.put_object(Bucket="reports", Key=event["key"], Body=b"...")["ETag"]
    except Stopped:
        cos.abort_upload(Bucket="reports", Key=event["key"])
        return None
