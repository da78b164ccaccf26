"""The calls that wait, for tests that are coroutines: the event loop goes on meanwhile.

``await event`` and ``event.aio`` work under asyncio, and under trio. Each wait has a thread of its own, which ends with
the wait: by its timeout, or when the event ends, at the latest when its runtime is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from pytest_scf.facade.assertions import ANY

if TYPE_CHECKING:
    from pytest_scf.facade.probing.stops import Stop
    from pytest_scf.facade.web import Response

    class _Event(Protocol):
        """What stands behind ``AsyncEvent``: ``handles.Event``."""

        def wait(self, timeout: float = ...) -> Any: ...
        def wait_for_signal_handler(self, timeout: float = ...) -> Any: ...
        def wait_for_log(self, pattern: str | re.Pattern[str], timeout: float = ...) -> re.Match[str]: ...
        def wait_for_stop(self, timeout: float = ...) -> Stop: ...
        def wait_for_attempt(self, number: int = ..., timeout: float = ...) -> Any: ...
        def terminate(self, graceful: bool = ...) -> None: ...
        def assert_finished(self, value: object = ..., *, timeout: float = ...) -> None: ...
        def assert_aborted(self, *, timeout: float = ...) -> None: ...
        def assert_failed(self, code: int | None = ..., *, timeout: float = ...) -> None: ...
        def assert_logged(self, pattern: str | re.Pattern[str], *, timeout: float = ...) -> re.Match[str]: ...
        def assert_repossessed(self, *, timeout: float = ...) -> None: ...


#: what a handler is called with where no event is given
EMPTY: Any = {}
T = TypeVar("T")
E = TypeVar("E", bound="_Event")
R = TypeVar("R")


async def in_thread(call: Callable[[], T]) -> T:
    """What ``call`` gives, or raises. Where the waiting task is cancelled, nobody waits for the call any more."""
    trio: Any = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        found: T = await trio.to_thread.run_sync(call, abandon_on_cancel=True)
        return found
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def tell(value: T | None, error: BaseException | None) -> None:
        if future.done():
            return  # cancelled
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(value)  # type: ignore[arg-type]

    def work() -> None:
        value, error = None, None
        try:
            value = call()
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(tell, value, error)

    # Not the loop's executor: the end of a loop waits for all that its threads have begun.
    threading.Thread(target=work, name="pytest-scf-wait", daemon=True).start()
    return await future


class AsyncEvent(Generic[E]):
    """The waits of an event as coroutines: the same names, arguments, results and errors as the event's own."""

    __slots__ = ("_event",)

    def __init__(self, event: E) -> None:
        self._event = event

    async def wait(self, timeout: float = 60) -> E:
        await in_thread(lambda: self._event.wait(timeout))
        return self._event

    async def wait_for_signal_handler(self, timeout: float = 30) -> E:
        await in_thread(lambda: self._event.wait_for_signal_handler(timeout))
        return self._event

    async def wait_for_log(self, pattern: str | re.Pattern[str], timeout: float = 30) -> re.Match[str]:
        return await in_thread(lambda: self._event.wait_for_log(pattern, timeout))

    async def wait_for_attempt(self, number: int = 1, timeout: float = 60) -> E:
        return cast(E, await in_thread(lambda: self._event.wait_for_attempt(number, timeout)))

    async def wait_for_stop(self, timeout: float = 30) -> Stop:
        stop: Stop = await in_thread(lambda: self._event.wait_for_stop(timeout))
        return stop

    async def terminate(self, graceful: bool = False) -> None:
        await in_thread(lambda: self._event.terminate(graceful))

    async def assert_finished(self, value: object = ANY, *, timeout: float = 30) -> None:
        __tracebackhide__ = True
        await in_thread(lambda: self._event.assert_finished(value, timeout=timeout))

    async def assert_aborted(self, *, timeout: float = 30) -> None:
        __tracebackhide__ = True
        await in_thread(lambda: self._event.assert_aborted(timeout=timeout))

    async def assert_failed(self, code: int | None = None, *, timeout: float = 30) -> None:
        __tracebackhide__ = True
        await in_thread(lambda: self._event.assert_failed(code, timeout=timeout))

    async def assert_logged(self, pattern: str | re.Pattern[str], *, timeout: float = 30) -> re.Match[str]:
        __tracebackhide__ = True
        return await in_thread(lambda: self._event.assert_logged(pattern, timeout=timeout))

    async def assert_repossessed(self, *, timeout: float = 30) -> None:
        __tracebackhide__ = True
        await in_thread(lambda: self._event.assert_repossessed(timeout=timeout))


class AsyncFunction(Generic[R]):
    """The calls of a function that wait for its answer, as coroutines."""

    __slots__ = ("_invoke", "_request")

    def __init__(self, invoke: Callable[..., R], request: Callable[..., Response[Any]]) -> None:
        self._invoke = invoke
        self._request = request

    async def invoke(self, event: Any = EMPTY) -> R:
        """As ``Function.invoke``; ``event`` is {} by default."""
        return await in_thread(lambda: self._invoke(event))

    async def request(
        self,
        method: str,
        path: str = "/",
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        json: Any = None,
        via: str = "url",
    ) -> Response[Any]:
        """As ``Function.request``."""
        return await in_thread(lambda: self._request(method, path, headers=headers, body=body, json=json, via=via))
