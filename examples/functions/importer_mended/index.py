"""The same job. A signal only leaves word, and what is asked for is done between two rows: at no moment is it lost."""

import signal

import store

stop_asked = False


def on_sigterm(signum, frame):
    global stop_asked
    stop_asked = True


signal.signal(signal.SIGTERM, on_sigterm)


def main_handler(event, context):
    global stop_asked
    done = store.load_checkpoint()
    while done < event["rows"] and not stop_asked:
        store.copy(done)
        done += 1
        store.save_checkpoint(done)
    stop_asked = False
    return done
