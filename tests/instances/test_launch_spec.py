"""The launch specification: one table of keys, which the typed class and all that read it agree on."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest_scf
from pytest_scf.instances.launch_spec import CoverageSpec, LaunchSpec, ServerSpec
from pytest_scf.instances.server_kind import WEB
from pytest_scf.runtimes import launch_keys

RUNTIMES = Path(pytest_scf.__file__).parent / "runtimes"
SPEC = LaunchSpec(
    id="1-a",
    fd_count=3,
    environ={"NAME": "value"},
    context={"memory_limit_in_mb": 128},
    tmp_bytes=4096,
    shm_bytes=8192,
    options={"node_callback_waits": True},
    handler="index.main_handler",
    code_source="/code",
    code_root="/var/user",
    tmp="/tmp",
    keep_visible=("/tmp/python",),
    bind_mounts=(("/outside", "/inside"),),
    path=("/site-packages",),
    command=("python", "-B"),
    coverage=CoverageSpec(branch=True, include=("/code/*",), contexts=False),
    server=ServerSpec(kind=WEB, command=("./scf_bootstrap",), cwd=None, port=9000, host_ports=(5432,)),
)


def test_its_json_has_the_keys_of_the_table_and_no_others() -> None:
    fields = json.loads(SPEC.to_json())

    assert sorted(fields) == sorted(launch_keys.SPEC)
    assert sorted(fields[launch_keys.COVERAGE]) == sorted(launch_keys.COVERAGE_SPEC)
    assert sorted(fields[launch_keys.SERVER]) == sorted(launch_keys.SERVER_SPEC)


def test_what_is_read_is_what_was_written() -> None:
    bare = SPEC._replace(coverage=None, server=None, command=None)

    assert [LaunchSpec.from_json(spec.to_json()) for spec in (SPEC, bare)] == [SPEC, bare]


def test_what_runs_inside_reads_it_by_the_keys_of_the_table() -> None:
    spelled = [
        f"{file.name}:{node.lineno} {ast.unparse(node)}"
        for file in RUNTIMES.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
        if ast.unparse(node.value).partition("[")[0] in ("spec", "settings", "context")
    ]
    in_javascript = re.findall(r"\bspec\.(\w+)(?:\.(\w+))?", (RUNTIMES / "node.js").read_text())

    assert spelled == []
    assert {key for key, _ in in_javascript} <= set(launch_keys.SPEC)
    assert (launch_keys.OPTIONS, launch_keys.NODE_CALLBACK_WAITS) in in_javascript
