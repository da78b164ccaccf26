from __future__ import annotations

import pytest
from fakes import FakePlatform

from pytest_scf.contract.api import Api
from pytest_scf.platform.functions import FunctionRecord


@pytest.fixture
def platform(tmp_path_factory: pytest.TempPathFactory) -> FakePlatform:
    return FakePlatform(tmp_path_factory.mktemp("staging"))


@pytest.fixture
def api(platform: FakePlatform) -> Api:
    return Api(platform)


@pytest.fixture
def worker(platform: FakePlatform) -> FunctionRecord:
    """A function with asynchronous execution."""
    return platform.deploy("worker", async_run=True)


@pytest.fixture
def plain(platform: FakePlatform) -> FunctionRecord:
    """A function without asynchronous execution."""
    return platform.deploy("plain")
