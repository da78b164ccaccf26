"""An image function with Flask: from its command, and from its Dockerfile."""

import pytest

pytestmark = pytest.mark.scf(requires="namespaces")


@pytest.fixture
def server(scf_runtime):
    return scf_runtime.deploy_image(["python", "app.py"], cwd="functions/image_server", async_run=True)


def test_a_job_that_runs_to_its_end(server):
    event = server.invoke_async({"name": "short", "steps": 3})
    event.wait()
    assert event.return_value["done"] == 3
    event.assert_logged(f"job short for request {event.request_id}")


def test_several_at_once_each_on_port_9000(server):
    events = [server.invoke_async({"name": f"job-{n}", "steps": 1_000_000, "pause": 0.01}) for n in range(3)]
    for event in events:
        event.wait_for_log("job job-")
    events[0].terminate(graceful=True)
    events[1].terminate()
    assert events[0].wait().return_value["finished"] is False
    events[1].assert_aborted()
    assert events[2].status == "RUNNING"
    events[2].terminate()


def test_as_its_dockerfile_says(scf_runtime):
    fn = scf_runtime.deploy_image(dockerfile="functions/image_server", ignored=["RUN"])
    assert fn.invoke({"name": "built", "steps": 1}).return_value["finished"]
