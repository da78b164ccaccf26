"""The handle of a function without its calls, which are in ``handles``: what it is, and what is built on calls."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from pytest_scf.errors import UsageError
from pytest_scf.facade.assertions import ANY
from pytest_scf.facade.asynchronous import EMPTY
from pytest_scf.facade.event_handle import EventHandle
from pytest_scf.facade.invocation import InvocationHandle
from pytest_scf.facade.log_handle import Handle
from pytest_scf.facade.values import Provisioned
from pytest_scf.platform.records import Invocation

if TYPE_CHECKING:
    from pytest_scf.facade.probing.stubs import Stub
    from pytest_scf.facade.termination_map.moments import Moment
    from pytest_scf.facade.termination_map.options import Options
    from pytest_scf.facade.termination_map.result import TerminationMap
    from pytest_scf.facade.termination_map.runner import MapRunner
    from pytest_scf.facade.triggers import FunctionTriggers
    from pytest_scf.facade.websocket import WebSocket
    from pytest_scf.platform.functions import FunctionConfig, FunctionRecord

_E = TypeVar("_E", bound=EventHandle)
_R = TypeVar("_R", bound=InvocationHandle)
_T = TypeVar("_T")


class FunctionHandle(Handle, abc.ABC, Generic[_E, _R]):
    """A function whose calls give events ``_E`` and results ``_R``."""

    __slots__ = ()
    _record: FunctionRecord

    @property
    def name(self) -> str:
        return self._record.name

    @property
    def namespace(self) -> str:
        return self._record.namespace

    @property
    def config(self) -> FunctionConfig:
        """What the function was deployed with."""
        return self._record.config

    @property
    def provisioned(self) -> list[Provisioned]:
        """The versions of which instances are kept warm, by ``deploy(provisioned=2)`` or the API."""
        states = self._session.platform.provisioning.states(self._record)
        return [Provisioned(each.version, each.allocated, each.available, each.status, each.reason) for each in states]

    @overload  # what is called "new" is no attribute
    def stub(self, target: str, new: _T) -> _T: ...  # type: ignore[overload-overlap]
    @overload
    def stub(
        self,
        target: str,
        *,
        autospec: bool = True,
        wraps: bool = False,
        return_value: Any = ANY,
        side_effect: Any = None,
        **attributes: Any,
    ) -> Stub: ...

    def stub(
        self,
        target: str,
        new: Any = ANY,
        *,
        autospec: bool = True,
        wraps: bool = False,
        return_value: Any = ANY,
        side_effect: Any = None,
        **attributes: Any,
    ) -> Any:
        """Put a stand-in in the place of ``target``, in every instance that starts afterwards; idle ones are gone.

        ``target`` is a dotted name as ``unittest.mock.patch`` takes it: "index.cos.put_object". Gives a MagicMock in
        the test: what it returns or raises (``return_value`` and ``side_effect``, here or later) is what the function
        gets, and it knows the calls. ``held()`` keeps a call from returning. With ``autospec`` a call that the original
        would refuse is refused, and a method gets its ``self`` first, as ``patch(autospec=True)`` does. With ``wraps``
        calls go on to the original, unless ``return_value`` or ``side_effect`` says what they give. ``attributes`` are
        set as ``configure_mock`` does. With ``new`` that is put there instead, and given back: a value that travels, a
        Mock or a function of the test's. See docs/inside.md.

        Raises UsageError for what is no dotted name, and for a function whose handler is not Python. A target that does
        not exist ends the event in whose instance it is looked for with 443, and is raised as a UsageError, with the
        nearest names, by what waits for that event: ``invoke``, ``event.wait``, the assertions; else at the end.
        """
        from pytest_scf.facade.probing.function_probe import add_stub
        from pytest_scf.facade.probing.stubs import check_attributes

        check_attributes(target, attributes)
        if new is not ANY:
            if wraps or return_value is not ANY or side_effect is not None or attributes:
                raise UsageError(f"stub({target!r}, {new!r}) puts that there: there is nothing else to say of it")
            add_stub(self._session, self._record, target, new=new)
            return new
        stub = add_stub(self._session, self._record, target, autospec=autospec, wraps=wraps)
        if return_value is not ANY:
            stub.return_value = return_value
        stub.side_effect = side_effect
        stub.configure_mock(**attributes)
        return stub

    def termination_map(
        self,
        event: Any = EMPTY,
        *,
        graceful: bool = True,
        check: Callable[..., object] | None = None,
        prepare: Callable[[Moment[_E]], object] | None = None,
        resume: bool = False,
        occurrences: str = "all",
        limit: int | None = 1000,
        moments: str = "lines",
        only: str | Sequence[str] | None = None,
        fresh: bool = False,
        parallel: int | None = None,
        timeout: float = 10.0,
        record_for: float = 5.0,
    ) -> TerminationMap[_E]:
        """Terminate the function at every moment: before each line of its own code that runs, each time that it runs.

        Records once which lines run, also in the init phase and which of them block, then invokes it for each moment,
        stops there, terminates it (gracefully or by force), lets it go and waits up to ``timeout`` seconds. An event
        that does not end by itself is recorded for ``record_for`` seconds.

        ``prepare(moment)`` is called before and ``check(event, moment)`` after each; what it raises is that moment's
        failure. With ``resume`` the function is invoked again afterwards, with the same event, and
        ``check(event, resumed, moment)`` gets both. ``occurrences="ends"`` takes the first and the last time of each
        line, ``limit`` bounds the number of moments, ``only="index.py:31#5"`` runs one. ``moments="log"`` terminates
        after each log line instead, in functions of all kinds.

        ``parallel`` moments are run at a time: one more than there are processors, one with ``prepare`` or stand-ins. A
        moment of the handler is run in an instance that has served another one well, unless ``fresh``; what fails there
        is run again in a fresh one, and that counts. See docs/inside.md. Raises UsageError.
        """
        from pytest_scf.facade.termination_map.options import Options

        options = Options(
            graceful=graceful,
            check=check,
            prepare=prepare,
            resume=resume,
            occurrences=occurrences,
            limit=limit,
            moments=moments,
            only=only,
            fresh=fresh,
            parallel=parallel,
            timeout=timeout,
            record_for=record_for,
        )
        return self._map_runner(event, options).run()

    def _map_runner(self, event: Any, options: Options) -> MapRunner[_E]:
        from pytest_scf.facade.termination_map.runner import MapRunner

        return MapRunner(self._session, self._record, self._event_of, event, options)

    @property
    def triggers(self) -> FunctionTriggers[_E]:
        """Its triggers: ``fn.triggers.timer("0 30 1 * * * *")`` adds one."""
        from pytest_scf.facade.triggers import FunctionTriggers

        return FunctionTriggers(self._session.platform, self._session.api, self._record, self._event_of)

    def websocket(
        self, path: str = "/", *, headers: Mapping[str, str] | None = None, subprotocols: Sequence[str] = ()
    ) -> WebSocket[_R]:
        """A WebSocket connection to a web function (``deploy_web(websocket=True)``), which is one invocation.

        ``with fn.websocket("/chat") as connection`` opens it, with ``send``, ``receive`` and ``close``; afterwards
        ``connection.invocation`` has the status code: 200, 439 (closed by the server with another code than 1000, 1010
        or 1011, or without), 456 (by the client), 455 (idle), 433, ... Entering raises WebSocketClosed where the server
        does not open it. Raises UsageError, also where wsproto is missing.
        """
        from pytest_scf.facade.websocket import WebSocket

        platform = self._session.platform
        return WebSocket(platform, self._result_of, self._record, path, headers or {}, subprotocols)

    @abc.abstractmethod
    def _event_of(self, invocation: Invocation) -> _E: ...

    @abc.abstractmethod
    def _result_of(self, invocation: Invocation) -> _R: ...
