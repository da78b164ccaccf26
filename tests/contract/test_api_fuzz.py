"""Whatever is sent, the answer is one of the API's, and never an internal error."""

from __future__ import annotations

import json
from typing import Any, cast

from fakes import FakePlatform
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_scf.api_errors import InternalError
from pytest_scf.contract.api import Api
from pytest_scf.contract.table import ACTIONS
from pytest_scf.errors import ApiError

NAMES = sorted({name for action in ACTIONS.values() for name in action.reader.checks} | {"Start", "End", "Other"})
TEXTS = st.sampled_from(["worker", "plain", "1234", "Event", "Tail", "RUNNING", "2023-11-15 00:00:00", "{}", "$LATEST"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)
PARAMS = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), VALUES, max_size=5)
NEAR = st.fixed_dictionaries({"FunctionName": st.sampled_from(["worker", "plain"])}, optional={"Limit": SCALARS})


def check(action: str, params: Any) -> None:
    platform = FakePlatform()
    platform.add(platform.deploy("worker", async_run=True), "1234")
    platform.deploy("plain")
    try:
        answer = Api(cast(Any, platform)).call(action, params)
    except InternalError:
        raise
    except ApiError as error:
        answer = {"Error": {"Code": error.code, "Message": error.message}, "RequestId": error.request_id}
    assert json.loads(json.dumps(answer))["RequestId"]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(ACTIONS)), PARAMS | st.builds(lambda near, more: {**more, **near}, NEAR, PARAMS))
def test_mappings(action: str, params: dict[str, Any]) -> None:
    check(action, params)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(ACTIONS)) | st.text(), st.binary() | st.text() | PARAMS.map(json.dumps))
def test_bodies(action: str, body: bytes | str) -> None:
    check(action, body)
