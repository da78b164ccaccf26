from __future__ import annotations

import stat
import struct
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_scf import UsageError, facts
from pytest_scf.facade.sources import prepare

HANDLER = "def main_handler(event, context):\n    return 1\n"


@pytest.fixture
def staged(tmp_path: Path) -> Any:
    """The staging directories that were asked for."""
    made: list[Path] = []

    def staging() -> Path:
        made.append(tmp_path / f"staging-{len(made)}")
        made[-1].mkdir()
        return made[-1]

    return SimpleNamespace(staging=staging, made=made)


@pytest.fixture
def deploy(tmp_path: Path, staged: Any) -> Any:
    def deploy(source, **options):
        options.setdefault("base_dirs", [tmp_path])
        return prepare(source, staging=staged.staging, **options)

    return deploy


def refusal(deploy, source, **options) -> str:
    with pytest.raises(UsageError) as caught:
        deploy(source, **options)
    return str(caught.value)


@pytest.fixture
def worker(tmp_path: Path) -> Any:
    directory = tmp_path / "functions" / "worker"
    directory.mkdir(parents=True)
    (directory / "index.py").write_text(HANDLER)
    return directory


class TestDirectories:
    def test_is_used_in_place(self, deploy: Any, worker: Any, staged: Any) -> None:
        for source in (worker, str(worker), "functions/worker", Path("functions/worker"), "functions/worker/"):
            prepared = deploy(source)
            assert prepared.code_root == worker
            assert prepared.origin == worker
            assert prepared.handler == "index.main_handler"
            assert prepared.default_name == "worker"
        assert staged.made == []

    def test_the_first_base_directory_that_has_it_wins(self, deploy: Any, tmp_path: Path) -> None:
        for base in ("one", "two"):
            (tmp_path / base / "fn").mkdir(parents=True)
            (tmp_path / base / "fn" / "index.py").write_text(HANDLER)
        assert deploy("fn", base_dirs=[tmp_path / "none", tmp_path / "two", tmp_path / "one"]).code_root == (
            tmp_path / "two" / "fn"
        )

    def test_without_base_directories_the_working_directory_counts(
        self, deploy: Any, worker: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(worker)
        prepared = deploy(".", base_dirs=[])
        assert prepared.code_root == worker
        assert prepared.default_name == "worker"

    def test_a_link_to_a_directory_keeps_its_name(self, deploy: Any, worker: Any, tmp_path: Path) -> None:
        (tmp_path / "alias").symlink_to(worker)
        prepared = deploy("alias")
        assert prepared.code_root == worker
        assert prepared.default_name == "alias"

    @pytest.mark.parametrize(
        ("file", "handler"),
        [
            ("src/index.py", "src/index.main"),
            ("src/index.py", "src.index.main"),
            ("pkg/__init__.py", "pkg.main"),
            ("fast.cpython-311-x86_64-linux-gnu.so", "fast.main"),
            ("old.pyc", "old.main"),
        ],
    )
    def test_modules_are_found_as_the_interpreter_would(
        self, deploy: Any, worker: Any, file: str, handler: str
    ) -> None:
        (worker / file).parent.mkdir(exist_ok=True)
        (worker / file).write_text("")
        assert deploy(worker, handler=handler).handler == handler

    def test_missing_directory_lists_where_was_looked(self, deploy: Any, tmp_path: Path) -> None:
        text = refusal(deploy, "functions/nothing", base_dirs=[tmp_path / "a", tmp_path / "b", tmp_path / "a"])
        assert "no file or directory 'functions/nothing'" in text
        assert text.count(f"\n  {tmp_path}/a/functions/nothing") == 1
        assert text.count(f"\n  {tmp_path}/b/functions/nothing") == 1

    def test_missing_module_lists_what_is_there(self, deploy: Any, worker: Any) -> None:
        text = refusal(deploy, worker, handler="app.run")
        assert f"'app.run' needs app.py, which directory {worker} does not hold; there is: index.py" in text
        assert "did you mean handler='index.run'?" in text

    def test_missing_module_in_an_empty_directory(self, deploy: Any, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        assert "there is: nothing" in refusal(deploy, "empty")

    def test_missing_module_in_a_full_directory(self, deploy: Any, tmp_path: Path) -> None:
        (tmp_path / "full").mkdir()
        for number in range(40):
            (tmp_path / "full" / f"m{number:02}.py").touch()
        assert "m11.py and 28 more" in refusal(deploy, "full")

    def test_module_one_directory_further_down(self, deploy: Any, worker: Any) -> None:
        assert "it is below worker/: the code root must be that directory itself" in refusal(deploy, worker.parent)

    @pytest.mark.parametrize("handler", ["main_handler", "index.", ".x", 5, "index.not-a-name"])
    def test_handler_without_a_dot(self, deploy: Any, worker: Any, handler: int | str) -> None:
        text = refusal(deploy, worker, handler=handler)
        assert text.startswith("handler must ")
        assert repr(handler) in text


class TestPythonFiles:
    def test_is_copied_alone(self, deploy: Any, worker: Any, staged: Any) -> None:
        (worker / "other.py").touch()
        prepared = deploy(worker / "index.py")
        assert prepared.code_root == staged.made[0]
        assert [path.name for path in prepared.code_root.iterdir()] == ["index.py"]
        assert (prepared.code_root / "index.py").read_text() == HANDLER
        assert prepared.origin == worker / "index.py"
        assert prepared.origins == {"index.py": worker / "index.py"}

    def test_the_handler_follows_the_file(self, deploy: Any, tmp_path: Path) -> None:
        (tmp_path / "app.py").write_text(HANDLER)
        assert deploy("app.py").handler == "app.main_handler"
        assert deploy("app.py", handler="app.other").handler == "app.other"
        assert deploy("app.py").default_name == "app"

    def test_a_handler_in_another_file(self, deploy: Any, worker: Any, staged: Any) -> None:
        text = refusal(deploy, worker / "index.py", handler="other.main_handler")
        assert "needs a handler 'index.NAME'; got 'other.main_handler'" in text
        assert str(worker) in text
        assert staged.made == []

    def test_a_file_with_dots_in_its_name(self, deploy: Any, tmp_path: Path) -> None:
        (tmp_path / "a.b.py").touch()
        assert "file name with one dot" in refusal(deploy, "a.b.py")


class TestText:
    def test_becomes_index(self, deploy: Any) -> None:
        prepared = deploy(HANDLER)
        assert (prepared.code_root / "index.py").read_text() == HANDLER
        assert prepared.handler == "index.main_handler"
        assert prepared.origin is None
        assert prepared.default_name == "function"

    def test_indented_with_the_code_around_it(self, deploy: Any) -> None:
        prepared = deploy(
            """
            def other(event, context):
                return "é"
            """,
            handler="index.other",
        )
        assert (prepared.code_root / "index.py").read_text("utf-8") == '\ndef other(event, context):\n    return "é"\n'

    def test_is_written_in_the_encoding_that_it_declares(self, deploy: Any) -> None:
        prepared = deploy("# -*- coding: latin-1 -*-\nname = 'é'\n")
        assert (prepared.code_root / "index.py").read_bytes() == b"# -*- coding: latin-1 -*-\nname = '\xe9'\n"

    def test_an_encoding_that_cannot_hold_it(self, deploy: Any) -> None:
        assert "cannot be written as" in refusal(deploy, "# coding: ascii\nx = 'é'\n")
        assert "cannot be written as" in refusal(deploy, "x = '\ud800'\n")

    def test_a_mistake_in_it_is_the_functions_own_business(self, deploy: Any) -> None:
        assert deploy("def main_handler(:\n").handler == "index.main_handler"
        assert deploy("# coding: no-such-thing\n").handler == "index.main_handler"

    def test_another_module(self, deploy: Any) -> None:
        assert "so its handler is 'index.NAME'; got 'app.main'" in refusal(deploy, HANDLER, handler="app.main")

    def test_source_text_in_one_line(self, deploy: Any) -> None:
        assert "needs a line break" in refusal(deploy, "main_handler = print")


class TestZips:
    @staticmethod
    def made(path: Path, entries) -> Path:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for entry, content in entries:
                archive.writestr(entry, content)
        return path

    @staticmethod
    def entry(name: str, mode: int) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(name)
        info.create_system = 3
        info.external_attr = mode << 16
        return info

    def test_is_unpacked(self, deploy: Any, tmp_path: Path) -> None:
        path = self.made(
            tmp_path / "code.zip",
            [
                ("index.py", HANDLER),
                ("lib/", ""),
                ("lib/deep/data.bin", b"\0\1"),
                (self.entry("bootstrap", stat.S_IFREG | 0o755), "#!/bin/sh\n"),
                (self.entry("secret.txt", stat.S_IFREG | 0o600), "x"),
            ],
        )
        prepared = deploy(path)
        root = prepared.code_root
        assert (root / "index.py").read_text() == HANDLER
        assert (root / "lib" / "deep" / "data.bin").read_bytes() == b"\0\1"
        assert stat.S_IMODE((root / "bootstrap").stat().st_mode) == 0o755
        assert stat.S_IMODE((root / "secret.txt").stat().st_mode) == 0o644
        assert prepared.default_name == "code"
        assert prepared.origin == path

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("../evil.py", "leads out of the code root by '..'"),
            ("lib/../../evil.py", "leads out of the code root by '..'"),
            ("lib/..", "leads out of the code root by '..'"),
            ("/etc/evil.py", "has an absolute name"),
            ("C:/evil.py", "has an absolute name"),
            ("..\\evil.py", "has a backslash in its name"),
        ],
    )
    def test_a_name_that_leads_out(self, deploy: Any, tmp_path: Path, staged: Any, name: str, said: str) -> None:
        path = self.made(tmp_path / "code.zip", [("index.py", HANDLER), (name, "evil")])
        text = refusal(deploy, path)
        assert said in text
        assert repr(name) in text
        assert staged.made == []

    @pytest.mark.parametrize(
        ("kind", "said"),
        [
            (stat.S_IFLNK, "is a symbolic link"),
            (stat.S_IFIFO, "is neither a file nor a directory"),
            (stat.S_IFCHR, "is neither a file nor a directory"),
        ],
    )
    def test_a_link_or_device(self, deploy: Any, tmp_path: Path, staged: Any, kind: Any, said: str) -> None:
        path = self.made(tmp_path / "code.zip", [("index.py", HANDLER), (self.entry("x", kind | 0o777), "/etc/passwd")])
        text = refusal(deploy, path)
        assert f"'x', which {said}" in text
        assert staged.made == []

    def test_a_link_on_the_way_to_a_file(self, deploy: Any, tmp_path: Path, staged: Any) -> None:
        path = self.made(
            tmp_path / "code.zip", [(self.entry("lib", stat.S_IFLNK | 0o777), "/tmp"), ("lib/evil.py", "x")]
        )
        assert "'lib', which is a symbolic link" in refusal(deploy, path)

    def test_an_encrypted_entry(self, deploy: Any, tmp_path: Path) -> None:
        path = self.made(tmp_path / "code.zip", [("index.py", HANDLER)])
        data = bytearray(path.read_bytes())
        central = data.index(b"PK\x01\x02")
        struct.pack_into("<H", data, 6, 1)
        struct.pack_into("<H", data, central + 8, 1)
        path.write_bytes(data)
        assert "is encrypted" in refusal(deploy, path)

    def test_more_than_code_may_take(
        self, deploy: Any, tmp_path: Path, staged: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(facts, "CODE_BYTES", 1000)
        path = self.made(tmp_path / "code.zip", [("index.py", HANDLER), ("data", b"\0" * 1001)])
        assert "code may take 1000 bytes" in refusal(deploy, path)
        assert staged.made == []

    def test_no_zip_at_all(self, deploy: Any, tmp_path: Path) -> None:
        (tmp_path / "code.zip").write_text("hello")
        assert "is not a zip that can be read" in refusal(deploy, "code.zip")

    def test_damaged_content(self, deploy: Any, tmp_path: Path) -> None:
        path = self.made(tmp_path / "code.zip", [("index.py", HANDLER * 50)])
        data = bytearray(path.read_bytes())
        data[45:60] = b"\xff" * 15
        path.write_bytes(data)
        assert "is not a zip that can be read" in refusal(deploy, path)

    def test_a_file_where_another_needs_a_directory(self, deploy: Any, tmp_path: Path) -> None:
        path = self.made(tmp_path / "code.zip", [("lib", "x"), ("lib/index.py", HANDLER)])
        assert "cannot be unpacked" in refusal(deploy, path)

    def test_the_directory_was_packed_instead_of_its_content(self, deploy: Any, tmp_path: Path) -> None:
        path = self.made(tmp_path / "code.zip", [("worker/index.py", HANDLER)])
        text = refusal(deploy, path)
        assert f"zip {path} does not hold; there is: worker/" in text
        assert "it is below worker/" in text


@pytest.mark.parametrize("source", [None, 5, b"functions/worker", ["a"], {"a": 1}])
def test_things_that_are_no_source(deploy: Any, source: Any) -> None:
    text = refusal(deploy, source)
    assert "deploy takes a directory, a .py file, a .zip file, source text" in text
    assert f"{source!r} of type {type(source).__name__}" in text


@pytest.mark.parametrize("source", ["", "a\0b"])
def test_paths_that_are_none(deploy: Any, source: str) -> None:
    assert f"got {source!r}" in refusal(deploy, source)


def test_files_of_another_kind(deploy: Any, tmp_path: Path) -> None:
    (tmp_path / "code.tar").touch()
    assert f"{tmp_path}/code.tar is not something that can be deployed" in refusal(deploy, "code.tar")


def test_a_link_that_leads_to_itself(deploy: Any, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert "cannot be deployed" in refusal(deploy, "loop")
