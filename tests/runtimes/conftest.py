from __future__ import annotations

import pytest


@pytest.fixture(params=["namespaces", "directory"])
def rt(request, scf_runtime_of):
    return scf_runtime_of(request.param)
