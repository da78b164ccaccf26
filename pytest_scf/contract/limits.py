"""The cloud's rules for a function's name, settings and environment.

Each ``*_problem`` function answers None where the value is allowed, and otherwise one sentence that names the value,
says what is allowed, and fits behind the name of whatever field it was given in. The facade raises it as a UsageError;
the API's actions raise it with the code of their field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from pytest_scf.platform.functions import MSG_TTL, RETRY_NUM

NAME_LENGTH = (2, 60)
NAMESPACE_LENGTH = (1, 60)
MEMORY_DEFAULT = 128
MEMORY_SMALLEST = 64
MEMORY_STEP = 128
MEMORY_LARGEST = 3072
TIMEOUT_DEFAULT = 3
TIMEOUT_LARGEST = 900
ASYNC_TIMEOUT_DEFAULT = ASYNC_TIMEOUT_LARGEST = 86400
INIT_TIMEOUT_DEFAULT = 65
IMAGE_INIT_TIMEOUT_DEFAULT = 90
IMAGE_PORT = 9000
RETRY_NUM_DEFAULT = RETRY_NUM_LARGEST = RETRY_NUM
# The sources give the default (6 h) but no range; a minute is the time from one attempt to the next.
MSG_TTL_DEFAULT = MSG_TTL_LARGEST = MSG_TTL
MSG_TTL_SMALLEST = 60
# The sources give the defaults (65 s, images 90 s) but no range; 300 s leaves room for both.
INIT_TIMEOUT_LARGEST = 300
# What the vendor allows a function's code to take, unpacked.
CODE_BYTES = 500 * 1024 * 1024
RESERVED_PREFIXES = ("SCF_", "QCLOUD_", "TENCENTCLOUD_")

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]*[a-zA-Z0-9]", re.ASCII)
_NAMESPACE = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]*", re.ASCII)
_ENVIRONMENT_KEY = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*", re.ASCII)


def function_name_problem(name: object) -> str | None:
    if not isinstance(name, str):
        return f"must be a str, not {_described(name)}"
    shortest, longest = NAME_LENGTH
    if not shortest <= len(name) <= longest:
        return f"must have {shortest} to {longest} characters; {_shortened(name)} has {len(name)}"
    if not _NAME.fullmatch(name):
        return (
            "must begin with a letter, end with a letter or a digit, and hold only letters, digits, '-' and '_'; "
            f"got {name!r}"
        )
    return None


def namespace_problem(name: object) -> str | None:
    if not isinstance(name, str):
        return f"must be a str, not {_described(name)}"
    shortest, longest = NAMESPACE_LENGTH
    if not shortest <= len(name) <= longest or not _NAMESPACE.fullmatch(name):
        return (
            f"must have {shortest} to {longest} characters, begin with a letter, and hold only letters, digits, "
            f"'-' and '_'; got {_shortened(name)}"
        )
    return None


def handler_problem(handler: object) -> str | None:
    if not isinstance(handler, str):
        return f"must be a str like 'index.main_handler', not {_described(handler)}"
    module, dot, function = handler.rpartition(".")
    if not dot or not module or not function:
        return f"must be 'file.function', the file without its .py, like 'index.main_handler'; got {handler!r}"
    if not function.isidentifier():
        return f"must end with the name of a function; {function!r} in {handler!r} is none"
    if module.startswith(("/", ".")) or ".." in module or "\\" in module or "\0" in module:
        return f"must name a file below the code root, like 'index.main_handler'; got {handler!r}"
    return None


def memory_problem(memory: object) -> str | None:
    allowed = f"{MEMORY_SMALLEST}, or {MEMORY_STEP} to {MEMORY_LARGEST} in steps of {MEMORY_STEP} (MB)"
    if not _is_int(memory):
        return f"must be an int: {allowed}; got {_described(memory)}"
    assert isinstance(memory, int)
    if memory == MEMORY_SMALLEST or (MEMORY_STEP <= memory <= MEMORY_LARGEST and memory % MEMORY_STEP == 0):
        return None
    return f"must be {allowed}; got {memory}"


def timeout_problem(timeout: object, *, asynchronous: bool) -> str | None:
    largest = ASYNC_TIMEOUT_LARGEST if asynchronous else TIMEOUT_LARGEST
    problem = _seconds_problem(timeout, largest)
    if problem and not asynchronous and _is_int(timeout):
        problem += f" (with asynchronous execution up to {ASYNC_TIMEOUT_LARGEST})"
    return problem


def init_timeout_problem(init_timeout: object) -> str | None:
    return _seconds_problem(init_timeout, INIT_TIMEOUT_LARGEST)


def retry_num_problem(retry_num: object) -> str | None:
    if _is_int(retry_num) and 0 <= cast(int, retry_num) <= RETRY_NUM_LARGEST:
        return None
    return f"must be an int, 0 to {RETRY_NUM_LARGEST}; got {_described(retry_num)}"


def msg_ttl_problem(msg_ttl: object) -> str | None:
    if _is_int(msg_ttl) and MSG_TTL_SMALLEST <= cast(int, msg_ttl) <= MSG_TTL_LARGEST:
        return None
    return f"must be an int, {MSG_TTL_SMALLEST} to {MSG_TTL_LARGEST} seconds; got {_described(msg_ttl)}"


def default_timeout(*, asynchronous: bool) -> int:
    return ASYNC_TIMEOUT_DEFAULT if asynchronous else TIMEOUT_DEFAULT


def environment_problem(environment: object) -> str | None:
    if not isinstance(environment, Mapping):
        return f"must be a mapping of str to str, not {_described(environment)}"
    for key, value in environment.items():
        problem = environment_key_problem(key)
        if problem:
            return problem
        if not isinstance(value, str):
            return f"must have values of type str; {key} is {_described(value)}"
        if "\0" in value:
            return f"must have values without NUL characters; {key} is {_shortened(value)}"
    return None


def environment_key_problem(key: object) -> str | None:
    if not isinstance(key, str):
        return f"must have keys of type str; got {_described(key)}"
    if not _ENVIRONMENT_KEY.fullmatch(key):
        return f"must have keys of letters, digits and '_' that begin with a letter; got {_shortened(key)}"
    if key.startswith(RESERVED_PREFIXES):
        return f"must not set {key}: keys that begin with {', '.join(RESERVED_PREFIXES)} are the platform's"
    return None


def _seconds_problem(seconds: object, largest: int) -> str | None:
    if not _is_int(seconds):
        return f"must be an int, 1 to {largest} seconds; got {_described(seconds)}"
    assert isinstance(seconds, int)
    if 1 <= seconds <= largest:
        return None
    return f"must be 1 to {largest} seconds; got {seconds}"


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _described(value: object) -> str:
    return f"{_shortened(value)} of type {type(value).__name__}"


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
