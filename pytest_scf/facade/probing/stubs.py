"""Stand-ins as the test has them: real Mocks, which the code in the instances calls from there."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

from pytest_scf.errors import UsageError, WaitTimeout
from pytest_scf.facade.probing.connections import ConnectionEvent

if TYPE_CHECKING:
    from pytest_scf.facade.probing.connections import Connections

#: what else ``patch`` takes
_OF_PATCH = {
    "new_callable": "stub(target, AsyncMock()) puts that Mock there",
    "spec": "stub(target, Mock(spec=...)) puts that Mock there",
    "spec_set": "stub(target, Mock(spec_set=...)) puts that Mock there",
    "create": "a stand-in takes the place of something that there is",
    "name": "its name is its target",
}
#: in a thread that serves an instance: whose call it is that a Mock is called for
calling = threading.local()


class HeldCall:
    """A call of a stand-in's that is kept from returning; ``with stub.held() as call`` gives it."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._there = threading.Event()
        self._released = ConnectionEvent()
        #: what the stand-in was called with, once ``wait`` has returned
        self.args: tuple[Any, ...] = ()
        self.kwargs: dict[str, Any] = {}

    def wait(self, timeout: float = 30) -> HeldCall:
        """Wait until the function is inside the call; gives this. Raises WaitTimeout after ``timeout`` seconds."""
        if not self._there.wait(timeout):
            raise WaitTimeout(f"nobody called {self._target} within {timeout:g} s")
        return self

    @property
    def reached(self) -> bool:
        """Whether the function has come into the call."""
        return self._there.is_set()

    def release(self) -> None:
        """Let the call go on, as the end of the block does."""
        self._released.set()

    def __repr__(self) -> str:
        state = "released" if self._released.is_set() else "held" if self.reached else "not reached"
        return f"<HeldCall of {self._target}: {state}>"


class _Holding(mock.Mock):
    """What Mocks that stand in for something have beside those of the standard library."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.__dict__["_scf_held"] = []
        self.__dict__["_scf_counting"] = threading.Lock()

    def _get_child_mock(self, /, **kwargs: Any) -> Any:
        child = super()._get_child_mock(**kwargs)
        kind = type(child).__mro__[1]
        if kind is mock.AsyncMock:
            return AsyncStub(**kwargs)
        return Stub(**kwargs) if kind is mock.MagicMock else child

    def _increment_mock_call(self, /, *args: Any, **kwargs: Any) -> None:
        # Threads of the handler may call at once, and none of their calls is to be lost.
        with self.__dict__["_scf_counting"]:
            super()._increment_mock_call(*args, **kwargs)

    def _mock_call(self, /, *args: Any, **kwargs: Any) -> Any:
        # The call is known by now, and what it returns or raises is not decided yet.
        connections = getattr(calling, "connections", None)
        if connections is not None:
            _hold(connections, self, args, kwargs)
        return super()._mock_call(*args, **kwargs)

    @contextmanager
    def held(self) -> Iterator[HeldCall]:
        """Keep the function inside the next call, from when it comes there until the block ends.

        A call that is already under way goes on. What the stand-in is to return or raise is asked for when it is let
        go. A signal handler runs in the middle of it, as in a blocking system call; where it raises, the function has
        left the call, which returns and raises nothing any more.
        """
        call = HeldCall(self._extract_mock_name())
        held = self.__dict__["_scf_held"]
        held.append(call)
        try:
            yield call
        finally:
            call.release()
            if call in held:
                held.remove(call)


class Stub(_Holding, mock.MagicMock):
    """A ``unittest.mock.MagicMock`` in the test that stands in for something in a function's instances."""

    # What stands for a coroutine function is called once it is awaited, so calls are what an AsyncMock has as awaits.
    assert_awaited = mock.MagicMock.assert_called
    assert_awaited_once = mock.MagicMock.assert_called_once
    assert_awaited_with = mock.MagicMock.assert_called_with
    assert_awaited_once_with = mock.MagicMock.assert_called_once_with
    assert_any_await = mock.MagicMock.assert_any_call
    assert_has_awaits = mock.MagicMock.assert_has_calls
    assert_not_awaited = mock.MagicMock.assert_not_called

    @property
    def await_count(self) -> int:
        return int(self.call_count)

    @property
    def await_args(self) -> Any:
        return self.call_args

    @property
    def await_args_list(self) -> Any:
        return self.call_args_list


class AsyncStub(_Holding, mock.AsyncMock):
    """One that a Mock makes an AsyncMock, as what ``async with`` gives."""


class Block(Stub):
    """``__enter__`` and ``__exit__`` of what ``stub()`` gives: in the test a block at whose end the stand-in is gone.

    In the function they are what those of a MagicMock are, for code that uses the original in a ``with`` statement.
    """

    def does(self, what: Callable[[], object]) -> None:
        self.__dict__["_scf_does"] = what

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if getattr(calling, "connections", None) is None:
            return self.__dict__["_scf_does"]()
        return super().__call__(*args, **kwargs)


def _hold(connections: Connections, stub: _Holding, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    held = stub.__dict__["_scf_held"]
    try:
        call = held.pop(0)
    except IndexError:
        return
    call.args, call.kwargs = args, kwargs
    with connections.holding(call._target):
        connections.catch_up()
        call._there.set()
        connections.wait(call._released)


def check_attributes(target: str, names: Iterable[str]) -> None:
    """Raises UsageError for a name that is meant for something else, which would be but an attribute of the Mock."""
    for name in names:
        if name in _OF_PATCH:
            raise UsageError(f"stub({target!r}) takes no {name}=; {_OF_PATCH[name]}")
        near = difflib.get_close_matches(name, ("return_value", "side_effect", "autospec", "wraps"), n=1, cutoff=0.8)
        if near:
            raise UsageError(f"stub({target!r}) takes no {name}=; did you mean {near[0]}=?")


def check_target(target: object) -> None:
    """Raises UsageError."""
    if not isinstance(target, str):
        raise UsageError(f"a stand-in's target is a dotted name such as 'index.cos.put_object', not {target!r}")
    parts = target.split(".")
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):
        raise UsageError(
            "a stand-in's target is a dotted name such as 'index.cos.put_object', a module and what is in it; "
            f"got {target!r}"
        )
