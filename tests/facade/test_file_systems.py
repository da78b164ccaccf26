"""File systems of CFS: directories of the test that functions write to."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_scf import ScfRuntime, UsageError, api_errors

APPEND = """
import os

def main_handler(event, context):
    try:
        with open(event["file"], "a") as file:
            file.write(event["text"])
        os.makedirs(os.path.dirname(event["file"]) + "/made", exist_ok=True)
    except OSError as error:
        return error.strerror
    with open(event["file"]) as file:
        return file.read()
"""
CREATED: dict[str, Any] = {"FunctionName": "worker", "VpcConfig": {"VpcId": "vpc-1", "SubnetId": "subnet-1"}}


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    (tmp_path / "shared" / "below").mkdir(parents=True)
    return tmp_path / "shared"


@pytest.fixture
def namespaces(scf_runtime_of: Callable[..., ScfRuntime], shared: Path) -> ScfRuntime:
    return scf_runtime_of("namespaces", cfs={"cfs-1": shared})


def mounted(**info: str) -> dict[str, Any]:
    defaults = {"CfsId": "cfs-1", "MountInsId": "cfs-1", "LocalMountDir": "/mnt/data", "RemoteMountDir": "/"}
    return {"CfsConfig": {"CfsInsList": [{**defaults, **info}]}}


def test_functions_and_their_instances_share_it_and_it_stays(namespaces: ScfRuntime, shared: Path) -> None:
    (shared / "log").write_text("before ")
    first = namespaces.deploy(APPEND, cfs={"/mnt/data": shared})
    second = namespaces.deploy(APPEND, cfs={"/home/qcloud/data": shared, "/mnt/below": shared / "below"})
    assert first.invoke({"file": "/mnt/data/log", "text": "first "}).return_value == "before first "
    for instance in namespaces.instances:
        namespaces._platform.break_down(instance._record, "the test says so")
    assert first.invoke({"file": "/mnt/data/log", "text": "again "}).return_value == "before first again "
    result = second.invoke({"file": "/home/qcloud/data/log", "text": "second"})
    assert result.return_value == "before first again second"
    assert second.invoke({"file": "/mnt/below/new", "text": "x"}).return_value == "x"
    assert second.invoke({"file": "/mnt/data/log", "text": "x"}).return_value == "No such file or directory"
    assert second.invoke({"file": "/mnt/other", "text": "x"}).return_value == "Read-only file system"
    namespaces.close()
    assert (shared / "log").read_text() == "before first again second"
    assert (shared / "below" / "new").read_text() == "x"
    assert (shared / "made").is_dir()


def test_a_web_function_has_it(namespaces: ScfRuntime, shared: Path, tmp_path: Path) -> None:
    (shared / "page.html").write_text("of the file system")
    bootstrap = tmp_path / "code" / "scf_bootstrap"
    bootstrap.parent.mkdir()
    bootstrap.write_text("#!/bin/sh\ncd /mnt/data && exec /var/lang/python3/bin/python3 -m http.server 9000\n")
    bootstrap.chmod(0o755)
    fn = namespaces.deploy_web(bootstrap.parent, cfs={"/mnt/data": shared})
    assert fn.request("GET", "/page.html").text == "of the file system"


BOOTSTRAP = """#!{python}
import json, os, urllib.request

api = "http://%s:%s/runtime/" % (os.environ["SCF_RUNTIME_API"], os.environ["SCF_RUNTIME_API_PORT"])

def post(path, data=b""):
    urllib.request.urlopen(urllib.request.Request(api + path, data, method="POST")).close()

post("init/ready")
while True:
    urllib.request.urlopen(api + "invocation/next").close()
    with open("/mnt/data/log", "a") as file:
        file.write("of the bootstrap")
    post("invocation/response", json.dumps([sorted(os.listdir(place)) for place in ("/opt", "/var/user")]).encode())
"""


def test_a_custom_runtime_has_it_beside_layers(namespaces: ScfRuntime, shared: Path, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    bootstrap = tmp_path / "code" / "bootstrap"
    bootstrap.write_text(BOOTSTRAP.format(python=sys.executable))
    bootstrap.chmod(0o755)
    fn = namespaces.deploy(bootstrap.parent, runtime="CustomRuntime", layers=[shared], cfs={"/mnt/data": shared})
    assert fn.invoke().return_value == [["below", "log"], ["bootstrap"]]
    assert (shared / "log").read_text() == "of the bootstrap"


def test_by_the_api(namespaces: ScfRuntime, shared: Path, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "index.py").write_text(APPEND)
    created = {**CREATED, "Code": {"LocalPath": str(tmp_path / "code")}}

    def run(file: str) -> Any:
        event = f'{{"file": "{file}", "text": "x"}}'
        result = namespaces.api.call("Invoke", {"FunctionName": "worker", "ClientContext": event})["Result"]
        return result["RetMsg"]

    namespaces.api.call("CreateFunction", {**created, **mounted(RemoteMountDir="/below", UserId="7")})
    assert run("/mnt/data/log") == '"x"'
    assert (shared / "below" / "log").read_text() == "x"
    (told,) = namespaces.api.call("GetFunction", {"FunctionName": "worker"})["CfsConfig"]["CfsInsList"]
    wanted = {**mounted(RemoteMountDir="/below", UserId="7", UserGroupId="10000")["CfsConfig"]["CfsInsList"][0]}
    assert told == {**wanted, "IpAddress": "", "MountVpcId": "", "MountSubnetId": ""}
    for name in ("CfsId", "CfsMountInsId"):
        for value, number in (("cfs-1", 1), ("cfs-2", 0)):
            asked = {"Filters": [{"Name": name, "Values": [value]}]}
            assert namespaces.api.call("ListFunctions", asked)["TotalCount"] == number
    change = {"FunctionName": "worker", **mounted(LocalMountDir="/mnt/else")}
    namespaces.api.call("UpdateFunctionConfiguration", change)
    assert run("/mnt/else/log") == '"x"'
    namespaces.api.call("UpdateFunctionConfiguration", {"FunctionName": "worker", "CfsConfig": {"CfsInsList": []}})
    assert run("/mnt/else/log") == '"No such file or directory"'


def test_by_a_project_file(namespaces: ScfRuntime, shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "index.py").write_text(APPEND)
    text = """
        component: scf
        name: worker
        inputs:
          src: ./src
          runtime: Python3.6
          vpcConfig: {vpcId: vpc-1, subnetId: subnet-1}
          cfs:
            - {cfsId: cfs-1, mountInsId: cfs-1, localMountDir: /mnt/data, remoteMountDir: /below}
    """
    (tmp_path / "serverless.yml").write_text(textwrap.dedent(text))
    with pytest.warns(match="without effect here: vpcConfig"):
        fn = namespaces.deploy_project(tmp_path).function
    assert fn.invoke({"file": "/mnt/data/log", "text": "y"}).return_value == "y"
    assert (shared / "below" / "log").read_text() == "y"


@pytest.mark.parametrize(
    ("cfs", "problem"),
    [
        ({"/mnt/data": "nothing"}, "there is no file or directory 'nothing'"),
        ({"/mnt/data": __file__}, "is no directory"),
        (["/mnt/data"], "cfs must be a dict"),
        ({"/mnt/data": 1}, "cfs must be a dict of texts to directories"),
        ({"mnt/data": "."}, "LocalMountDir"),
        ({"/data": "."}, r"it must be a path like /mnt/data, not /, /home, /data itself"),
        ({"/opt/x": "."}, r"it must be a path like /mnt/data"),
        ({"/mnt/../var": "."}, r"it must be a path like /mnt/data"),
        ({"/mnt/a": ".", "/mnt/a/b": "."}, "at /mnt/a/b is at, or inside of, another at /mnt/a"),
        ({"/mnt/a": ".", "/mnt/a/": "."}, "at /mnt/a is at, or inside of, another at /mnt/a"),
        ({f"/mnt/{number}": "." for number in range(4)}, "may have 3 file systems, and these are 4"),
    ],
)
def test_what_is_refused(namespaces: ScfRuntime, cfs: Any, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        namespaces.deploy(APPEND, cfs=cfs)


def test_it_needs_mounts(scf_runtime_of: Callable[..., ScfRuntime], shared: Path) -> None:
    rt = scf_runtime_of("directory", cfs={"cfs-1": shared})
    with pytest.raises(UsageError, match="cfs: A file system at /mnt/data needs the namespaces level of isolation"):
        rt.deploy(APPEND, cfs={"/mnt/data": shared})
    with pytest.raises(api_errors.UnsupportedOperation, match="needs the namespaces level"):
        rt.api.call("CreateFunction", {**CREATED, **mounted(), "Code": {"LocalPath": str(shared)}})


@pytest.mark.parametrize(
    ("params", "error"),
    [
        (mounted(CfsId="cfs-2"), api_errors.InvalidParameterValueCfsId),
        (mounted(RemoteMountDir="/none"), api_errors.InvalidParameterValueCfsRemoteMountDir),
        (mounted(RemoteMountDir="/below/../../code"), api_errors.InvalidParameterValueCfsRemoteMountDir),
        (mounted(LocalMountDir=""), api_errors.InvalidParameterValueCfsLocalMountDir),
        ({**mounted(), "VpcConfig": None}, api_errors.InvalidParameterValueVpcNotSetWhenOpenCfs),
    ],
)
def test_what_the_api_refuses(
    namespaces: ScfRuntime, shared: Path, params: dict[str, Any], error: type[Exception]
) -> None:
    (shared.parent / "code").mkdir()
    with pytest.raises(error):
        namespaces.api.call("CreateFunction", {**CREATED, "Code": {"LocalPath": str(shared)}, **params})
    assert namespaces._platform.functions.all() == []
