"""What an instance has and sees of the machine's devices, shared memory and /opt, where it has namespaces."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kinds import only

from pytest_scf import ScfRuntime

#: spawned and forked; how they are signalled makes no difference here
namespaces = only(level="namespaces", pidfd=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A block device, and the file whose content is what it holds."""
    file = tmp_path / "disk.img"
    file.write_bytes(bytes(1 << 20))
    try:
        device = subprocess.check_output(["losetup", "--show", "-f", file], text=True, stderr=subprocess.PIPE).strip()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"it takes a loop device, which only root may make: {error}")
    yield device, file
    subprocess.run(["losetup", "-d", device], check=True)


@namespaces
def test_a_disk_of_the_machine_cannot_be_written_to(disk: tuple[str, Path], call: Callable[..., Any]) -> None:
    def handler(event, context):
        import os

        try:
            with open(event, "r+b", 0) as device:
                device.write(b"written by the handler")
        except OSError as error:
            return type(error).__name__
        try:
            os.mknod("/tmp/disk", 0o60600, os.makedev(7, 0))
        except OSError as error:
            return type(error).__name__
        return "written"

    device, file = disk
    assert call(handler, device) == "FileNotFoundError"
    assert not any(file.read_bytes())


@namespaces
def test_dev_has_the_ordinary_devices_and_nothing_else(call: Callable[..., Any]) -> None:
    def handler(event, context):
        import os

        random: list[int] = []
        found: dict[str, object] = {"names": sorted(os.listdir("/dev")), "shm": sorted(os.listdir("/dev/shm"))}
        for name in ("random", "urandom", "zero"):
            with open("/dev/" + name, "rb", 0) as device:
                random.append(len(device.read(8)))
        found["random"] = random
        with open("/dev/null", "wb", 0) as device:
            device.write(b"x")
        try:
            with open("/dev/full", "wb", 0) as device:
                device.write(b"x")
        except OSError as error:
            found["full"] = error.errno
        with open("/dev/shm/file", "w") as file:
            file.write("x")
        try:
            os.close(os.open("/dev/file", os.O_CREAT))
        except OSError as error:
            found["new"] = error.errno
        os.write(os.open("/dev/stdout", os.O_WRONLY), b"by its name\n")
        leader, follower = os.openpty()
        os.write(follower, b"typed\n")
        found["pty"] = os.read(leader, 100).decode()
        found["pts"] = sorted(os.listdir("/dev/pts"))
        return found

    found = call(handler)
    # What the machine itself lacks cannot be shown.
    devices = {name for name in ("null", "zero", "full", "random", "urandom", "tty") if os.path.exists(f"/dev/{name}")}
    links = {"fd", "stdin", "stdout", "stderr", "ptmx"}
    assert set(found.pop("names")) == devices | links | {"pts", "shm"}
    assert found == {
        "random": [8, 8, 8],
        "shm": [],
        "full": errno.ENOSPC,
        "new": errno.EROFS,
        "pty": "typed\r\n",
        "pts": ["0", "ptmx"],
    }


@namespaces
def test_shared_memory_is_the_instances_own_and_as_large_as_its_memory(each_kind: ScfRuntime) -> None:
    def handler(event, context):
        import ctypes
        import os

        libc = ctypes.CDLL(None, use_errno=True)
        there = [libc.shmget(4711, 0, 0) >= 0, os.path.exists("/dev/shm/mark")]
        libc.shmget(4711, 4096, 0o1600)
        open("/dev/shm/mark", "w").close()
        status = os.statvfs("/dev/shm")
        return [there, status.f_blocks * status.f_frsize >> 20, oct(os.stat("/dev/shm").st_mode & 0o7777)]

    for name in ("first", "second"):
        assert each_kind.deploy(handler, name=name, memory=256, timeout=60).invoke().return_value == [
            [False, False],
            256,
            "0o1777",
        ]
    assert not os.path.exists("/dev/shm/mark")


@namespaces
def test_multiprocessing_works_as_it_does_in_the_cloud(call: Callable[..., Any]) -> None:
    def handler(event, context):
        import concurrent.futures
        import multiprocessing
        from multiprocessing import shared_memory

        processes = multiprocessing.get_context("fork")
        with processes.Pool(2) as pool:
            squares = pool.map(abs, [-1, -2, -3])
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=processes) as executor:
            more = list(executor.map(abs, [-4, -5]))
        lock, queue = processes.Lock(), processes.Queue()

        def put():
            with lock:
                queue.put("put")

        process = processes.Process(target=put)
        process.start()
        got = queue.get(timeout=60)
        process.join()
        shared = shared_memory.SharedMemory(create=True, size=4096)
        assert shared.buf is not None
        shared.buf[:2] = b"ok"
        again = shared_memory.SharedMemory(shared.name)
        assert again.buf is not None
        read = bytes(again.buf[:2]).decode()
        again.close()
        shared.close()
        shared.unlink()
        return [squares, more, got, read]

    assert call(handler) == [[1, 2, 3], [4, 5], "put", "ok"]


@namespaces
def test_what_the_machine_has_in_opt_is_not_there(call: Callable[..., Any], opt: Path) -> None:
    def handler(event, context):
        import os

        try:
            os.close(os.open("/opt/file", os.O_CREAT))
        except OSError as error:
            return [sorted(os.listdir("/opt")), type(error).__name__]

    names, error = call(handler)
    assert opt.name not in names
    assert error == "OSError"


@pytest.fixture
def opt(tmp_path: Path) -> Iterator[Path]:
    """A directory in the machine's /opt."""
    place = Path("/opt") / f"scf-test-{os.getpid()}"
    try:
        place.mkdir()
    except OSError as error:
        pytest.skip(f"nothing can be made in /opt here: {error}")
    yield place
    place.rmdir()


@namespaces
def test_code_below_opt_is_found(open_runtime: Callable[..., Any], opt: Path) -> None:
    code = opt / "project"
    code.mkdir()
    (code / "index.py").write_text("import os\ndef main_handler(event, context):\n    return os.listdir('/opt')\n")
    try:
        result = open_runtime().deploy(code, timeout=60).invoke()
        assert result.status_code == 200, result.log
        assert opt.name not in result.return_value
    finally:
        (code / "index.py").unlink()
        code.rmdir()


@namespaces
def test_layers_are_beside_an_interpreter_in_opt(open_runtime: Callable[..., Any], opt: Path, tmp_path: Path) -> None:
    python = opt / "python3"
    python.symlink_to(sys.executable)
    (tmp_path / "helper.py").write_text("WHAT = 'found'\n")
    (tmp_path / "data").mkdir()
    code = (
        "import os, helper\ndef main_handler(event, context):\n    return [sorted(os.listdir('/opt')), helper.WHAT]\n"
    )
    try:
        with open_runtime() as rt:
            fn = rt.deploy(code, python=python, layers=[tmp_path], timeout=60)
            assert fn.invoke().return_value == [sorted(["data", "helper.py", opt.name]), "found"]
            (tmp_path / opt.name).mkdir()
            result = rt.deploy(code, python=python, layers=[tmp_path], timeout=60).invoke()
            assert result.status_code != 200
            assert "the layers cannot be seen at /opt: the interpreter, or what it needs, is there" in result.diagnosis
    finally:
        python.unlink()
