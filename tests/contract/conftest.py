from __future__ import annotations

from typing import Any, cast

import pytest
from fakes import FakeFunction, FakePlatform

from pytest_scf.contract.api import Api


@pytest.fixture
def platform() -> FakePlatform:
    return FakePlatform()


@pytest.fixture
def api(platform: FakePlatform) -> Api:
    return Api(cast(Any, platform))


@pytest.fixture
def worker(platform: FakePlatform) -> FakeFunction:
    """A function with asynchronous execution."""
    return platform.functions.add("worker", async_run=True)


@pytest.fixture
def plain(platform: FakePlatform) -> FakeFunction:
    """A function without asynchronous execution."""
    return platform.functions.add("plain")
