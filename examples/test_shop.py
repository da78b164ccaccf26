"""A project of a serverless.yml, as it is: a thumbnailer on COS, a nightly report on a timer, an API of articles."""

from __future__ import annotations

import sys
import urllib.request
from pathlib import Path

import pytest

from pytest_scf import ScfRuntime

pytest.importorskip("yaml")
SHOP = Path(__file__).parent / "shop" / "serverless.yml"


@pytest.fixture(autouse=True)
def own_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own Python, beside which the SDK of COS is installed; the environment beats the .env file."""
    monkeypatch.setenv("SHOP_RUNTIME", f"Python{sys.version_info[0]}.{sys.version_info[1]}")


def test_a_picture_gets_its_thumbnail(scf_runtime: ScfRuntime) -> None:
    pytest.importorskip("qcloud_cos")
    bucket = scf_runtime.cos("shop")
    scf_runtime.deploy_project(SHOP)
    (event,) = bucket.put("pictures/a.ppm", b"P6\n4 2\n255\n" + bytes(range(24)))
    event.assert_finished(["thumbnails/a.ppm"])
    assert bucket.get("thumbnails/a.ppm") == b"P6\n2 1\n255\n" + bytes([0, 1, 2, 6, 7, 8])
    assert bucket.put("pictures/notes.txt", b"no picture") == []


def test_a_report_each_working_day(scf_runtime: ScfRuntime) -> None:
    report = scf_runtime.deploy_project(SHOP)["report"]
    scf_runtime.clock.advance(days=7)
    (nightly,) = report.triggers
    assert len(nightly.events) == 5
    for event in nightly.events:
        event.assert_finished()
        assert event.return_value["job"] == "report"
        assert event.return_value["time"].endswith("T17:30:00Z")  # half past one in the morning in UTC+8


@pytest.mark.parametrize("via", ["url", "apigw"])
def test_articles(scf_runtime: ScfRuntime, via: str) -> None:
    articles = scf_runtime.deploy_project(SHOP)["articles"]
    assert articles.request("GET", "/article?id=1", via=via).json() == {"id": "1", "title": "Spring"}
    assert articles.request("GET", "/article?id=7", via=via).status_code == 404
    assert articles.request("POST", "/article", via=via).status_code == 405


def test_articles_by_an_address(scf_runtime: ScfRuntime) -> None:
    articles = scf_runtime.deploy_project(SHOP)["articles"]
    with urllib.request.urlopen(scf_runtime.http(articles).url + "/article?id=2") as response:
        assert b"Summer" in response.read()
