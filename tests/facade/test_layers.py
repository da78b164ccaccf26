"""Layers: what ``deploy(layers=...)`` takes is what the function finds at /opt."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_scf import Function, ScfRuntime, UsageError, facts
from pytest_scf.platform import layers as stored

LOOK = """
import os
import sys

def main_handler(event, context):
    if "read" in event:
        with open(event["read"]) as file:
            return file.read()
    if "write" in event:
        try:
            open(event["write"], "w")
        except OSError as error:
            return error.strerror
    if "import" in event:
        return __import__(event["import"]).WHAT
    return [os.environ["PYTHONPATH"], sys.path[:2]]
"""


def layer(place: Path, **files: str) -> Path:
    """A directory with modules, by their names."""
    for name, what in files.items():
        path = place / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".py").write_text(f"WHAT = {what!r}\n")
    return place


def zipped(directory: Path) -> Path:
    return Path(shutil.make_archive(str(directory), "zip", directory))


def imported(function: Function, module: str) -> Any:
    result = function.invoke({"import": module})
    assert result.status_code == 200, result.diagnosis
    return result.return_value


def test_modules_of_layers_are_imported_the_later_layer_before_the_earlier_and_code_before_both(
    each_level: ScfRuntime, tmp_path: Path
) -> None:
    first = layer(tmp_path / "first", one="first", both="first", mine="first", package__a="first")
    second = zipped(layer(tmp_path / "second", both="second", two="second", package__b="second"))
    code = tmp_path / "code"
    layer(code, mine="code")
    (code / "index.py").write_text(LOOK)
    fn = each_level.deploy(code, layers=[first, str(second)])
    found = [imported(fn, name) for name in ("one", "both", "two", "mine")]
    assert found == ["first", "second", "second", "code"]
    result = fn.invoke({"import": "package.a"})
    assert result.status_code == 430  # it has no WHAT of its own: the package is there
    assert "has no attribute 'WHAT'" in result.error_message
    assert {path.name for path in first.iterdir()} == {"one.py", "both.py", "mine.py", "package"}


def test_where_a_single_layer_is(scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("of the layer")
    fn = scf_runtime_of("namespaces").deploy(LOOK, layers=[tmp_path])
    assert fn.invoke({"read": "/opt/data.txt"}).return_value == "of the layer"
    assert fn.invoke({"write": "/opt/data.txt"}).return_value == "Read-only file system"
    assert fn.invoke({"write": "/opt/new"}).return_value == "Read-only file system"
    assert fn.invoke().return_value == ["/var/user:/opt", ["/var/user", "/opt"]]
    bare = scf_runtime_of("namespaces").deploy(LOOK)
    assert bare.invoke({"read": "/opt/data.txt"}).status_code == 430


def test_by_directories_the_search_paths_lead_to_it(scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path) -> None:
    fn = scf_runtime_of("directory").deploy(LOOK, layers=[tmp_path])
    variable, path = fn.invoke().return_value
    assert path[1] == str(tmp_path)
    assert variable.split(":") == path


@pytest.mark.parametrize("level", ["namespaces", "directory"])
def test_a_program_that_is_started_anew_finds_them(
    scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path, level: str
) -> None:
    layer(tmp_path, helper="found")
    fn = scf_runtime_of(level, start_method="spawn").deploy(LOOK, layers=[tmp_path])
    assert imported(fn, "helper") == "found"


def test_a_directory_at_the_place_of_a_file_and_the_other_way_round(scf_runtime: ScfRuntime, tmp_path: Path) -> None:
    (tmp_path / "one" / "thing").mkdir(parents=True)
    (tmp_path / "one" / "thing" / "inner").write_text("1")
    (tmp_path / "one" / "other").write_text("1")
    (tmp_path / "two" / "other").mkdir(parents=True)
    (tmp_path / "two" / "thing").write_text("2")
    (tmp_path / "two" / "other" / "link").symlink_to("../thing")
    with scf_runtime._platform.staging.writing() as staging:
        versions = [stored.LayerVersion(name=name, directory=tmp_path / name, size=0) for name in ("one", "two")]
        root = stored.bind(versions, staging).root
        assert root is not None
        assert (root / "thing").read_text() == (root / "other" / "link").read_text() == "2"
        assert (root / "other" / "link").is_symlink()
    assert (tmp_path / "one" / "thing" / "inner").read_text() == "1"


def test_a_traceback_names_the_file_of_the_layer(each_level: ScfRuntime, tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("def fail():\n    raise OSError('in the layer')\n")
    code = "import helper\ndef main_handler(event, context):\n    helper.fail()\n"
    result = each_level.deploy(code, layers=[tmp_path]).invoke()
    assert f'File "{tmp_path}/helper.py", line 2, in fail' in result.traceback


def test_instances_share_one_directory_which_goes_with_the_function(scf_runtime: ScfRuntime, tmp_path: Path) -> None:
    archive = zipped(layer(tmp_path / "libs", helper="found"))
    before = set(staged(scf_runtime))
    fn = scf_runtime.deploy(LOOK, layers=[archive])
    made = set(staged(scf_runtime)) - before
    assert len(made) == 2  # the code and the layer
    events = [fn.invoke_async({"import": "helper"}) for _ in range(2)]
    assert [event.wait().status_code for event in events] == [200, 200]
    assert set(staged(scf_runtime)) - before == made
    scf_runtime.api.call("DeleteFunction", {"FunctionName": fn.name})
    assert set(staged(scf_runtime)) == before


def staged(runtime: ScfRuntime) -> list[str]:
    base = runtime._platform.base_dir
    return [name for name in os.listdir(base) if name.startswith("code-")] if base.exists() else []


def test_a_published_version_keeps_what_the_directory_held(scf_runtime: ScfRuntime, tmp_path: Path) -> None:
    layer(tmp_path, helper="old")
    fn = scf_runtime.deploy(LOOK, layers=[tmp_path])
    scf_runtime.api.call("PublishVersion", {"FunctionName": fn.name})
    layer(tmp_path, helper="new")
    asked = {"FunctionName": fn.name, "ClientContext": '{"import": "helper"}'}
    ran = [scf_runtime.api.call("Invoke", {**asked, "Qualifier": each})["Result"] for each in ("1", "$LATEST")]
    assert [each["RetMsg"] for each in ran] == ['"old"', '"new"']


def test_names_lead_to_what_is_published_or_set(scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path) -> None:
    for each in ("1", "2", "mine"):
        layer(tmp_path / each, helper=each)
    rt = scf_runtime_of("auto", layers={"mine": zipped(tmp_path / "mine")})
    for each in ("1", "2"):
        content = {"LocalPath": str(tmp_path / each)}
        asked = {"LayerName": "libs", "CompatibleRuntimes": ["Python3.10"], "Content": content}
        assert rt.api.call("PublishLayerVersion", asked)["LayerVersion"] == int(each)
    given: list[Any] = ["libs", ("libs", 1), "mine", ("mine", 7)]
    assert [imported(rt.deploy(LOOK, layers=[each]), "helper") for each in given] == ["2", "1", "mine", "mine"]
    for wrong in (("libs", 3), ("libs2", 1)):
        with pytest.raises(UsageError, match=r"layers: (The layer libs has no version 3|There is no layer libs2)"):
            rt.deploy(LOOK, layers=[wrong])


def test_node_js_finds_modules_of_layers(scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("there is no node")
    module = tmp_path / "node_modules" / "greet"
    module.mkdir(parents=True)
    (module / "index.js").write_text("module.exports = 'hello';\n")
    (tmp_path / "plain.js").write_text("module.exports = 'world';\n")
    code = "exports.main_handler = async () => [require('greet'), require('plain'), process.env.NODE_PATH];\n"
    for level in ("namespaces", "directory"):
        fn = scf_runtime_of(level).deploy(code, runtime="Nodejs16.13", layers=[tmp_path])
        *words, path = fn.invoke().return_value
        assert words == ["hello", "world"]
        assert level == "directory" or path.endswith(":/opt:/opt/node_modules")


def test_a_web_function_has_them(scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path) -> None:
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "page.html").write_text("of the layer")
    (tmp_path / "code").mkdir()
    bootstrap = tmp_path / "code" / "scf_bootstrap"
    bootstrap.write_text("#!/bin/sh\ncd /opt && exec /var/lang/python3/bin/python3 -m http.server 9000\n")
    bootstrap.chmod(0o755)
    fn = scf_runtime_of("namespaces").deploy_web(tmp_path / "code", layers=[tmp_path / "libs"])
    assert fn.request("GET", "/page.html").text == "of the layer"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("libs", "must be a list of directories"),
        ([7], "a layer is a directory, a .zip file, or the name of one; got 7"),
        ([("libs",)], "a pair of its name and a number"),
        (["nothing"], "there is no layer 'nothing', and there is no file or directory 'nothing'"),
        (["./nothing"], "^layers: there is no file or directory"),
        ([__file__], "is neither a directory nor a .zip file"),
        (["."] * 6, "may have 5 layers, and these are 6"),
    ],
)
def test_what_is_refused(scf_runtime: ScfRuntime, given: Any, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        scf_runtime.deploy(LOOK, layers=given)
    assert scf_runtime._platform.functions.all() == []


def test_what_is_too_large_or_no_layer_s_zip_is_refused(
    scf_runtime: ScfRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "file").write_bytes(b"x" * 1000)
    monkeypatch.setattr(facts, "CODE_BYTES", 1000)
    with pytest.raises(UsageError, match=f"The function's code has {len(LOOK)} bytes and, with its layers, "):
        scf_runtime.deploy(LOOK, layers=[tmp_path / "libs"])
    monkeypatch.setattr(facts, "LAYER_ZIP_BYTES", 10)
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("../out", "x")
    with pytest.raises(UsageError, match="and 10 are the limit"):
        scf_runtime.deploy(LOOK, layers=[archive])
    monkeypatch.undo()
    with pytest.raises(UsageError, match=r"leads out of the code root by '\.\.'"):
        scf_runtime.deploy(LOOK, layers=[archive])


def test_the_runtime_s_name_counts_where_it_is_to(scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path) -> None:
    rt = scf_runtime_of("auto", check_layer_runtimes=True)
    asked = {"LayerName": "old", "CompatibleRuntimes": ["Python2.7"], "Content": {"LocalPath": str(tmp_path)}}
    rt.api.call("PublishLayerVersion", asked)
    with pytest.raises(UsageError, match=r"The layer old is for Python2\.7, and the function's runtime is Python3"):
        rt.deploy(LOOK, layers=["old"])
