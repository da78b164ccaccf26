"""Versions and aliases: what is published of a function, and the names that lead to it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pytest_scf import facts
from pytest_scf.api_errors import (
    InvalidParameterValueAdditionalVersionWeights,
    InvalidParameterValueAlias,
    InvalidParameterValueRoutingConfig,
)
from pytest_scf.contract import function_models as models
from pytest_scf.contract.actions.functions import code_size
from pytest_scf.contract.times import write_seconds
from pytest_scf.platform.routing import Alias, Match

if TYPE_CHECKING:
    from pytest_scf.platform.platform import Platform

_ALIAS = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,63}", re.ASCII)


def publish_version(
    platform: Platform, request: models.PublishVersionRequest, request_id: str
) -> models.PublishVersionResponse:
    """Freezes the code, which may lie in a directory that changes, and the configuration."""
    function = platform.functions.get(request.Namespace, request.FunctionName)
    config = platform.publish_version(function, request.Description)
    return models.PublishVersionResponse(
        config.version,
        code_size(config.code_root),
        config.memory,
        config.description,
        config.handler,
        config.timeout,
        config.runtime,
        config.namespace,
    )


def list_version_by_function(
    platform: Platform, request: models.ListVersionByFunctionRequest, request_id: str
) -> models.ListVersionByFunctionResponse:
    """$LATEST is the first, as in the vendor's examples; then the published ones in the order asked for."""
    function = platform.functions.get(request.Namespace, request.FunctionName)
    hours = platform.settings.utc_offset_hours
    published = [
        models.FunctionVersion(
            number, version.config.description, write_seconds(version.time, hours), write_seconds(version.time, hours)
        )
        for number, version in sorted(function.versions.items(), key=lambda each: int(each[0]))
    ]
    if request.Order == "DESC":
        published.reverse()
    latest = models.FunctionVersion(
        facts.LATEST,
        function.config.description,
        write_seconds(function.add_time, hours),
        write_seconds(function.mod_time, hours),
    )
    everything = [latest, *published]
    page = everything[request.Offset : request.Offset + request.Limit]
    return models.ListVersionByFunctionResponse([each.Version for each in page], page, len(everything))


def create_alias(platform: Platform, request: models.CreateAliasRequest, request_id: str) -> models.CreateAliasResponse:
    function = platform.functions.get(request.Namespace, request.FunctionName)
    if request.Name != facts.DEFAULT_ALIAS and not _ALIAS.fullmatch(request.Name):
        expected = "a letter, then letters, digits, '-' and '_', up to 64 in all"
        raise InvalidParameterValueAlias(field="Name", value=request.Name, expected=expected)
    platform.functions.put_alias(function, _made(platform, request))
    return models.CreateAliasResponse()


def update_alias(platform: Platform, request: models.UpdateAliasRequest, request_id: str) -> models.UpdateAliasResponse:
    """All of it is replaced: without RoutingConfig all calls go to FunctionVersion."""
    function = platform.functions.get(request.Namespace, request.FunctionName)
    platform.functions.update_alias(function, _made(platform, request))
    return models.UpdateAliasResponse()


def _made(platform: Platform, request: models.CreateAliasRequest | models.UpdateAliasRequest) -> Alias:
    routing = request.RoutingConfig or models.RoutingConfig()
    weights = {each.Version: each.Weight for each in routing.AdditionalVersionWeights}
    # SILENT whether the sum may be 1, with which nothing is left for the alias's own version; here it may.
    if any(not 0 <= weight <= 1 for weight in weights.values()) or sum(weights.values()) > 1:
        raise InvalidParameterValueAdditionalVersionWeights(
            field="RoutingConfig.AdditionalVersionWeights", value=weights, expected="weights from 0 to 1, 1 in all"
        )
    matches = tuple(
        Match(each.Version, each.Key, each.Method, each.Expression) for each in routing.AddtionVersionMatchs
    )
    for match in matches:
        if match.method == "range" and not match.is_range():
            expected = "a range like [0,50) of two numbers"
            raise InvalidParameterValueRoutingConfig(field="Expression", value=match.expression, expected=expected)
    now = platform.clock.now()
    return Alias(request.Name, request.FunctionVersion, weights, matches, request.Description, now, now)


def get_alias(platform: Platform, request: models.GetAliasRequest, request_id: str) -> models.GetAliasResponse:
    function = platform.functions.get(request.Namespace, request.FunctionName)
    return models.GetAliasResponse(*_shown(platform, platform.functions.alias(function, request.Name)))


def _shown(platform: Platform, alias: Alias) -> tuple[str, str, Any, str, str, str]:
    hours = platform.settings.utc_offset_hours
    routing = {
        "AdditionalVersionWeights": [{"Version": name, "Weight": weight} for name, weight in alias.weights.items()],
        "AddtionVersionMatchs": [
            {"Version": each.version, "Key": each.key, "Method": each.method, "Expression": each.expression}
            for each in alias.matches
        ],
    }
    added, modified = write_seconds(alias.add_time, hours), write_seconds(alias.mod_time, hours)
    return alias.version, alias.name, routing, alias.description, added, modified


def delete_alias(platform: Platform, request: models.DeleteAliasRequest, request_id: str) -> models.DeleteAliasResponse:
    function = platform.functions.get(request.Namespace, request.FunctionName)
    platform.functions.delete_alias(function, request.Name)
    return models.DeleteAliasResponse()


def list_aliases(platform: Platform, request: models.ListAliasesRequest, request_id: str) -> models.ListAliasesResponse:
    function = platform.functions.get(request.Namespace, request.FunctionName)
    found = [
        alias
        for alias in function.aliases.values()
        if not request.FunctionVersion or request.FunctionVersion in alias.versions()
    ]
    page = found[request.Offset : request.Offset + request.Limit]
    return models.ListAliasesResponse([models.Alias(*_shown(platform, alias)) for alias in page], len(found))
