"""``deploy(provisioned=2)``, and provisionedNum of project files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_scf import Provisioned, ScfRuntime, UsageError
from pytest_scf.facade.projects import reading
from pytest_scf.facade.projects.deploying import update_code

COUNTING = """\
print("module level")
count = 0
def main_handler(event, context):
    global count
    count += 1
    return [context["function_version"], count]
"""
PROJECT = """
component: scf
name: nightly
inputs:
  src: .
  runtime: Python3.10
  provisionedNum: 2
"""


def test_calls_find_instances_that_have_started(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(COUNTING, provisioned=2)
    warm = fn.instances
    assert [each.state for each in warm] == ["idle", "idle"]
    assert fn.provisioned == [Provisioned("1", 2, 2, "Done", "")]
    result = fn.invoke()
    assert result.return_value == ["1", 1]
    assert "module level" not in result.log
    assert result.instance in warm
    each_level.clock.advance(days=1)
    assert fn.instances == warm


def test_an_init_that_fails_is_told(scf_runtime: ScfRuntime) -> None:
    fn = scf_runtime.deploy("raise ValueError('no database')\n", provisioned=1)
    (found,) = fn.provisioned
    assert (found.available, found.status) == (0, "Failed")
    assert "no database" in found.reason
    assert fn.invoke().status_code == 443


def test_a_server_is_kept_warm(scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path) -> None:
    runtime = scf_runtime_of("namespaces")
    command = ["python", "-m", "http.server", "9000"]
    fn = runtime.deploy_web(tmp_path, command=command, provisioned=1)
    (warm,) = fn.instances
    response = fn.request("GET", "/")
    assert (response.status_code, response.invocation.instance) == (200, warm)
    image = runtime.deploy_image(command, cwd=tmp_path, web=True, provisioned=1)
    assert [each.status for each in image.provisioned] == ["Done"]
    assert image.request("GET", "/").status_code == 200


@pytest.mark.parametrize("number", [-1, True, "2", 4])
def test_what_cannot_be_is_refused_before_anything_is_made(scf_runtime: ScfRuntime, number: int) -> None:
    with pytest.raises(UsageError, match="provisioned must be a whole number from 0 to 3"):
        scf_runtime.deploy(COUNTING, provisioned=number, max_instances=3)
    assert not scf_runtime.api.call("ListFunctions", {})["Functions"]


def test_a_project_file(scf_runtime: ScfRuntime, tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    (tmp_path / "index.py").write_text(COUNTING)
    (tmp_path / "serverless.yml").write_text(PROJECT)
    fn = scf_runtime.deploy(tmp_path / "serverless.yml")
    assert [(each.version, each.allocated) for each in fn.provisioned] == [("1", 2)]
    assert fn.invoke().return_value == ["1", 1]


def test_code_that_changes_is_what_is_kept_warm_next(scf_runtime: ScfRuntime, tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    (tmp_path / "index.py").write_text(COUNTING)
    (tmp_path / "serverless.yml").write_text(PROJECT)
    fn = scf_runtime.deploy(tmp_path / "serverless.yml")
    (plan,) = reading.read(tmp_path / "serverless.yml").functions
    (tmp_path / "index.py").write_text("def main_handler(event, context):\n    return 'new'\n")
    update_code(scf_runtime.api, plan, scf_runtime._platform.new_staging_dir)
    assert fn.invoke().return_value == "new"
    assert [(each.version, each.allocated) for each in fn.provisioned] == [("2", 2)]


def test_a_runtime_is_closed_while_they_start(scf_runtime: ScfRuntime) -> None:
    fn = scf_runtime.deploy("import time\ntime.sleep(600)\n", name="slow", init_timeout=300)
    scf_runtime.api.call("PublishVersion", {"FunctionName": "slow"})
    number = {"Qualifier": "1", "VersionProvisionedConcurrencyNum": 3}
    scf_runtime.api.call("PutProvisionedConcurrencyConfig", {"FunctionName": "slow", **number})
    assert [each.status for each in fn.provisioned] == ["InProgress"]
    assert scf_runtime.close() == []
    assert not fn.instances
