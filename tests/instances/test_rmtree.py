"""What instances leave in directories is removed, however a handler left it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_scf.instances.forkserver import linux
from pytest_scf.instances.forkserver.rmtree import remove_tree


@pytest.fixture
def tree() -> Iterator[Any]:
    path = tempfile.mkdtemp()
    yield path
    # rm, since nothing of the interpreter's own takes away what is this deep
    subprocess.run(["chmod", "-R", "u+rwx", path], check=False, capture_output=True)
    subprocess.run(["rm", "-rf", path], check=True)


def test_a_tree_deeper_than_recursion_and_than_a_path_may_be_is_removed(tree: Any) -> None:
    below = os.open(tree, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("down", dir_fd=below)
        with open(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=below), "w") as file:
            file.write("x")
        deeper = os.open("down", os.O_RDONLY, dir_fd=below)
        os.close(below)
        below = deeper
    os.close(below)
    remove_tree(tree)
    assert not os.path.lexists(tree)


def test_what_its_owner_made_unreadable_is_removed(tree: Any) -> None:
    os.makedirs(f"{tree}/a/b")
    with open(f"{tree}/a/b/file", "w") as file:
        file.write("x")
    for path in (f"{tree}/a/b", f"{tree}/a", tree):
        os.chmod(path, 0)
    remove_tree(tree)
    assert not os.path.lexists(tree)


def test_a_link_is_removed_and_what_it_leads_to_is_not(tree: Any, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("x")
    tmp_path.chmod(0o750)
    os.mkdir(f"{tree}/a")
    os.symlink(tmp_path, f"{tree}/a/link")
    remove_tree(tree)
    assert not os.path.lexists(tree)
    assert (tmp_path / "kept").read_text() == "x"
    assert tmp_path.stat().st_mode & 0o777 == 0o750
    os.symlink(tmp_path, tree)
    remove_tree(tree)
    assert (tmp_path / "kept").exists()


def test_a_tree_that_is_not_there_is_no_error(tree: Any) -> None:
    remove_tree(f"{tree}/nowhere")


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Any]:
    """Have a directory of somebody's seen at another place, too; skipped where nothing may be mounted."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("of the user")
    undo = []

    def mount(place):
        place.mkdir(parents=True)
        try:
            linux.mount(str(precious), str(place), None, linux.MS_BIND)
        except OSError as error:
            pytest.skip(str(error))
        undo.append(place)

    yield mount
    for place in undo:
        with contextlib.suppress(OSError):
            linux.unmount(str(place))
    assert (precious / "file").read_text() == "of the user"


@pytest.mark.parametrize("where", [".", "deep/down", "with space"])
def test_what_is_mounted_in_it_is_unmounted_and_kept(tmp_path: Path, mounted: Any, where: str) -> None:
    tree = tmp_path / "tree"
    mounted(tree / where)

    remove_tree(str(tree))
    assert not tree.exists()


@pytest.mark.parametrize("where", [".", "deep/down"])
def test_what_cannot_be_unmounted_is_not_descended_into(
    tmp_path: Path, mounted: Any, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def refuse(path):
        raise PermissionError(path)

    tree = tmp_path / "tree"
    mounted(tree / where)
    with monkeypatch.context() as patch:
        patch.setattr(linux, "unmount", refuse)
        remove_tree(str(tree))
    assert (tmp_path / "precious" / "file").exists()
