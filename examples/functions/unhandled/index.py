"""Registers no signal handler: the termination signal ends the process, wherever it is."""

import time


def main_handler(event, context):
    print("working")
    time.sleep(3600)
    return "never reached"
