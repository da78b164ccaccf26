"""Whatever is asked of whatever action, in whatever order, is answered by the API: no internal error, and no hang.

All of it over the real platform. The requests are made of the table's own checks, so a new action joins by itself.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_scf.contract import validators
from pytest_scf.contract.action_registry import ACTIONS
from pytest_scf.contract.api import Api
from pytest_scf.contract.request import RequestReader
from pytest_scf.errors import ApiError
from pytest_scf.instances.host import HostLease
from pytest_scf.platform.functions import FunctionConfig
from pytest_scf.platform.platform import Platform
from pytest_scf.platform.settings import Settings

CODE = """
import time
def main_handler(event, context):
    while event == "stay":
        time.sleep(60)
    return event
"""
#: stand for the id of the invocation before, and for that of an event that runs until it is terminated
LATEST_ID, RUNNING_ID = "<the latest id>", "<the running id>"
NAMES = sorted({name for action in ACTIONS.values() for name in action.reader.validators} | {"Start", "End", "Other"})
TIMES = ["2023-11-15 00:00:00", "2023-11-15 00:00:01.5", "9999-12-31 23:59:59", "0001-01-01 00:00:00"]
KNOWN = {
    "FunctionName": ["worker", "worker", "worker", "plain", "plain", "fresh", "nobody"],
    "Namespace": ["default", "default", "default", "other"],
    "Qualifier": ["$LATEST", "$LATEST", "$LATEST", "1", "7"],
    "InvokeRequestId": [RUNNING_ID, RUNNING_ID, LATEST_ID, "1234"],
    "FunctionRequestId": [LATEST_ID, "1234"],
    "ClientContext": ["{}", '"text"', "null", "[1]", "{"],
    "Event": ["{}", "1", "nonsense"],
    "RoutingKey": ['{"k":"v"}', '{"k":1}'],
    "Handler": ["index.main_handler", "index.missing"],
    "Runtime": ["Python3.10", "Cobol"],
    "ZipFile": ["UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==", "nonsense"],
}
TEXTS = st.sampled_from(["worker", "1234", "Event", "RUNNING", "TRUE", "FALSE", "$LATEST", "{}", *TIMES])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | TEXTS
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)


def value(name: str, check: Any) -> st.SearchStrategy[Any]:
    """What a field accepts, as far as its check tells."""
    if isinstance(check, RequestReader):
        return request(check)
    if isinstance(check, validators.OneOf):
        return st.sampled_from(check.values)
    if isinstance(check, validators.Integer):
        return st.integers(check.least, check.least + 200 if check.most is None else check.most)
    if isinstance(check, validators.Boolean):
        return st.booleans()
    if isinstance(check, validators.Array):
        return st.lists(value(name, check.item), max_size=3)
    if isinstance(check, validators.DateTime):
        return st.sampled_from(TIMES)
    return st.sampled_from(KNOWN[name]) if name in KNOWN else TEXTS


def request(reader: RequestReader[Any]) -> st.SearchStrategy[dict[str, Any]]:
    fields = {name: value(name, check) for name, check in reader.validators.items()}
    required = {name: fields.pop(name) for name in reader.required}
    if not fields:
        return st.fixed_dictionaries(required)
    # A few of the fields at a time: of all at once, one or another would nearly always be refused.
    few = st.lists(st.sampled_from(sorted(fields)), max_size=3, unique=True)
    return few.flatmap(lambda names: st.fixed_dictionaries({**required, **{name: fields[name] for name in names}}))


def spoilt(params: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The same with one field that is something else, or not known."""
    names = st.sampled_from(sorted(params)) if params else st.sampled_from(NAMES)
    return st.builds(lambda name, junk: {**params, name: junk}, names | st.sampled_from(NAMES), JUNK)


def asked(action: str) -> st.SearchStrategy[tuple[str, Any]]:
    good = request(ACTIONS[action].reader)
    return st.tuples(st.just(action), good | good | good | good.flatmap(spoilt))


CALLS = st.sampled_from(sorted(ACTIONS)).flatmap(asked)
ANYTHING = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), JUNK, max_size=5)
BOUNDED = settings(max_examples=100)


@pytest.fixture(scope="module", autouse=True)
def lease() -> Iterator[None]:
    with HostLease():  # so that each platform finds the fork server there
        yield


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("code")
    (root / "index.py").write_text(CODE)
    return root


@contextlib.contextmanager
def an_api(code: Path) -> Iterator[Api]:
    platform = Platform(Settings(max_instances=2))
    try:
        for name, async_run in (("worker", True), ("plain", False)):
            config = FunctionConfig(name=name, handler="index.main_handler", code_root=code, async_run=async_run)
            platform.create_function(config)
        yield Api(platform)
    finally:
        platform.close()


def call(api: Api, action: str, params: Any) -> dict[str, Any]:
    """The answer, of an error as well. Anything but an error of the API's, an internal one included, is raised."""
    try:
        answer = api.call(action, params)
        response_type = ACTIONS[action].response_type
        expected = set() if response_type is None else {field.name for field in dataclasses.fields(response_type)}
        assert set(answer) == {*expected, "RequestId"}
    except ApiError as error:
        if error.code == "InternalError":
            raise
        assert error.message
        assert error.action == action
        answer = {"Error": {"Code": error.code, "Message": error.message}, "RequestId": error.request_id}
    assert json.loads(json.dumps(answer))["RequestId"]
    return answer


@BOUNDED
@given(st.lists(CALLS, min_size=1, max_size=8))
def test_requests_one_after_the_other(code: Path, calls: list[tuple[str, Any]]) -> None:
    with an_api(code) as api:
        running = api.call("Invoke", {"FunctionName": "worker", "InvocationType": "Event", "ClientContext": '"stay"'})
        ids = dict.fromkeys((RUNNING_ID, LATEST_ID), running["RequestId"])
        for action, params in calls:
            answer = call(api, action, {name: ids.get(str(given), given) for name, given in params.items()})
            result = answer.get("Result")
            if isinstance(result, dict):
                ids[LATEST_ID] = result.get("FunctionRequestId", ids[LATEST_ID])


@BOUNDED
@given(st.lists(st.tuples(st.sampled_from(sorted(ACTIONS)), ANYTHING), min_size=1, max_size=8))
def test_anything(code: Path, calls: list[tuple[str, Any]]) -> None:
    with an_api(code) as api:
        for action, params in calls:
            call(api, action, params)


@BOUNDED
@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(ACTIONS)) | st.text(),
            st.binary() | st.text() | ANYTHING.map(json.dumps) | CALLS.map(lambda made: json.dumps(made[1])),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_bodies(code: Path, calls: list[tuple[str, bytes | str]]) -> None:
    with an_api(code) as api:
        for action, body in calls:
            call(api, action, body)


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_the_requests_made_here_are_those_the_action_reads(action: str) -> None:
    """That the fuzzing reaches what an action does: most of what it sends passes the checks of the fields."""
    read = []

    @settings(max_examples=20, database=None)
    @given(request(ACTIONS[action].reader))
    def read_one(params: dict[str, Any]) -> None:
        with contextlib.suppress(ApiError):
            ACTIONS[action].reader.read(params)
            read.append(params)

    read_one()
    assert read
