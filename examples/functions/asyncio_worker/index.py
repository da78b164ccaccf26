"""The same with asyncio: the loop's own way to catch the termination signal."""

import asyncio
import signal


async def work(event):
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    print("waiting for work")
    await stopped.wait()
    print("closing what is open")
    return {"job": event["job"], "ended": "in good order"}


def main_handler(event, context):
    return asyncio.run(work(event))
