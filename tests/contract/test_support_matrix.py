"""docs/actions.md tells of every action of the official SDK, and what it tells is so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_scf.api_errors import InvalidAction, UnsupportedOperation
from pytest_scf.contract import support_matrix
from pytest_scf.contract.action_registry import ACTIONS
from pytest_scf.contract.api import Api

PAGE = Path(__file__).resolve().parents[2] / "docs" / "actions.md"


def test_every_action_of_the_sdk_is_there() -> None:
    client = pytest.importorskip("tencentcloud.scf.v20180416.scf_client").ScfClient
    known = {name for name, value in vars(client).items() if name[0].isupper() and callable(value)}
    assert {*ACTIONS, *support_matrix.REFUSED} == known


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == support_matrix.page(), "python -m pytest_scf.contract.support_matrix > docs/actions.md"


def test_none_is_both() -> None:
    assert not set(ACTIONS) & set(support_matrix.REFUSED)
    assert set(support_matrix.PARTLY) <= set(ACTIONS)


@pytest.mark.parametrize("action", support_matrix.REFUSED)
def test_a_refused_action_says_what_to_do(api: Api, action: Any) -> None:
    with pytest.raises(UnsupportedOperation, match="is not emulated; "):
        api.call(action, {"Anything": 1})


def test_what_is_no_action_is_said_so(api: Api) -> None:
    with pytest.raises(InvalidAction, match="Did you mean CreateFunction"):
        api.call("CreateFunctions")
