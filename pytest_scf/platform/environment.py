"""The environment and the context that a function is given (docs/environment.md)."""

from __future__ import annotations

import ctypes
import functools
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_scf import facts, runtimes
from pytest_scf.instances.forkserver.client import own_python
from pytest_scf.runtimes import launch_keys

if TYPE_CHECKING:
    from pytest_scf.platform.functions import FunctionConfig
    from pytest_scf.platform.settings import Settings

#: built-in variables that describe a place which a container does not have
_OF_THE_CODE_ROOT = ("USER_CODE_ROOT", "PYTHONPATH", "PWD", "LD_LIBRARY_PATH", "_")
#: built-in variables that an image sets for itself
_OF_AN_IMAGE = ("PATH", "SHELL", "SHLVL", "HOSTNAME", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ")
#: where the buckets of COS are reached, HOST:PORT
COS_ENDPOINT = "PYTEST_SCF_COS_ENDPOINT"
_RUNTIMES = os.path.dirname(os.path.abspath(runtimes.__file__))
_SITE = os.path.join(_RUNTIMES, "probe", "site")
_COS_OF_NODE = os.path.join(_RUNTIMES, "cos.js")
#: what a function finds programs in, behind the directory of its interpreter
_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
#: the documented locale, and what stands in for it on machines that do not have it
_LOCALES = ("en_US.UTF8", "C.UTF-8", "en_US.UTF-8", "C")
#: read by the dynamic loader, the C library or Python when a process starts, and never again
_READ_AT_START = re.compile(r"LD_|DYLD_|GLIBC_|MALLOC_|PYTHON|LC_|LANG$|LANGUAGE$")
#: a library that the dynamic loader may be asked for by name; not a module of Python's, which is found by its path
_LIBRARY = re.compile(r"(?!.*\.(cpython-|abi3))[^/]+\.so(\.\d+)*")
#: the C library's LC_ALL_MASK
_LC_ALL_MASK = 0x3F if sys.platform == "darwin" else 0x1FBF


def environ_of(config: FunctionConfig, settings: Settings, source: str = "") -> dict[str, str]:
    """The environment of the user's process: the built-in variables, then the function's own, which win.

    Nothing of the test process's environment is in it. ``source`` is the kind of trigger that the instance's first
    invocation came from. Choice: it stays, as the variables of a process cannot be changed later.
    """
    interpreter = own_python() if config.interpreter is None else config.interpreter.executable
    environ = {
        "TENCENTCLOUD_RUNENV": "SCF",
        "TENCENTCLOUD_REGION": settings.region,
        "TENCENTCLOUD_APPID": settings.appid,
        "TENCENTCLOUD_UIN": settings.uin,
        "TENCENTCLOUD_TZ": "UTC",
        "SCF_RUNTIME": config.runtime,
        "SCF_FUNCTIONNAME": config.name,
        "SCF_FUNCTIONVERSION": config.version,
        "SCF_NAMESPACE": config.namespace,
        "USER_CODE_ROOT": f"{facts.CODE_ROOT}/",
        "TRIGGER_SRC": source,
        "_SCF_SERVER_PORT": "28902",
        "USER": "qcloud",
        "LOGNAME": "qcloud",
        "HOME": "/home/qcloud",
        "LANG": locale(),
        "LC_ALL": locale(),
        "PATH": program_path(interpreter),
        "SHELL": "/bin/bash",
        "SHLVL": "3",
        "HOSTNAME": "scf",
        "PWD": facts.CODE_ROOT,
        "_": interpreter,
        "LD_LIBRARY_PATH": f"/var/runtime/java8:{facts.CODE_ROOT}:{facts.LAYERS_ROOT}",
        "PYTHONPATH": f"{facts.CODE_ROOT}:{facts.LAYERS_ROOT}",
        "PYTHONDONTWRITEBYTECODE": "x",
        # The cloud's machines are in UTC; this one need not be.
        "TZ": "UTC",
    }
    server = config.server
    if config.interpreter is not None and config.interpreter.language == "node":
        del environ["PYTHONPATH"], environ["PYTHONDONTWRITEBYTECODE"]
        environ["NODE_PATH"] = ":".join(
            f"{root}{below}" for root in (facts.CODE_ROOT, facts.LAYERS_ROOT) for below in ("", "/node_modules")
        )
    if server is not None:
        # Choice: what a Python server prints would otherwise wait in a buffer that dies with it.
        environ["PYTHONUNBUFFERED"] = "1"
        if not server.kind.listens:
            environ["_HANDLER"] = config.handler
        if server.is_container:
            for name in (*_OF_THE_CODE_ROOT, *(() if server.image is None else _OF_AN_IMAGE)):
                del environ[name]
    return {**environ, **dict(server.variables if server is not None else ()), **config.environment}


def with_buckets(environ: dict[str, str], port: int, *, is_program: bool) -> dict[str, str]:
    """The same with what leads the official SDKs of COS to the runtime's buckets at a port of 127.0.0.1; 0: nowhere.

    ``is_program``: it is no handler that our runtime loads, and has to find what changes the SDK by itself.
    """
    if not port:
        return environ
    found = {**environ, COS_ENDPOINT: f"127.0.0.1:{port}"}
    if is_program:
        found["PYTHONPATH"] = os.pathsep.join(filter(None, (_SITE, environ.get("PYTHONPATH"))))
        found["NODE_OPTIONS"] = " ".join(filter(None, (f'--require "{_COS_OF_NODE}"', environ.get("NODE_OPTIONS"))))
    return found


def context_of(config: FunctionConfig, settings: Settings) -> dict[str, object]:
    """The handler's ``context`` but for the request id."""
    pairs = [f"{name}={value}" for name, value in config.environment.items()]
    namespace = f"SCF_NAMESPACE={config.namespace}"
    return {
        launch_keys.MEMORY_LIMIT: config.memory,
        launch_keys.TIME_LIMIT: config.timeout * 1000,
        "request_id": "",
        "environment": json.dumps({"SCF_NAMESPACE": config.namespace, **config.environment}),
        "environ": ";".join([namespace, *pairs, namespace]),
        "function_version": config.version,
        "function_name": config.name,
        "namespace": config.namespace,
        "tencentcloud_region": settings.region,
        "tencentcloud_appid": settings.appid,
        "tencentcloud_uin": settings.uin,
    }


def needs_new_program(config: FunctionConfig) -> bool:
    """Whether a fork of the fork server would not do, since its process has started with other variables.

    So it is where the function's own variables are such that are read at the start, and where its code holds
    libraries, which the dynamic loader finds by the LD_LIBRARY_PATH of the start.
    """
    if config.server is not None:
        return False  # a program by itself
    return any(_READ_AT_START.match(name) for name in config.environment) or any(
        map(_holds_libraries, [config.code_root, *config.layers.paths()])
    )


def _holds_libraries(directory: Path) -> bool:
    try:
        return any(_LIBRARY.fullmatch(name) for name in os.listdir(directory))
    except OSError:  # gone: the start of the instance says so
        return False


def program_path(interpreter: str) -> str:
    """PATH of functions that are run by this interpreter."""
    return os.pathsep.join([os.path.dirname(interpreter), *_PATH])


@functools.cache
def locale() -> str:
    """The cloud's locale, or the next best that this machine has."""
    try:
        newlocale, freelocale = ctypes.CDLL(None).newlocale, ctypes.CDLL(None).freelocale
    except (AttributeError, OSError):
        return _LOCALES[0]
    newlocale.restype, newlocale.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p]
    freelocale.argtypes = [ctypes.c_void_p]
    for name in _LOCALES:
        found = newlocale(_LC_ALL_MASK, name.encode(), None)
        if found:
            freelocale(found)
            return name
    return _LOCALES[-1]
