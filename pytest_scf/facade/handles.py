"""What a test holds in its hands: functions, events, instances and results.

Handles are received, from ``deploy`` and from each other, and never constructed. Two handles of the same thing are
equal. They stay readable after the runtime is closed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_scf.contract.actions import invoking
from pytest_scf.errors import UsageError
from pytest_scf.facade import assertions
from pytest_scf.facade.asynchronous import EMPTY, AsyncEvent, AsyncFunction
from pytest_scf.facade.event_handle import EventHandle
from pytest_scf.facade.function_handle import FunctionHandle
from pytest_scf.facade.invocation import InvocationHandle, check_inside, reason
from pytest_scf.facade.log_handle import Handle
from pytest_scf.facade.payload import encode
from pytest_scf.platform.records import Invocation

if TYPE_CHECKING:
    from pytest_scf.facade.web import Response
    from pytest_scf.platform.records import InstanceRecord


class Function(FunctionHandle["Event", "InvokeResult"]):
    """A deployed function."""

    __slots__ = ()
    _given_by = "runtime.deploy(...) gives it"

    @property
    def instances(self) -> list[Instance]:
        """The instances that are alive, oldest first."""
        return [Instance._of(self._session, record) for record in self._session.platform.instances_of(self._record)]

    def invoke(self, event: Any = EMPTY) -> InvokeResult:
        """Call the function and wait for its answer; the function's own timeout ends it. ``event`` is {} by default.

        Raises UsageError where a stand-in or the set-up of the test's could not be put in place.
        """
        payload = encode(event).encode()
        record = self._session.api.perform("Invoke", invoking.call_and_wait, self._record, payload)
        self._note_text(event, record)
        return self._result_of(record)

    def invoke_async(self, event: Any = EMPTY, *, stop_at: str | Sequence[str] | None = None) -> Event:
        """Have the function called, and give the event without waiting. ``event`` is {} by default.

        ``stop_at`` holds it before a line, or several, each once: "index.py:31", or "index.py:31#5" for the fifth time
        that it comes there. ``event.wait_for_stop()`` gives the stop. Raises UsageError, with the nearest line, for one
        at which code cannot be stopped.

        Without asynchronous execution it is a message in a queue: it waits where all instances are busy, and is tried
        again where it fails (see ``Event.attempts``). Raises the API's errors, 429 and 432 among them.
        """
        if stop_at is None:
            record = self._begin(event)
        else:
            from pytest_scf.facade.probing import function_probe, lines, plans

            function_probe.refuse_other_runtimes(self._record)
            config, origins = self._record.config, self._session.origins.get(self._record, {})
            places = lines.parse(stop_at, config.code_root, origins, lines.python_of(config))
            probe = function_probe.trace(self._session, self._record)
            record = probe.begin(plans.Plan(places, details=True), lambda: self._begin(event))
        if not record.asynchronous:
            self._session.queued.add(record.request_id)
        return Event._of(self._session, record)

    def _begin(self, event: Any) -> Invocation:
        payload = encode(event).encode()
        record = self._session.api.perform("Invoke", invoking.start, self._record, payload, asynchronous=True)
        self._note_text(event, record)
        return record

    def request(
        self,
        method: str,
        path: str = "/",
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        json: Any = None,
        via: str = "url",
    ) -> Response[InvokeResult]:
        """Send an HTTP request to the function and wait for the response; its own timeout ends it.

        A web function gets the request as it is. Another one gets the event of its function URL ("url"), or of the API
        gateway ("apigw"), and what it returns is taken apart by the rules of that; see ``facade.http_answers``. Of a
        project file's function it has to be one of the paths that the file declares for the gateway.

        Raises UsageError, and InvalidParameter.RequestTooLarge (6 MB).
        """
        from pytest_scf.facade.web import send

        given = list((headers or {}).items())
        routes = self._session.routes.get(self._record) if via == "apigw" else None
        gateway = None
        if routes:
            from pytest_scf.facade.projects.routes import route_of

            gateway = route_of(routes, method, path)
        return send(
            self._session.platform, self._result_of, self._record, method, path, given, body, json, via, gateway
        )

    def _event_of(self, invocation: Invocation) -> Event:
        return Event._of(self._session, invocation)

    def _result_of(self, invocation: Invocation) -> InvokeResult:
        check_inside(invocation)
        return InvokeResult._of(self._session, invocation)

    @property
    def aio(self) -> AsyncFunction[InvokeResult]:
        """``invoke`` and ``request`` as coroutines."""
        return AsyncFunction(self.invoke, self.request)

    def _note_text(self, event: Any, record: Invocation) -> None:
        if isinstance(event, str) and event.lstrip()[:1] in ("{", "["):
            self._session.given_as_text.add(record.request_id)

    def __repr__(self) -> str:
        return f"<Function {self.name} in namespace {self.namespace}>"


class Instance(Handle):
    """An instance of a function."""

    __slots__ = ()
    _given_by = "event.instance and function.instances give it"
    _record: InstanceRecord

    @property
    def id(self) -> str:
        return self._record.id

    @property
    def function(self) -> Function:
        return Function._of(self._session, self._record.function)

    @property
    def alive(self) -> bool:
        """Whether anything of the instance is left: a process, or its /tmp."""
        return self._record.alive

    @property
    def state(self) -> str:
        """ "starting", "idle", "busy" or "gone"."""
        return self._record.state

    @property
    def tmp(self) -> Path:
        """The instance's /tmp, for reading; the path exists as long as the instance is alive."""
        return self._record.tmp

    @property
    def pid(self) -> int | None:
        """The PID of the user's process as this process sees it; None where there is none yet."""
        return self._record.pid

    @property
    def isolation(self) -> str:
        """ "namespaces" or "directory"."""
        return self._record.level.name

    def __repr__(self) -> str:
        return f"<Instance {self.id}: {self.state}>"


class _Linked(InvocationHandle):
    """What leads from an event or a result to other handles."""

    __slots__ = ()

    @property
    def function(self) -> Function:
        return Function._of(self._session, self._record.function)

    @property
    def instance(self) -> Instance:
        """The instance that works, or worked, on it.

        Raises UsageError while an asynchronous invocation still waits for one (which an event never does).
        """
        record = self._attempt.instance
        if record is None:
            waits = self._record.waits
            raise UsageError(
                f"invocation {self.request_id} of function {self._record.function.name} has no instance: "
                + (f"it waits {waits}" if waits else "it was ended while it waited for one")
            )
        return Instance._of(self._session, record)

    def _event(self) -> Event:
        return Event._of(self._session, self._record, self._fixed)


class InvokeResult(_Linked):
    """What came of a synchronous call."""

    __slots__ = ()
    _given_by = "function.invoke(...) gives it"

    @property
    def result(self) -> dict[str, Any]:
        """The API's Result: RetMsg, ErrMsg, MemUsage, Duration, BillDuration, InvokeResult, ..."""
        return dataclasses.asdict(invoking.result_of(self._attempt))

    @property
    def memory(self) -> int:
        """The most memory that the instance used, in bytes."""
        return self._attempt.memory_bytes

    def assert_finished(self, value: object = assertions.ANY) -> None:
        """FINISHED with 200, and with this return value where one is given."""
        __tracebackhide__ = True
        assertions.assert_finished(self._event(), value)

    def assert_failed(self, code: int | None = None) -> None:
        """FAILED, with this status code where one is given."""
        __tracebackhide__ = True
        assertions.assert_failed(self._event(), code)

    if not TYPE_CHECKING:  # for type checkers it has these attributes and no more

        def __getattr__(self, name: str) -> Any:
            if hasattr(type(self), name):
                return object.__getattribute__(self, name)  # for the error that it has raised
            hint = ""
            if not name.startswith("_") and hasattr(Event, name):
                hint = ", as fn.invoke() has waited for the end: fn.invoke_async() gives an event, which has"
            raise AttributeError(f"'InvokeResult' object has no attribute {name!r}{hint}")

    def __repr__(self) -> str:
        return f"<InvokeResult {self.request_id}: {int(self.status_code)}{reason(self)}>"


class Event(_Linked, EventHandle):
    """An event: an asynchronous execution of a function."""

    __slots__ = ()
    _given_by = "function.invoke_async(...) and runtime.events() give it"

    def __await__(self) -> Generator[Any, None, Event]:
        """``await event`` is ``wait()`` while the event loop goes on."""
        return self.aio.wait().__await__()

    @property
    def aio(self) -> AsyncEvent[Event]:
        """``wait``, the other waits, the assertions and ``terminate`` as coroutines."""
        return AsyncEvent(self)
