"""``ScfRuntime``: a platform of one's own, with functions, instances and events, for a test or a script."""

from __future__ import annotations

import os
import threading
import warnings
import weakref
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pytest_scf.contract.api import Api
from pytest_scf.endpoint.loopback import LoopbackEndpoint
from pytest_scf.errors import IsolationWarning, LeftRunningWarning, ScfWarning, UsageError
from pytest_scf.facade.artifacts import KeptTmp
from pytest_scf.facade.coverage import bridge
from pytest_scf.facade.deployment import Deployment
from pytest_scf.facade.file_systems import directories
from pytest_scf.facade.handles import Event, Function, Instance
from pytest_scf.facade.images import Images
from pytest_scf.facade.layers import provide
from pytest_scf.facade.session import Session
from pytest_scf.platform.clock import Clock
from pytest_scf.platform.platform import Platform
from pytest_scf.platform.settings import Settings
from pytest_scf.platform.starting import InstanceServices

if TYPE_CHECKING:
    from pytest_scf.endpoint.server import Endpoint
    from pytest_scf.facade.addresses import HttpAddress
    from pytest_scf.facade.faults import Faults
    from pytest_scf.facade.probing.debugging import Editor, Terminal
    from pytest_scf.facade.triggers import Bucket, CosAddress, Topic
    from pytest_scf.platform.records import Invocation


_made: weakref.WeakSet[ScfRuntime] = weakref.WeakSet()
_making = threading.Lock()


def made() -> list[ScfRuntime]:
    """Those of this process, for the plugin: those that a test has made itself are told of in its report, too."""
    with _making:
        return list(_made)


class ScfRuntime(Deployment):
    """Deploys functions and gives out what they do. Works without pytest:

    .. code-block:: python

        with ScfRuntime() as rt:
            fn = rt.deploy("functions/worker", async_run=True)
            event = fn.invoke_async({"job": 7})

    ``settings`` are those of ``pytest_scf.platform.settings.Settings``. A relative source of ``deploy`` is looked up
    in ``base_dirs``, in that order; without any, in the working directory. ``on_output`` is called in the background
    with the name of a function, a request id and what was written, as it comes, and with b"" when the event has ended;
    it must not wait for anything. ``keep_tmp`` is a directory into which the
    /tmp of an instance is copied before the instance is terminated, or repossessed after a failure: as ``tmp-ID``.
    """

    def __init__(
        self,
        *,
        base_dirs: Sequence[str | os.PathLike[str]] = (),
        on_output: Callable[[str, str, bytes], object] | None = None,
        keep_tmp: Path | None = None,
        **settings: Any,
    ) -> None:
        #: where ``deploy`` looks a relative source up; may be set at any time
        self.base_dirs: Sequence[str | os.PathLike[str]] = base_dirs
        self._closed = False
        #: closed with the runtime, the latest first
        self._closing = ExitStack()
        self._cos: CosAddress | None = None
        chosen = Settings.from_keywords(settings)
        self._platform = Platform(replace(chosen, cfs=directories(chosen.cfs, base_dirs)))
        with ExitStack() as undo:  # nobody will be there to close it
            undo.callback(self._platform.close)
            self._set_up(on_output, keep_tmp)
            _warn_of_weak_isolation(self._platform)  # which may be an error
            undo.pop_all()
        with _making:
            _made.add(self)

    def _set_up(self, on_output: Callable[[str, str, bytes], object] | None, keep_tmp: Path | None) -> None:
        self._images = self._platform.images = Images(self._platform, lambda: self.base_dirs, self.settings.images)
        self._session = Session(self._platform, Api(self._platform))
        self._loopback = LoopbackEndpoint(
            self._session.api, self._platform.credential, self._platform.when_readable, self.settings.credentials
        )
        self._coverage = bridge(self._session)
        coverage, self._kept_tmp = self._coverage, None if keep_tmp is None else KeptTmp(keep_tmp)
        self._platform.provide(
            InstanceServices(
                api_port=self._loopback.port,
                cos_port=lambda: 0 if self._cos is None else self._cos.port,
                coverage=None if coverage is None else coverage.counted,
                on_coverage=None if coverage is None else coverage.take,
                on_output=None
                if on_output is None
                else lambda attempt, data: on_output(attempt.function.name, attempt.request_id, data),
                before_kill=None if self._kept_tmp is None else self._kept_tmp.before_kill,
            )
        )
        if self.settings.layers:
            provide(self._platform, self.settings.layers, self.base_dirs)

    @property
    def api(self) -> Api:
        """The cloud's API: ``api.call("ListAsyncEvents", {"FunctionName": ...})``."""
        return self._session.api

    @property
    def clock(self) -> Clock:
        """The platform's clock: ``clock.advance(hours=72)``. The handlers' own time is real, and stays so."""
        return self._platform.clock

    @property
    def settings(self) -> Settings:
        return self._platform.settings

    @property
    def isolation(self) -> str:
        """The level of isolation in force: "namespaces" or "directory"."""
        return self._platform.isolation.name

    @property
    def instances(self) -> list[Instance]:
        """The instances of all functions that are alive."""
        return [
            Instance._of(self._session, record)
            for function in self._platform.functions.all()
            for record in self._platform.instances_of(function)
        ]

    def _end_of_phase(self) -> None:
        """For pytest: see ``CoverageBridge.end_of_phase``."""
        if self._coverage is not None:
            self._coverage.end_of_phase(instance._record for instance in self.instances)

    def endpoint(self, *, port: int = 0, secret_id: str | None = None, secret_key: str | None = None) -> Endpoint:
        """Serve the API over HTTP on 127.0.0.1, until the endpoint is closed: ``with runtime.endpoint() as endpoint``.

        A port of 0 is any that is free. Credentials are made up where none are given.

        Raises UsageError where the port cannot be had.
        """
        from pytest_scf.endpoint.server import Endpoint

        self._refuse_when_closed()
        return Endpoint(self.api, region=self.settings.region, port=port, secret_id=secret_id, secret_key=secret_key)

    def http(self, function: Function, *, port: int = 0, via: str = "url") -> HttpAddress:
        """Give a function an address on 127.0.0.1, for a browser or any client: ``runtime.http(fn).url``.

        Requests reach it as by ``Function.request``. A ``port`` of 0 is any that is free. The address goes when it is
        closed, or with the runtime. Raises UsageError where the port cannot be had.
        """
        from pytest_scf.facade.addresses import HttpAddress

        self._refuse_when_closed()
        address = HttpAddress(function, port=port, via=via)
        self._closing.callback(address.close, grace=0)
        return address

    def cos(self, bucket: str) -> Bucket[Event]:
        """A bucket of COS in memory, made if need be; triggers of COS fire for what is put into it, and removed.

        The official SDK (cos-python-sdk-v5) reaches it as it is: in this process from now on until the runtime is
        closed, in Python functions whose instances start from now on. Signatures are not checked.
        """
        from pytest_scf.facade.triggers import Bucket, CosAddress

        self._refuse_when_closed()
        if self._cos is None:
            self._cos = CosAddress(self._platform.buckets, self._closing)
        return Bucket(self._platform.buckets, bucket, partial(Event._of, self._session))

    @property
    def images(self) -> Images:
        """What images run that functions are created of by name, through the API or a project file.

        ``runtime.images["ccr.ccs.tencentyun.com/shop/api:1"] = ["python", "app.py"]``, or the path of a Dockerfile.
        """
        return self._images

    def topic(self, name: str) -> Topic[Event]:
        """A topic of CKafka and CMQ; triggers of it get what is sent to it."""
        from pytest_scf.facade.triggers import Topic

        self._refuse_when_closed()
        return Topic(self._platform.topics, name, partial(Event._of, self._session))

    def sdk(self) -> AbstractContextManager[None]:
        """Within it, the official Python SDK's clients for SCF reach this runtime, in this process, without a socket.

        Whatever endpoint, region and credentials they have; those for other services are refused. Raises UsageError
        where the SDK is not installed.
        """
        from pytest_scf.endpoint.in_process import patched

        self._refuse_when_closed()
        return patched(self.api)

    def events(self) -> list[Event]:
        """All events (asynchronous executions) that are remembered, in the order of their start."""
        return [Event._of(self._session, record) for record in self._platform.events.all() if record.asynchronous]

    def invocations(self) -> list[Event]:
        """The events and the latest of the other invocations, in the order of their start."""
        return self._invoked_after(None)

    def _invoked_after(self, last: Event | None) -> list[Event]:
        """What was invoked after ``last``, of what is remembered; costs what it gives, not what there was before."""
        since = self._platform.events.since(None if last is None else last._record)
        return [Event._of(self._session, record) for record in since]

    @property
    def faults(self) -> Faults:
        """Faults on purpose: ``with runtime.faults.lost_signal(): ...``; see docs/inside.md."""
        from pytest_scf.facade.faults import Faults

        return Faults(self._platform, self.api, self._session)

    def debug_on(self, terminal: Terminal | None, editor: Editor | None = None) -> None:
        """Have functions that are deployed from now on open pdb there at ``breakpoint()``, or wait for an editor."""
        self._session.terminal = terminal if editor is None else editor.terminal
        self._session.editor = editor

    def suspend_limits(self) -> None:
        """Let the time limits of what runs stand still, to look at it in peace, until ``resume_limits``."""
        self._platform.suspend_all_limits()

    def resume_limits(self) -> None:
        """Let them go on with what was left of them."""
        self._platform.resume_all_limits()

    def show_progress(self, show: Callable[[str], object] | None) -> None:
        """Have ``show`` called, now and then, with how far something is that takes long, and with "" at its end."""
        self._session.progress = show

    def close(self) -> list[Event]:
        """Terminate what is still running, and remove every instance and all that was staged.

        Gives the events that were still RUNNING. A second call does nothing, and gives none.
        Raises UsageError, when all is closed, where a stand-in or a set-up could not be put in place, and nobody has
        waited for an event that would have told of it.
        """
        left = self._release()
        if untold := self._take_untold():
            raise UsageError("\n".join(untold))
        self._warn_of_refusals()
        return left

    def _take_untold(self) -> list[str]:
        """What could not be done in an instance as the test asked, and nobody knows of yet."""
        return [text for probe in self._session.probes for text in probe.take_untold()]

    def _warn_of_refusals(self) -> None:
        if refused := self._platform.triggers.take_untold_refusals():
            warnings.warn(ScfWarning(refused), stacklevel=3)

    def _release(self) -> list[Event]:
        """Close, and leave it to the caller to judge what was found."""
        if self._closed:
            return []
        self._closed = True
        left: list[Invocation] = []
        with ExitStack() as steps:  # each is done, whatever another raises; the last first
            if self._coverage is not None:
                steps.callback(self._coverage.flush)
            # Late: an error as the answer to a call of its own would let a handler fail that is to be ended.
            steps.callback(self._loopback.close)
            for probe in self._session.probes:
                steps.callback(probe.close)
            steps.callback(lambda: left.extend(self._platform.close()))
            steps.callback(self._loopback.withdraw)
            self._closing.close()
        return [Event._of(self._session, record) for record in left if record.asynchronous]

    def __enter__(self) -> ScfRuntime:
        self._refuse_when_closed()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        left = self._release()
        # Release first, judge afterwards; and what went wrong in the block is not to be hidden by another error.
        if error is not None:
            return
        if untold := self._take_untold():
            raise UsageError("\n".join(untold))
        if left:
            listed = ", ".join(f"{event.request_id} of function {event.function.name}" for event in left)
            warnings.warn(
                LeftRunningWarning(
                    f"still RUNNING at the end, and terminated: {listed}. Call event.wait() or event.terminate() before"
                ),
                stacklevel=2,
            )
        self._warn_of_refusals()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self._platform.functions.all())} functions"
        return f"<ScfRuntime: {state}>"


# One warning for a test process is enough to know.
_warned_of: set[str] = set()


def _warn_of_weak_isolation(platform: Platform) -> None:
    reason = platform.refused
    if not reason or reason in _warned_of:
        return
    _warned_of.add(reason)
    warnings.warn(
        IsolationWarning(
            f"instances are isolated by directories only, as this machine refuses namespaces: {reason}. Not isolated "
            "are /tmp (only TMPDIR and its like lead to the instance's own), the rest of the file system, process ids, "
            "and the size of /tmp. Allow unprivileged user namespaces to have them isolated, or choose "
            'isolation="directory" (--scf-isolation=directory) to accept this without a warning'
        ),
        stacklevel=3,
    )
