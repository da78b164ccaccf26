"""Versions and aliases: what is published of a function, and the names that lead to it."""

from __future__ import annotations

import re

from pytest_scf import facts
from pytest_scf.api_errors import (
    InvalidParameterValueAdditionalVersionWeights,
    InvalidParameterValueAlias,
    InvalidParameterValueRoutingConfig,
)
from pytest_scf.contract.call import Call
from pytest_scf.contract.code import code_size
from pytest_scf.contract.models import versions as models
from pytest_scf.platform.routing import Alias, Match

_ALIAS = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]*", re.ASCII)


def publish_version(call: Call, request: models.PublishVersionRequest) -> models.PublishVersionResponse:
    """Freezes the code, which may lie in a directory that changes, and the configuration."""
    function = call.operations.functions.get(request.Namespace, request.FunctionName)
    config = call.operations.publish_version(function, request.Description)
    return models.PublishVersionResponse(
        config.version,
        code_size(config),
        config.memory,
        config.description,
        config.handler,
        config.timeout,
        config.runtime,
        config.namespace,
    )


def list_version_by_function(
    call: Call, request: models.ListVersionByFunctionRequest
) -> models.ListVersionByFunctionResponse:
    """$LATEST is the first, as in the vendor's examples; then the published ones in the order asked for."""
    function = call.operations.functions.get(request.Namespace, request.FunctionName)
    published = [
        models.FunctionVersion(
            number, version.config.description, call.seconds(version.time), call.seconds(version.time)
        )
        for number, version in sorted(function.versions.items(), key=lambda each: int(each[0]))
    ]
    if request.Order == "DESC":
        published.reverse()
    latest = models.FunctionVersion(
        facts.LATEST,
        function.config.description,
        call.seconds(function.add_time),
        call.seconds(function.mod_time),
    )
    everything = [latest, *published]
    page = everything[request.Offset : request.Offset + request.Limit]
    return models.ListVersionByFunctionResponse([each.Version for each in page], page, len(everything))


def create_alias(call: Call, request: models.CreateAliasRequest) -> None:
    function = call.operations.functions.get(request.Namespace, request.FunctionName)
    is_name = len(request.Name) <= facts.ALIAS_LENGTH[1] and _ALIAS.fullmatch(request.Name)
    if request.Name != facts.DEFAULT_ALIAS and not is_name:
        expected = f"a letter, then letters, digits, '-' and '_', up to {facts.ALIAS_LENGTH[1]} in all"
        raise InvalidParameterValueAlias(field="Name", value=request.Name, expected=expected)
    call.operations.functions.put_alias(function, _made(call, request))


def update_alias(call: Call, request: models.UpdateAliasRequest) -> None:
    """All of it is replaced: without RoutingConfig all calls go to FunctionVersion."""
    function = call.operations.functions.get(request.Namespace, request.FunctionName)
    call.operations.functions.update_alias(function, _made(call, request))


def _made(call: Call, request: models.CreateAliasRequest) -> Alias:
    routing = request.RoutingConfig or models.RoutingConfig()
    weights = {each.Version: each.Weight for each in routing.AdditionalVersionWeights}
    # Choice: the sum may be 1, with which nothing is left for the alias's own version.
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
    now = call.operations.clock.now()
    return Alias(request.Name, request.FunctionVersion, weights, matches, request.Description, now, now)


def get_alias(call: Call, request: models.GetAliasRequest) -> models.GetAliasResponse:
    function = call.operations.functions.get(request.Namespace, request.FunctionName)
    return models.GetAliasResponse(*_shown(call, call.operations.functions.alias(function, request.Name)))


def _shown(call: Call, alias: Alias) -> tuple[str, str, models.RoutingConfig, str, str, str]:
    routing = models.RoutingConfig(
        AdditionalVersionWeights=tuple(
            models.VersionWeight(Version=version, Weight=weight) for version, weight in alias.weights.items()
        ),
        AddtionVersionMatchs=tuple(
            models.VersionMatch(Version=each.version, Key=each.key, Method=each.method, Expression=each.expression)
            for each in alias.matches
        ),
    )
    added, modified = call.seconds(alias.add_time), call.seconds(alias.mod_time)
    return alias.version, alias.name, routing, alias.description, added, modified


def delete_alias(call: Call, request: models.DeleteAliasRequest) -> None:
    function = call.operations.functions.get(request.Namespace, request.FunctionName)
    call.operations.functions.delete_alias(function, request.Name)


def list_aliases(call: Call, request: models.ListAliasesRequest) -> models.ListAliasesResponse:
    function = call.operations.functions.get(request.Namespace, request.FunctionName)
    found = [
        alias
        for alias in function.aliases.values()
        if not request.FunctionVersion or request.FunctionVersion in alias.versions()
    ]
    page = found[request.Offset : request.Offset + request.Limit]
    return models.ListAliasesResponse([models.Alias(*_shown(call, alias)) for alias in page], len(found))
