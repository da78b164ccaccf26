"""What code finds around it in an instance, asked from inside real handlers."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kinds import only

from pytest_scf import ScfRuntime

# -- processes -----------------------------------------------------------------------------------------------------


@only(level="namespaces")
def test_pids_are_numbered_anew_and_no_process_of_the_host_is_seen(call: Callable[..., Any]) -> None:
    def handler(event, context):
        import os

        return {"pid": os.getpid(), "parent": os.getppid(), "seen": [n for n in os.listdir("/proc") if n.isdigit()]}

    found = call(handler)
    assert found["parent"] == 1
    assert found["pid"] == 2
    assert sorted(found["seen"]) == ["1", "2"]


def test_the_instance_knows_the_pid_that_its_process_has_for_the_test(
    each_kind: ScfRuntime, call: Callable[..., Any]
) -> None:
    def handler(event, context):
        import os

        return os.getpid()

    inside = call(handler)
    (instance,) = each_kind.instances
    status = Path(f"/proc/{instance.pid}/status").read_text()
    (numbers,) = [line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")]
    assert int(numbers[-1]) == inside
    if instance.isolation == "directory":
        assert instance.pid == inside


def test_the_process_leads_a_session_of_its_own_without_a_terminal(call: Callable[..., Any]) -> None:
    def handler(event, context):
        import os

        try:
            os.close(os.open("/dev/tty", os.O_RDWR))
            terminal = True
        except OSError:
            terminal = False
        return [os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid(), terminal]

    assert call(handler) == [True, True, False]


def test_orphans_go_to_the_init_which_reaps_them(call: Callable[..., Any]) -> None:
    def handler(event, context):
        import os

        tells, told = os.pipe()
        may_leave, leave = os.pipe()
        middle = os.fork()
        if middle == 0:
            middle = os.getpid()
            if os.fork() == 0:
                os.close(leave)
                while os.getppid() == middle:
                    os.sched_yield()
                os.write(told, f"{os.getpid()} {os.getppid()}".encode())
                os.read(may_leave, 1)
            os._exit(0)
        os.waitpid(middle, 0)
        orphan, parent = map(int, os.read(tells, 100).split())
        os.close(leave)
        while os.path.exists(f"/proc/{orphan}"):  # as a zombie is, too
            os.sched_yield()
        return [parent == os.getppid(), parent != os.getpid()]

    assert call(handler) == [True, True]


def test_sigterm_ends_the_process_by_default_as_it_is_no_pid_1(each_kind: ScfRuntime) -> None:
    def handler(event, context):
        import os
        import signal

        os.kill(os.getpid(), signal.SIGTERM)
        return "survived"

    result = each_kind.deploy(handler).invoke()
    assert result.status_code == 439
    assert "SIGTERM" in result.diagnosis


def test_one_thread_runs_and_it_is_the_main_thread(call: Callable[..., Any]) -> None:
    def handler(event, context):
        import os
        import threading

        return [len(os.listdir("/proc/self/task")), threading.current_thread() is threading.main_thread()]

    assert call(handler) == [1, True]


def test_no_new_privileges_can_be_had(call: Callable[..., Any]) -> None:
    def handler(event, context):
        return [line.split()[1] for line in open("/proc/self/status") if line.startswith("NoNewPrivs")]

    assert call(handler) == ["1"]


@only(level="namespaces")
def test_of_roots_capabilities_only_those_of_a_container_are_left_and_nobody_else_has_any(
    call: Callable[..., Any],
) -> None:
    def handler(event, context):
        import ctypes

        with open("/proc/self/status") as file:
            status = dict(line.rstrip("\n").split(":\t") for line in file)
        libc = ctypes.CDLL(None, use_errno=True)
        mounted = libc.mount(b"none", b"/", None, 32 | 4096, None)  # remount, bind: writable
        return {name: int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")}, mounted, ctypes.get_errno()

    capabilities, mounted, number = call(handler)
    allowed = 0x800425FB if os.geteuid() == 0 else 0
    assert capabilities["CapEff"] & ~allowed == 0
    assert capabilities["CapPrm"] & ~allowed == 0
    assert capabilities["CapBnd"] & ~0x800425FB == 0
    assert (mounted, number) == (-1, errno.EPERM)


# -- files ---------------------------------------------------------------------------------------------------------


@only(level="namespaces")
def test_tmp_is_its_own_and_the_test_can_read_it(each_kind: ScfRuntime) -> None:
    def handler(event, context):
        import os

        before = os.path.exists("/tmp/note")
        with open("/tmp/note", "w") as file:
            file.write(event)
        return before

    first, second = (each_kind.deploy(handler, name=name, timeout=60) for name in ("first", "second"))
    assert first.invoke("one").return_value is False
    assert second.invoke("two").return_value is False
    assert first.invoke("three").return_value is True, "the next call of an instance finds what the last one left"
    (one,), (two,) = first.instances, second.instances
    assert (one.tmp / "note").read_text() == "three"
    assert (two.tmp / "note").read_text() == "two"
    assert not os.path.exists("/tmp/note")


def test_tmp_goes_with_the_instance(each_kind: ScfRuntime) -> None:
    def handler(event, context):
        import os
        import tempfile

        os.makedirs(os.path.join(tempfile.gettempdir(), "a/b"))
        os.chmod(os.path.join(tempfile.gettempdir(), "a/b"), 0)  # which keeps an ordinary user out

    fn = each_kind.deploy(handler, timeout=60)
    assert fn.invoke().status_code == 200
    (instance,) = fn.instances
    tmp = instance.tmp
    assert (tmp / "a").is_dir()
    each_kind.close()
    assert not os.path.lexists(tmp)
    assert not os.path.lexists(tmp.parent)


@only(level="namespaces")
def test_tmp_is_full_at_its_bound(open_runtime: Callable[..., ScfRuntime]) -> None:
    def handler(event, context):
        import os

        written = 0
        try:
            with open("/tmp/big", "wb", buffering=0) as file:
                while True:
                    written += file.write(b"x" * 4096)
        except OSError as error:
            return [error.errno, written, os.statvfs("/tmp").f_blocks * os.statvfs("/tmp").f_frsize]

    result = open_runtime(tmp_bytes=1 << 20).deploy(handler, timeout=60).invoke()
    assert result.return_value == [errno.ENOSPC, 1 << 20, 1 << 20]


@only(level="directory")
def test_where_there_are_no_namespaces_the_usual_names_lead_to_a_directory_of_its_own(
    each_kind: ScfRuntime, call: Callable[..., Any]
) -> None:
    def handler(event, context):
        import os
        import tempfile

        with open(tempfile.gettempdir() + "/note", "w") as file:
            file.write("mine")
        return [tempfile.gettempdir(), *(os.environ[name] for name in ("TMPDIR", "TMP", "TEMP"))]

    places = call(handler)
    (instance,) = each_kind.instances
    assert set(places) == {str(instance.tmp)}
    assert (instance.tmp / "note").read_text() == "mine"


@only(level="directory")
def test_where_there_are_no_namespaces_a_look_into_the_shared_tmp_is_reported(each_kind: ScfRuntime) -> None:
    def handler(event, context):
        import os

        return os.listdir("/tmp") and "looked"

    event = each_kind.deploy(handler, async_run=True).invoke_async().wait()
    assert event.return_value == "looked"
    assert "the handler touched the shared /tmp" in event.diagnosis


@only(level="namespaces")
def test_nothing_but_tmp_and_shared_memory_can_be_written(each_kind: ScfRuntime, call: Callable[..., Any]) -> None:
    def handler(event, context):
        import os

        found = {}
        for place in event:
            try:
                os.close(os.open(os.path.join(place, "written-by-a-handler"), os.O_CREAT | os.O_WRONLY))
                found[place] = 0
            except OSError as error:
                found[place] = error.errno or -1
        return found

    home, packages = os.path.expanduser("~"), os.path.dirname(os.path.dirname(pytest.__file__))
    wanted = ["/", "/var/user", "/var", "/var/tmp", "/etc", "/usr", "/dev", "/run", "/opt", home, packages]
    places = [place for place in [*wanted, os.path.dirname(os.__file__), sys.prefix] if os.access(place, os.X_OK)]
    # What lies below the test's /tmp is not read-only in the instance, but not there, unless it is bound into its own.
    places = [place for place in places if place != home or not home.startswith("/tmp/")]
    found = call(handler, ["/var/user", *places])
    assert found == dict.fromkeys(["/var/user", *places], errno.EROFS)


@only(level="namespaces")
def test_the_systems_settings_cannot_be_written(call: Callable[..., Any]) -> None:
    def handler(event, context):
        try:
            with open("/proc/sys/kernel/core_pattern", "w"):
                return "opened"
        except OSError as error:
            return error.errno

    assert call(handler) in (errno.EROFS, errno.EACCES)


def test_code_lies_at_its_place_which_is_the_working_directory_and_first_on_the_search_path(
    each_kind: ScfRuntime, tmp_path: Path
) -> None:
    code = tmp_path / "worker"
    code.mkdir()
    (code / "demo.html").write_text("<p>hello</p>")
    (code / "helper.py").write_text("NAME = 'helper'\n")
    (code / "index.py").write_text(
        """\
import os, sys
import helper
def main_handler(event, context):
    return [open('./demo.html').read(), os.getcwd(), __file__, sys.path[:2], helper.NAME,
            os.environ['PWD'], os.environ['USER_CODE_ROOT'], os.environ['PYTHONPATH']]
"""
    )
    result = each_kind.deploy(code, timeout=60).invoke()
    root = "/var/user" if each_kind.isolation == "namespaces" else str(code)
    assert result.return_value == [
        "<p>hello</p>",
        root,
        f"{root}/index.py",
        [root, "/opt"],
        "helper",
        root,
        f"{root}/",
        f"{root}:/opt",
    ], result.log
    assert not (code / "__pycache__").exists()


INTERPRETER_BELOW_TMP = """
    import json, os, sys
    from pytest_scf import ScfRuntime

    def handler(event, context):
        import sys
        import pluggy  # of the environment
        import in_place  # installed in editable form
        import of_the_user
        return [sys.prefix, pluggy.__file__, in_place.__file__, of_the_user.__file__]

    with ScfRuntime(isolation=sys.argv[1], start_method=sys.argv[2]) as rt:
        result = rt.deploy(handler, timeout=60).invoke()
        print(json.dumps([sys.prefix, result.return_value, result.log]))
"""


@pytest.mark.parametrize("by", ["its own name", "a link"])
@only(pidfd=True)
def test_interpreter_and_packages_below_tmp_are_still_there(
    each_kind: ScfRuntime, kind: Any, script: Callable[..., Any], by: str
) -> None:
    """An environment of its own, which finds the packages of the one that runs this."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="environment-") as directory:
        environment = Path(directory, "real")
        make = [sys.executable, "-m", "venv", "--without-pip", "--system-site-packages", str(environment)]
        subprocess.run(make, check=True, stdin=subprocess.DEVNULL)
        (packages,) = environment.glob("lib/python*/site-packages")
        project = Path(directory, "project")
        home = Path(directory, "home")
        user = home / packages.relative_to(environment)
        for place, name in ((project, "in_place"), (user, "of_the_user")):
            place.mkdir(parents=True)
            (place / f"{name}.py").touch()
        ours = [place for place in sys.path if place.endswith(("site-packages", "dist-packages"))]
        (packages / "ours.pth").write_text("\n".join([*ours, str(Path(__file__).parents[2]), str(project)]))
        prefix = environment
        if by == "a link":
            prefix = Path(directory, "link")
            prefix.symlink_to("real")
        python = str(prefix / "bin" / "python")
        outer, found, log = script(
            INTERPRETER_BELOW_TMP, kind.level, kind.start_method, command=(python,), PYTHONUSERBASE=str(home)
        )
        assert found is not None, log
        assert outer == found[0] == str(prefix)
        assert found[1].endswith("pluggy/__init__.py")
        assert found[2:] == [str(project / "in_place.py"), str(user / "of_the_user.py")]


# -- environment, streams, modules ---------------------------------------------------------------------------------

#: docs/cloud-contract.md#environment, and what points to the instance's own directory where there are no namespaces
DOCUMENTED = {
    *("TENCENTCLOUD_RUNENV", "TENCENTCLOUD_REGION", "TENCENTCLOUD_APPID", "TENCENTCLOUD_UIN", "TENCENTCLOUD_TZ"),
    *("TENCENTCLOUD_SECRETID", "TENCENTCLOUD_SECRETKEY", "TENCENTCLOUD_SESSIONTOKEN"),
    *("SCF_RUNTIME", "SCF_FUNCTIONNAME", "SCF_FUNCTIONVERSION", "SCF_NAMESPACE", "_SCF_SERVER_PORT"),
    "PYTEST_SCF_API_ENDPOINT",
    *("USER_CODE_ROOT", "TRIGGER_SRC", "USER", "LOGNAME", "HOME", "LANG", "LC_ALL", "PATH", "SHELL", "HOSTNAME"),
    *("PWD", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "TZ", "SHLVL", "LD_LIBRARY_PATH", "_"),
}
OF_THE_DIRECTORY_LEVEL = {"TMPDIR", "TMP", "TEMP"}

WITH_A_SECRET = """
    import json, os, sys
    from pytest_scf import ScfRuntime

    def handler(event, context):
        import os, subprocess, sys
        def environ_of(pid):
            try:
                with open("/proc/%s/environ" % pid, "rb") as file:
                    return file.read().decode()
            except OSError:
                return ""
        child = subprocess.run(["env"], stdout=subprocess.PIPE).stdout.decode()
        return dict(os.environ), environ_of("self") + environ_of(os.getppid()) + child

    with ScfRuntime(isolation=sys.argv[1], start_method=sys.argv[2]) as rt:
        result = rt.deploy(handler, timeout=60, environment={"MODE": "fast"}).invoke()
        print(json.dumps(result.return_value))
"""


@only(pidfd=True)
def test_nothing_of_the_tests_environment_is_there(
    each_kind: ScfRuntime, kind: Any, script: Callable[..., Any]
) -> None:
    names, everything = script(
        WITH_A_SECRET, kind.level, kind.start_method, SECRET_OF_THE_TEST="hush-hush", PYTHONSTARTUP="hush-hush"
    )
    more = OF_THE_DIRECTORY_LEVEL if kind.level == "directory" else set()
    # Set by the interpreter itself where it begins in the C locale.
    assert set(names) - {"LC_CTYPE"} == DOCUMENTED | more | {"MODE"}
    assert names["MODE"] == "fast"
    assert names["HOME"] == "/home/qcloud"
    assert "hush" not in everything


def test_standard_streams_are_ordinary(each_kind: ScfRuntime) -> None:
    def handler(event, context):
        import os
        import subprocess
        import sys

        print("by print")
        sys.stderr.write("by stderr, é\n")
        sys.stdout.buffer.write(b"by the buffer\n")
        assert sys.__stdout__ is not None
        sys.__stdout__.write("by the first stdout\n")
        os.write(1, b"by the descriptor\n")
        subprocess.run(["echo", "by a child"], check=True)
        try:
            input()
        except EOFError:
            print("nothing to read")
        return [sys.stdin.fileno(), sys.stdout.fileno(), sys.stderr.fileno(), sys.stdout.encoding, sys.stdout.isatty()]

    event = each_kind.deploy(handler, async_run=True).invoke_async().wait()
    assert event.return_value == [0, 1, 2, "utf-8", False], event.logs.text
    assert event.logs.user.splitlines() == [
        "by print",
        "by stderr, é",
        "by the buffer",
        "by the first stdout",
        "by the descriptor",
        "by a child",
        "nothing to read",
    ]


def test_only_the_runtimes_socket_is_open_beside_the_standard_streams(call: Callable[..., Any]) -> None:
    def handler(event, context):
        import contextlib
        import os

        found = {}
        for fd in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):  # the one that reads the directory
                found[fd] = os.readlink("/proc/self/fd/" + fd).partition(":")[0]
        return found

    found = call(handler)
    assert [found.pop(fd) for fd in "012"] == ["/dev/null", "pipe", "pipe"]
    assert found.pop("255") == "pipe"  # the stack of a handler whose time is up: see runtimes/fault_dump.py
    # A newer libffi, which ctypes is made with, keeps its own file open for its trampolines.
    assert [each for each in found.values() if "libffi" not in each] == ["socket"]


def test_children_of_a_handler_inherit_the_standard_streams_only(call: Callable[..., Any]) -> None:
    def handler(event, context):
        import subprocess

        listing = subprocess.run(["ls", "/proc/self/fd"], close_fds=False, stdout=subprocess.PIPE, check=True)
        return listing.stdout.decode().split()

    assert call(handler) == ["0", "1", "2", "3"], "3 is what ls reads the directory by"


def test_none_of_our_modules_is_loaded_and_main_is_no_module_of_ours(call: Callable[..., Any], kind: Any) -> None:
    def handler(event, context):
        import sys

        ours = [name for name in sys.modules if name.split(".")[0] in ("pytest_scf", "pytest", "wire", "psutil")]
        return [ours, sorted(name for name in vars(sys.modules["__main__"]) if not name.startswith("__")), sys.argv]

    ours, main, argv = call(handler)
    assert ours == []
    assert argv == [""]
    if kind.start_method == "fork":
        assert main == []


def test_modules_of_our_names_are_the_users_own(each_kind: ScfRuntime, tmp_path: Path) -> None:
    code = tmp_path / "worker"
    code.mkdir()
    for name in ("wire", "init", "python", "pytest_scf"):
        (code / f"{name}.py").write_text(f"WHOSE = 'the user, {name}'\n")
    (code / "index.py").write_text(
        """\
import wire, init, python, pytest_scf
def main_handler(event, context):
    return [wire.WHOSE, init.WHOSE, python.WHOSE, pytest_scf.WHOSE]
"""
    )
    result = each_kind.deploy(code, timeout=60).invoke()
    assert result.return_value == ["the user, " + name for name in ("wire", "init", "python", "pytest_scf")], result.log


# -- signals -------------------------------------------------------------------------------------------------------

#: what a process starts with decides over its signals, so this one stands between: as nohup and worse
HOSTILE = """
import os, signal, sys
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGCHLD):
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR2, signal.SIGALRM, signal.SIGCHLD])
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
FRESH = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_SETMASK, [])
for number in signal.valid_signals():
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
SIGNALS = """
def handler(event, context):
    import signal
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    names = ("SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt")
    return [[status[name].strip() for name in names], [str(signal.getsignal(n)) for n in range(1, signal.NSIG)],
            sorted(signal.pthread_sigmask(signal.SIG_BLOCK, []))]
"""
IN_AN_INSTANCE = (
    SIGNALS
    + """
import json, sys
from pytest_scf import ScfRuntime
with ScfRuntime(isolation=sys.argv[1], start_method=sys.argv[2]) as rt:
    print(json.dumps(rt.deploy(handler, timeout=60).invoke().return_value))
"""
)
#: with faulthandler, as in runtimes/fault_dump.py
IN_A_FRESH_INTERPRETER = (
    SIGNALS
    + """
import faulthandler, json, signal
faulthandler.enable()
faulthandler.register(signal.SIGRTMAX)
print(json.dumps(handler(None, None)))
"""
)


@pytest.mark.parametrize("started", ["ordinarily", "with signals ignored and blocked"])
@only(pidfd=True)
def test_signals_are_those_of_a_fresh_interpreter_however_the_test_was(
    each_kind: ScfRuntime, kind: Any, script: Callable[..., Any], started: str
) -> None:
    program = FRESH if started == "ordinarily" else HOSTILE
    found = script(IN_AN_INSTANCE, kind.level, kind.start_method, command=(sys.executable, "-c", program))
    fresh = script(IN_A_FRESH_INTERPRETER, command=(sys.executable, "-c", FRESH))
    default = str(signal.default_int_handler)
    assert [text if not text.startswith("<built-in") else default for text in found[1]] == fresh[1]
    assert found[0] == fresh[0]
    assert found[2] == fresh[2] == []
