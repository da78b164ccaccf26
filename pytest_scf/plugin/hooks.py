"""The hooks that pytest-scf asks other plugins, and conftest.py files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_scf.launchers import Launcher


@pytest.hookspec(firstresult=True)
def pytest_scf_launcher(name: str, config: pytest.Config) -> Launcher | None:
    """A new launcher of this name (``--scf-launcher=NAME``) for one runtime, which closes it; None for other names."""
