"""Runs first in a server that is written in Python: its directory comes first in that one's PYTHONPATH.

Loads the probe, and has the SDK of COS reach the runtime's buckets. Leaves everything else as it was: the environment,
the path, and another ``sitecustomize`` where there is one.
"""

import importlib
import importlib.util
import json
import os
import socket
import sys


def _start():
    # type: () -> None
    here = os.path.dirname(os.path.abspath(__file__))
    given = {name: os.environ.pop(name, "") for name in ("_SCF_PROBE_FD", "_SCF_PROBE_CONFIG", "_SCF_PROBE_ROOT")}
    places = [place for place in os.environ.pop("PYTHONPATH", "").split(os.pathsep) if place not in ("", here)]
    if places:
        os.environ["PYTHONPATH"] = os.pathsep.join(places)
    sys.path[:] = [place for place in sys.path if place != here]
    mine = sys.modules.pop("sitecustomize", None)
    try:
        importlib.import_module("sitecustomize")
    except ImportError:
        if mine is not None:
            sys.modules["sitecustomize"] = mine
    directory = os.path.dirname(here)
    if "PYTEST_SCF_COS_ENDPOINT" in os.environ:
        own = importlib.util.spec_from_file_location("_scf_sdk", os.path.join(os.path.dirname(directory), "sdk.py"))
        assert own is not None
        assert own.loader is not None
        sdk = importlib.util.module_from_spec(own)
        own.loader.exec_module(sdk)
        sdk.reach_buckets(os.environ["PYTEST_SCF_COS_ENDPOINT"])
    if not given["_SCF_PROBE_FD"]:
        return
    name = "_scf_probe"
    spec = importlib.util.spec_from_file_location(
        name, os.path.join(directory, "__init__.py"), submodule_search_locations=[directory]
    )
    assert spec is not None
    sys.modules[name] = importlib.util.module_from_spec(spec)
    inside = importlib.import_module(name + ".inside")
    for each in [each for each in sys.modules if each.partition(".")[0] == name]:
        del sys.modules[each]
    sock = socket.socket(fileno=int(given["_SCF_PROBE_FD"]))
    sock.set_inheritable(False)
    probe = inside.make(sock, json.loads(given["_SCF_PROBE_CONFIG"]), given["_SCF_PROBE_ROOT"])
    probe.before_load()
    probe.enter()


_start()
