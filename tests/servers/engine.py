"""An image for the tests of containers, made without a registry: the interpreter that runs them, and what it needs."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from pytest_scf import UsageError
from pytest_scf.instances.docker import DockerLauncher

#: runs the server that stands in the variable CODE
COMMAND = ["python3", "-c", "import os; exec(os.environ['CODE'])"]
_LEFT_OUT = {"test", "tests", "idlelib", "tkinter", "ensurepip", "lib2to3", "turtledemo", "pydoc_data", "__pycache__"}
_LEFT_OUT |= {"site-packages", "dist-packages"}


def client() -> Any:
    """A client of the engine; the test is skipped, with the reason, where none answers."""
    try:
        DockerLauncher().close()
    except UsageError as error:
        pytest.skip(str(error))
    import docker

    return docker.from_env()


def base_image(engine: Any) -> str:
    """The name of the image, which stays with the engine for the next run."""
    name = f"pytest-scf-tests/base:{re.sub('[^a-z0-9]+', '-', sys.version.lower())[:100].strip('-')}-1"
    if not engine.images.list(name=name):
        interpreter = os.path.realpath(sys.executable)
        engine.api.import_image_from_data(
            _root_file_system(interpreter),
            repository=name.partition(":")[0],
            tag=name.partition(":")[2],
            changes=[
                f"ENV PATH={os.path.dirname(interpreter)}:/usr/bin:/bin",
                "ENV OF_THE_IMAGE=here",
                f"CMD {json.dumps(COMMAND)}",
            ],
        )
    return name


def _root_file_system(interpreter: str) -> bytes:
    wanted = {interpreter, os.path.realpath("/bin/sh")}
    standard = Path(os.__file__).parent
    extensions = [str(path) for path in standard.glob("lib-dynload/*.so")]
    needed = _shared_libraries([*wanted, *extensions])
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for directory in ("tmp", "proc", "sys", "dev", "etc", "bin"):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        tar.add(standard, str(standard), filter=_kept)
        for path in sorted(wanted | needed):
            tar.add(os.path.realpath(path), path)
        for link, target in {
            "/bin/sh": os.path.realpath("/bin/sh"),
            os.path.join(os.path.dirname(interpreter), "python3"): interpreter,
        }.items():
            if link != target:
                entry = tarfile.TarInfo(link)
                entry.type, entry.linkname = tarfile.SYMTYPE, target
                tar.addfile(entry)
    return written.getvalue()


def _shared_libraries(programs: list[str]) -> set[str]:
    told = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    return set(re.findall(r"^\s+(?:\S+ => )?(/\S+) \(0x", told, re.MULTILINE))


def _kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    name = os.path.basename(entry.name)
    return None if name in _LEFT_OUT or name.startswith("config-") or name.endswith((".a", ".pyc")) else entry
