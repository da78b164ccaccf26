"""The logging module as the cloud's Python runtime sets it up: every record once in the log, whatever the user adds."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import pytest

from pytest_scf import ScfRuntime
from pytest_scf.errors import UsageError
from pytest_scf.instances import interpreters


def lines_logged(runtime: ScfRuntime, code: str, **options: Any) -> list[str]:
    """What a handler with this code at its module's level, and ``log``, writes to its log."""
    source = "import logging, logging.config, sys\n" + textwrap.dedent(code)
    result = runtime.deploy(source + "\n\ndef main_handler(event, context):\n    log()\n", **options).invoke()
    assert result.error is None, result.error
    return result.logs.user.splitlines()


def test_the_root_logger_is_set_up_before_the_code_is_loaded(each_start: ScfRuntime) -> None:
    assert lines_logged(
        each_start,
        """
        logging.getLogger("at.load").debug("loading")

        def log():
            logging.getLogger().info("the root's")
            logging.warning("%d %s", 1, "argument")
        """,
    ) == ["loading", "the root's", "1 argument"]


def test_a_level_that_the_user_sets_holds(each_start: ScfRuntime) -> None:
    assert lines_logged(
        each_start,
        """
        logger = logging.getLogger()
        logger.setLevel(logging.INFO)

        def log():
            logger.debug("too low")
            logger.info("x")
        """,
    ) == ["x"]


def test_basic_config_changes_nothing_as_in_the_cloud_unless_it_is_forced(each_start: ScfRuntime) -> None:
    assert lines_logged(
        each_start,
        """
        logging.basicConfig(level=logging.WARNING, format="own %(message)s")

        def log():
            logging.info("plain")
            logging.basicConfig(level=logging.WARNING, format="own %(message)s", force=True)
            logging.info("too low")
            logging.warning("forced")
        """,
    ) == ["plain", "own forced"]


@pytest.mark.parametrize("root", [True, False])
def test_dict_config(each_start: ScfRuntime, root: bool) -> None:
    assert lines_logged(
        each_start,
        f"""
        ROOT = {root}
        CONFIG = {{
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {{"own": {{"format": "own %(message)s"}}}},
            "handlers": {{"console": {{"class": "logging.StreamHandler", "formatter": "own"}}}},
            "loggers": {{}} if ROOT else {{"mine": {{"handlers": ["console"], "level": "INFO"}}}},
        }}
        if ROOT:
            CONFIG["root"] = {{"handlers": ["console"], "level": "INFO"}}
        logging.config.dictConfig(CONFIG)

        def log():
            logging.getLogger("mine.below").info("mine")
            logging.getLogger("another").info("another")
        """,
    ) == ["own mine", "own another" if root else "another"]


def test_handlers_of_the_users_own_write_a_line_in_place_of_the_roots_and_leave_none_out(
    each_start: ScfRuntime,
) -> None:
    assert lines_logged(
        each_start,
        """
        import io

        kept = io.StringIO()
        console = logging.StreamHandler(sys.stdout)
        console.setLevel(logging.WARNING)
        console.setFormatter(logging.Formatter("own %(message)s"))
        console.addFilter(lambda record: "secret" not in record.getMessage())
        logger = logging.getLogger("mine")
        logger.addHandler(console)
        logger.addHandler(logging.StreamHandler(kept))
        device = logging.FileHandler("/dev/stderr")
        device.setFormatter(logging.Formatter("device %(message)s"))
        logging.getLogger("device").addHandler(device)

        def log():
            logger.info("below its level")
            logger.error("above its level")
            logger.error("a secret that its filter drops")
            logging.getLogger("device").info("there")
            print(len(kept.getvalue().splitlines()), "kept")
        """,
    ) == ["below its level", "own above its level", "a secret that its filter drops", "device there", "3 kept"]


def test_an_exception_that_is_logged_has_its_traceback_and_a_broken_record_is_said(
    each_start: ScfRuntime,
) -> None:
    found = lines_logged(
        each_start,
        """
        def log():
            try:
                {}["key"]
            except KeyError:
                logging.exception("caught")
            logging.info("half a pair \\ud83d")
            logging.info("%d", "no number")
            logging.info("goes on")
        """,
    )
    assert found[0] == "caught"
    assert found[1].startswith("Traceback")
    assert "KeyError: 'key'" in found
    assert "half a pair \\ud83d" in found
    assert "--- Logging error ---" in found
    assert found[-1] == "goes on"


@pytest.mark.parametrize("version", ["3.6", "3.7", "3.9", "3.13"])
def test_other_pythons(version: str, scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    try:
        interpreters.find_python(version)
    except UsageError as error:
        pytest.skip(str(error))
    code = """
        def log():
            logging.getLogger("a").info("once")
            logging.getLogger("a").addHandler(logging.StreamHandler())
            logging.getLogger("a").info("and once")
    """
    assert lines_logged(scf_runtime_of("namespaces"), code, python=version) == ["once", "and once"]


def test_a_termination_is_waited_for_by_what_is_logged(each_start: ScfRuntime) -> None:
    fn = each_start.deploy(
        textwrap.dedent(
            """
            import logging, signal, time
            logger = logging.getLogger()
            logger.setLevel(logging.INFO)

            def stop(number, frame):
                logger.info("stopping")
                raise SystemExit(0)

            def main_handler(event, context):
                signal.signal(signal.SIGTERM, stop)
                while True:
                    logger.info("working")
                    time.sleep(0.001)
            """
        ),
        async_run=True,
    )
    event = fn.invoke_async({})
    event.wait_for_log("working")
    event.terminate(graceful=True)
    event.wait()
    event.assert_logged("stopping")
