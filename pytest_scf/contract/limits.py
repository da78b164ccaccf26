"""The cloud's rules for a function's name, settings and environment.

``check`` is the one way through them, for ``deploy`` and for the API's actions alike: it raises ``InvalidSetting`` by
the names of ``FunctionConfig``, which is a UsageError as it is, and which the actions raise with the code of their
field.

Each ``*_problem`` function answers None where the value is allowed, and otherwise one sentence that names the value,
says what is allowed, and fits behind the name of whatever field it was given in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import cast

from pytest_scf import facts
from pytest_scf.errors import InvalidSetting


def check(settings: Mapping[str, object], *, asynchronous: bool) -> None:
    """Raises InvalidSetting for the first of the settings that the cloud refuses.

    ``asynchronous``: the function has, or is to have, asynchronous execution.
    """
    for field, value in settings.items():
        rule = partial(timeout_problem, asynchronous=asynchronous) if field == "timeout" else _RULES[field]
        problem = rule(value)
        if problem is not None:
            raise InvalidSetting(field, problem)


def check_msg_ttl(msg_ttl: object, smallest: int) -> None:
    """Raises InvalidSetting; ``smallest`` is the setting ``msg_ttl_smallest``."""
    problem = msg_ttl_problem(msg_ttl, smallest)
    if problem is not None:
        raise InvalidSetting("msg_ttl", problem)


def default_timeout(*, asynchronous: bool) -> int:
    """Seconds."""
    return facts.ASYNC_TIMEOUT_DEFAULT if asynchronous else facts.TIMEOUT_DEFAULT


_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]*[a-zA-Z0-9]", re.ASCII)
_NAMESPACE = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]*", re.ASCII)
_ENVIRONMENT_KEY = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*", re.ASCII)


def function_name_problem(name: object) -> str | None:
    if not isinstance(name, str):
        return f"must be a str, not {_described(name)}"
    shortest, longest = facts.NAME_LENGTH
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
    shortest, longest = facts.NAMESPACE_LENGTH
    if not shortest <= len(name) <= longest or not _NAMESPACE.fullmatch(name):
        return (
            f"must have {shortest} to {longest} characters, begin with a letter, and hold only letters, digits, "
            f"'-' and '_'; got {_shortened(name)}"
        )
    return None


def description_problem(description: object) -> str | None:
    if not isinstance(description, str):
        return f"must be a str, not {_described(description)}"
    if len(description) > facts.DESCRIPTION_LENGTH:
        return f"has {len(description)} characters, and at most {facts.DESCRIPTION_LENGTH} are accepted"
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
    step, largest = facts.MEMORY_STEP, facts.MEMORY_LARGEST
    allowed = f"{facts.MEMORY_SMALLEST}, or {step} to {largest} in steps of {step} (MB)"
    if not _is_int(memory):
        return f"must be an int: {allowed}; got {_described(memory)}"
    assert isinstance(memory, int)
    if memory == facts.MEMORY_SMALLEST or (step <= memory <= largest and memory % step == 0):
        return None
    return f"must be {allowed}; got {memory}"


def timeout_problem(timeout: object, *, asynchronous: bool) -> str | None:
    largest = facts.ASYNC_TIMEOUT_LARGEST if asynchronous else facts.TIMEOUT_LARGEST
    problem = _seconds_problem(timeout, largest)
    if problem and not asynchronous and _is_int(timeout):
        problem += f" (with asynchronous execution up to {facts.ASYNC_TIMEOUT_LARGEST})"
    return problem


def init_timeout_problem(init_timeout: object) -> str | None:
    return _seconds_problem(init_timeout, facts.INIT_TIMEOUT_LARGEST)


def retry_num_problem(retry_num: object) -> str | None:
    if _is_int(retry_num) and 0 <= cast(int, retry_num) <= facts.RETRY_NUM_LARGEST:
        return None
    return f"must be an int, 0 to {facts.RETRY_NUM_LARGEST}; got {_described(retry_num)}"


def msg_ttl_problem(msg_ttl: object, smallest: int = facts.MSG_TTL_SMALLEST) -> str | None:
    """``smallest`` is the setting ``msg_ttl_smallest``."""
    if _is_int(msg_ttl) and smallest <= cast(int, msg_ttl) <= facts.MSG_TTL_LARGEST:
        return None
    return f"must be an int, {smallest} to {facts.MSG_TTL_LARGEST} seconds; got {_described(msg_ttl)}"


def max_instances_problem(max_instances: object) -> str | None:
    if max_instances is None or (_is_int(max_instances) and cast(int, max_instances) >= 1):
        return None
    return f"must be an int of at least 1, not {max_instances!r}"


def flag_problem(value: object) -> str | None:
    return None if isinstance(value, bool) else f"must be True or False, not {value!r}"


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
        if not _encodable(value):
            return f"must have values that can be written as UTF-8; {key} is {_shortened(value)}"
    return None


def environment_key_problem(key: object) -> str | None:
    if not isinstance(key, str):
        return f"must have keys of type str; got {_described(key)}"
    if not _ENVIRONMENT_KEY.fullmatch(key):
        return f"must have keys of letters, digits and '_' that begin with a letter; got {_shortened(key)}"
    if key.startswith(facts.RESERVED_PREFIXES):
        return f"must not set {key}: keys that begin with {', '.join(facts.RESERVED_PREFIXES)} are the platform's"
    return None


def _seconds_problem(seconds: object, largest: int) -> str | None:
    if not _is_int(seconds):
        return f"must be an int, 1 to {largest} seconds; got {_described(seconds)}"
    assert isinstance(seconds, int)
    if 1 <= seconds <= largest:
        return None
    return f"must be 1 to {largest} seconds; got {seconds}"


def _encodable(text: str) -> bool:
    """Half of a surrogate pair, which JSON can hold, is no character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _described(value: object) -> str:
    return f"{_shortened(value)} of type {type(value).__name__}"


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


_RULES: dict[str, Callable[[object], str | None]] = {
    "name": function_name_problem,
    "namespace": namespace_problem,
    "description": description_problem,
    "handler": handler_problem,
    "memory": memory_problem,
    "init_timeout": init_timeout_problem,
    "environment": environment_problem,
    "async_run": flag_problem,
    "trace": flag_problem,
    "max_instances": max_instances_problem,
    "retry_num": retry_num_problem,
}
