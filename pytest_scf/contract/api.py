"""The API in process: one call, one answer."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from pytest_scf.api_errors import InternalError, InvalidAction, UnsupportedOperation
from pytest_scf.contract.action_registry import ACTIONS
from pytest_scf.contract.call import Call
from pytest_scf.contract.flattened import FlattenedParams
from pytest_scf.contract.operations import Operations
from pytest_scf.contract.rate import RateLimit
from pytest_scf.contract.request import Params, read_params
from pytest_scf.errors import ApiError, ScfError
from pytest_scf.platform.request_ids import new_request_id

P = ParamSpec("P")
T = TypeVar("T")


class Api:
    """The API of the cloud over what does its work: a platform."""

    __slots__ = ("_limit", "_operations", "interceptors")

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        #: called with the action of each request, before it is done; what they raise is the answer
        self.interceptors: list[Callable[[str], None]] = []
        most = operations.settings.rate_limit
        self._limit = RateLimit(most, operations.clock.now) if most else None

    def call(self, action: str, params: Params | FlattenedParams = None) -> dict[str, Any]:
        """Do one action; gives what stands inside of the cloud's ``"Response"``, RequestId included.

        ``params`` is the mapping of the request's fields, or its JSON as text or bytes, or texts by flattened names.

        Raises the ``ApiError`` of the API's code, with ``request_id`` and ``action``. What pytest-scf itself has to
        say (a runtime that is closed, a level of isolation that this machine refuses) is no word of the cloud's, and
        comes as the ``ScfError`` that it is. Anything else is ``InternalError``, its ``__cause__`` what happened.
        """
        request_id = new_request_id()
        try:
            row = ACTIONS.get(action)
            if row is None:
                raise _not_there(action)
            self._let_in(action)
            if isinstance(params, FlattenedParams):
                params = params.nested(row.request_type)
            request = row.reader.read(read_params(params))
            answer = row.write(row.function(Call(self._operations, request_id), request))
        except Exception as error:
            _tell(error, request_id, action)
            raise
        answer["RequestId"] = request_id
        return answer

    def _let_in(self, action: str) -> None:
        if self._limit is not None:
            self._limit.take(action)
        for intercept in tuple(self.interceptors):
            intercept(action)

    def perform(
        self, action: str, operation: Callable[Concatenate[Call, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Do what is behind an action with typed values; ``operation`` is one of ``pytest_scf.contract.actions``.

        The limit of ``action`` counts it, and what it raises is as with ``call``.
        """
        request_id = new_request_id()
        try:
            self._let_in(action)
            return operation(Call(self._operations, request_id), *args, **kwargs)
        except Exception as error:
            _tell(error, request_id, action)
            raise


def _tell(error: Exception, request_id: str, action: str) -> None:
    """Say in an ApiError which request it belongs to; raise InternalError for what neither we nor the cloud say."""
    if isinstance(error, ScfError) and not isinstance(error, ApiError):
        return
    told = error if isinstance(error, ApiError) else InternalError(f"{type(error).__name__}: {error}")
    told.request_id = request_id
    told.action = action
    if told is not error:
        raise told from error


def _not_there(action: object) -> ApiError:
    from pytest_scf.contract.support_matrix import REFUSED

    if action in REFUSED:
        return UnsupportedOperation(f"The action {action} is not emulated; {REFUSED[str(action)]}.")
    near = difflib.get_close_matches(str(action), ACTIONS, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return InvalidAction(f"There is no action {action!r}.{hint} Known here: {', '.join(ACTIONS)}.")
