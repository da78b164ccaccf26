"""Functions that are expensive to start can be shared by all tests of a run."""

import pytest


@pytest.fixture(scope="module")
def warm(scf_runtime_session):
    return scf_runtime_session.deploy(
        """
        import time

        started = time.time()

        def main_handler(event, context):
            return started
        """
    )


@pytest.fixture(scope="module")
def first_start(warm):
    return warm.invoke().return_value


@pytest.mark.parametrize("time_", range(3))
def test_the_instance_stays_warm(warm, first_start, time_):
    assert warm.invoke().return_value == first_start


@pytest.mark.scf(requires="namespaces")
def test_the_code_is_where_the_cloud_has_it(scf_runtime):
    function = scf_runtime.deploy("import os\n\ndef main_handler(event, context):\n    return os.getcwd()\n")
    assert function.invoke().return_value == "/var/user"


@pytest.mark.scf(max_instances=1)
def test_one_instance_at_a_time(scf_runtime):
    from pytest_scf import ApiError

    function = scf_runtime.deploy("functions/unhandled", async_run=True)
    event = function.invoke_async()
    with pytest.raises(ApiError, match="concurrency exceeded"):
        function.invoke_async()
    event.terminate()
