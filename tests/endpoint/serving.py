"""A ``python -m pytest_scf serve`` in a process of its own: the fixture ``serve`` starts it."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

DEADLINE = 120
Serve = Callable[..., "Served"]


class Served:
    """A running ``serve``, and what it printed so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.printed: list[str] = []
        self.until("ready")

    def until(self, pattern: str) -> re.Match[str]:
        """Read on up to the first line in which the pattern is found."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed.append(line.rstrip("\n"))
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"it has ended, and never said {pattern!r}: {self.printed}")

    def said(self, pattern: str) -> str:
        found = re.search(pattern, "\n".join(self.printed), re.MULTILINE)
        assert found, self.printed
        return found[1]

    def call(self, action: str, **params: Any) -> dict[str, Any]:
        from tencentcloud.common.common_client import CommonClient
        from tencentcloud.common.credential import Credential
        from tencentcloud.common.profile.client_profile import ClientProfile
        from tencentcloud.common.profile.http_profile import HttpProfile

        host = self.said(r"serving on http://(\S+),")
        credential = Credential(self.said("SecretId (.+)"), self.said("SecretKey (.+)"))
        profile = ClientProfile(httpProfile=HttpProfile(endpoint=host, protocol="http"))
        client = CommonClient("scf", "2018-04-16", credential, self.said(r"region (\S+)"), profile)
        found: dict[str, Any] = client.call_json(action, params, headers={"Connection": "close"})["Response"]
        return found

    def end(self, number: int = signal.SIGTERM) -> list[str]:
        """What it printed after it was ready."""
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=DEADLINE)
        self.printed += out.splitlines()
        (ready,) = [at for at, line in enumerate(self.printed) if line.startswith("ready")]
        return self.printed[ready + 1 :]


def node_with(package: str) -> str:
    """The program of Node.js, which finds a package; skips the test where there is none."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("there is no node on this machine")
    asked = [program, "-e", "require.resolve(process.argv[1])", package]
    if subprocess.run(asked, capture_output=True, timeout=DEADLINE).returncode:
        pytest.skip(f"{package} is not installed for node: npm install it, and set NODE_PATH")
    return program
