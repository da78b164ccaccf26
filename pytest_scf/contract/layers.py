"""The cloud's rules for layers, for the API's actions and for ``deploy`` alike."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pytest_scf import facts
from pytest_scf.api_errors import InvalidParameterValueLayerName, InvalidParameterValueLayers
from pytest_scf.contract.code import size_of
from pytest_scf.platform.layers import BoundLayers, LayerVersion, bind
from pytest_scf.platform.settings import Settings
from pytest_scf.platform.staging import Staging

_NAME = re.compile(r"[a-zA-Z]([a-zA-Z0-9_-]*[a-zA-Z0-9])?", re.ASCII)


def is_name(name: str) -> bool:
    """Whether a layer may be called that."""
    return len(name) <= facts.LAYER_NAME_LENGTH[1] and _NAME.fullmatch(name) is not None


def check_name(name: str) -> None:
    """Raises InvalidParameterValue.LayerName."""
    if not is_name(name):
        expected = (
            f"a letter, then letters, digits, '-' and '_', up to {facts.LAYER_NAME_LENGTH[1]} in all, "
            "with a letter or a digit at the end"
        )
        raise InvalidParameterValueLayerName(field="LayerName", value=name, expected=expected)


def bound(
    versions: Sequence[LayerVersion], runtime: str, code_root: Path | None, staging: Staging, settings: Settings
) -> BoundLayers:
    """What a function with these layers and this code has; None: code that does not count.

    Raises InvalidParameterValue.Layers.
    """
    if len(versions) > facts.LAYERS_OF_A_FUNCTION:
        raise InvalidParameterValueLayers(
            f"A function may have {facts.LAYERS_OF_A_FUNCTION} layers, and these are {len(versions)}.", field="Layers"
        )
    if settings.check_layer_runtimes:
        for version in versions:
            _check_runtime(version, runtime)
    check_size(versions, code_root)
    return bind(versions, staging)


def _check_runtime(version: LayerVersion, runtime: str) -> None:
    if version.runtimes and runtime not in version.runtimes:
        raise InvalidParameterValueLayers(
            f"The layer {version.name} is for {', '.join(version.runtimes)}, and the function's runtime is {runtime}.",
            field="Layers",
        )


def check_size(versions: Sequence[LayerVersion], code_root: Path | None) -> None:
    """Raises InvalidParameterValue.Layers where they are larger, with the code, than code may be."""
    if not versions:
        return
    own = 0 if code_root is None else size_of(code_root)
    total = own + sum(version.size for version in versions)
    if total > facts.CODE_BYTES:
        raise InvalidParameterValueLayers(
            f"The function's code has {own} bytes and, with its layers, {total}; {facts.CODE_BYTES} may be had.",
            field="Layers",
        )
