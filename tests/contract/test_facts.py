"""The cloud's numbers stand once; what cannot read them is compared with them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from pytest_scf import facts
from pytest_scf.platform.settings import Settings

PACKAGE = Path(facts.__file__).parent


def test_it_is_a_leaf() -> None:
    tree = ast.parse(Path(facts.__file__).read_text(), feature_version=(3, 6))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def test_the_runtime_of_nodejs_has_the_same_limit() -> None:
    found = re.search(r"const RESPONSE_LIMIT = ([\d *]+);", (PACKAGE / "runtimes" / "node.js").read_text())
    assert found is not None
    numbers = [int(number) for number in found[1].split("*")]
    product = 1
    for number in numbers:
        product *= number
    assert product == facts.RESPONSE_BYTES


def test_no_module_has_a_number_of_the_cloud_of_its_own() -> None:
    """Written as a literal: 6 MB, 9000, the paths of an instance, the default handler, the status words."""
    mine = {facts.RESPONSE_BYTES, facts.SERVER_PORT, facts.DEFAULT_HANDLER}
    mine |= {*facts.STATUSES, facts.CODE_ROOT, facts.LANGUAGES_ROOT, facts.LAYERS_ROOT}
    found = []
    for path in PACKAGE.rglob("*.py"):
        if path.name == "facts.py":
            continue
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            value: object = node.value if isinstance(node, ast.Constant) else None
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
                value = _product(node)
            if value is not None and value in mine:
                found.append(f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}: {value!r}")
    assert not found


def _product(node: ast.expr) -> int | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        left, right = _product(node.left), _product(node.right)
        return None if left is None or right is None else left * right
    return None


def test_the_defaults_of_the_settings_are_the_clouds() -> None:
    settings = Settings()
    assert settings.tmp_bytes == facts.TMP_BYTES
    assert settings.retention_hours == settings.window_hours == facts.RETENTION_HOURS
