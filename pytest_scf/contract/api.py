"""The API in process: one call, one answer."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from pytest_scf.api_errors import InternalError, InvalidAction, UnsupportedOperation
from pytest_scf.contract.action_registry import ACTIONS
from pytest_scf.contract.flattened import FlattenedParams
from pytest_scf.contract.rate import RateLimit
from pytest_scf.contract.request import Params, read_params
from pytest_scf.errors import ApiError, ScfError
from pytest_scf.platform.request_ids import new_request_id

if TYPE_CHECKING:
    from pytest_scf.platform.platform import Platform


class Api:
    """The API of the cloud over one platform."""

    __slots__ = ("_limit", "_platform")

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        most = platform.settings.rate_limit
        self._limit = RateLimit(most, platform.clock.now) if most else None

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
            if self._limit is not None:
                self._limit.take(action)
            if isinstance(params, FlattenedParams):
                params = params.nested(row.request_type)
            request = row.reader.read(read_params(params))
            answer = row.write(row.function(self._platform, request, request_id))
        except ApiError as error:
            error.request_id = request_id
            error.action = action
            raise
        except ScfError:
            raise
        except Exception as cause:
            internal = InternalError(f"{type(cause).__name__}: {cause}")
            internal.request_id = request_id
            internal.action = action
            raise internal from cause
        answer["RequestId"] = request_id
        return answer


def _not_there(action: object) -> ApiError:
    from pytest_scf.contract.support_matrix import REFUSED

    if action in REFUSED:
        return UnsupportedOperation(f"The action {action} is not emulated; {REFUSED[str(action)]}.")
    near = difflib.get_close_matches(str(action), ACTIONS, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return InvalidAction(f"There is no action {action!r}.{hint} Known here: {', '.join(ACTIONS)}.")
