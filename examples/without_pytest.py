"""The same thing as a plain script: ``python examples/without_pytest.py``."""

from pathlib import Path

from pytest_scf import ScfRuntime


def main():
    with ScfRuntime(base_dirs=[Path(__file__).parent]) as runtime:
        function = runtime.deploy("functions/graceful", async_run=True)
        event = function.invoke_async({"job": 7})
        event.wait_for_signal_handler()
        event.terminate(graceful=True)
        event.wait()
        print(event.status, int(event.status_code), event.return_value)
        print(event.diagnosis)


if __name__ == "__main__":
    main()
