"""The actions on triggers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pytest_scf import facts
from pytest_scf.api_errors import (
    InvalidParameterValue,
    InvalidParameterValueFilters,
    InvalidParameterValueTriggerCronConfig,
    InvalidParameterValueTriggerDesc,
    InvalidParameterValueTriggerName,
    InvalidParameterValueType,
    UnsupportedOperationTrigger,
)
from pytest_scf.contract.call import Call
from pytest_scf.contract.models import triggers as models
from pytest_scf.platform.triggers import Trigger
from pytest_scf.triggers import rules
from pytest_scf.triggers.cron import CronError

if TYPE_CHECKING:
    from pytest_scf.contract.models.functions import Filter
    from pytest_scf.platform.functions import FunctionRecord

_TIMER_NAME = re.compile(r"[a-zA-Z0-9_-]+", re.ASCII)
_UPDATED = ("timer", "ckafka", "http")
_SWITCHED = ("timer", "cos", "ckafka")


def create_trigger(call: Call, request: models.CreateTriggerRequest) -> models.CreateTriggerResponse:
    """Choice: names of all kinds but the timer's are those of what they are of, and are not checked for their form."""
    if request.Type not in rules.KINDS:
        raise InvalidParameterValueType(field="Type", value=request.Type, expected=f"one of {', '.join(rules.KINDS)}")
    name = request.TriggerName
    if len(name) > facts.TRIGGER_NAME_LENGTH or (request.Type == "timer" and not _TIMER_NAME.fullmatch(name)):
        raise InvalidParameterValueTriggerName(
            field="TriggerName",
            value=name,
            expected=f"1 to {facts.TRIGGER_NAME_LENGTH} letters, digits, underscores and hyphens",
        )
    function = call.operations.functions.get(request.Namespace, request.FunctionName, request.Qualifier)
    trigger = Trigger(
        kind=request.Type,
        name=name,
        rule=_rule(request.Type, name, request.TriggerDesc or ""),
        qualifier=request.Qualifier,
        enabled=request.Enable == models.OPEN,
        argument=_argument(request.CustomArgument, request.Type) or "",
        description=request.Description or "",
    )
    created = call.operations.triggers.create(function, trigger)
    return models.CreateTriggerResponse(trigger_info(call, created))


def list_triggers(call: Call, request: models.ListTriggersRequest) -> models.ListTriggersResponse:
    function = call.operations.functions.get(request.Namespace, request.FunctionName)
    found = [each for each in call.operations.triggers.of(function) if _passes(each, request.Filters)]
    found.sort(
        key=lambda each: each.add_time if request.OrderBy == "add_time" else each.mod_time,
        reverse=request.Order == "DESC",
    )
    page = found[request.Offset : request.Offset + request.Limit]
    return models.ListTriggersResponse(len(found), [trigger_info(call, each) for each in page])


def update_trigger(call: Call, request: models.UpdateTriggerRequest) -> None:
    """Choice: of a ckafka trigger what is described is changed; of the others the description is replaced."""
    _check_kind(request.Type, _UPDATED, "UpdateTrigger")
    function, before = _find(call, request)
    changes: dict[str, Any] = {}
    if request.TriggerDesc is not None:
        changes["rule"] = _rule(request.Type, request.TriggerName, request.TriggerDesc, before.rule)
    if request.Enable is not None:
        changes["enabled"] = request.Enable == models.OPEN
    if request.CustomArgument is not None:
        changes["argument"] = _argument(request.CustomArgument, request.Type)
    if request.Description is not None:
        changes["description"] = request.Description
    call.operations.triggers.update(function, before.key, **changes)


def update_trigger_status(call: Call, request: models.UpdateTriggerStatusRequest) -> None:
    _check_kind(request.Type, _SWITCHED, "UpdateTriggerStatus")
    function, before = _find(call, request)
    call.operations.triggers.update(function, before.key, enabled=request.Enable == models.OPEN)


def delete_trigger(call: Call, request: models.DeleteTriggerRequest) -> None:
    function, before = _find(call, request)
    call.operations.triggers.delete(function, before.key)


def trigger_info(call: Call, trigger: Trigger) -> models.TriggerInfo:
    return models.TriggerInfo(
        Enable=int(trigger.enabled),
        Qualifier=trigger.qualifier,
        TriggerName=trigger.name,
        Type=trigger.kind,
        TriggerDesc=trigger.rule.text,
        AvailableStatus="Available",
        CustomArgument=trigger.argument,
        AddTime=call.seconds(trigger.add_time),
        ModTime=call.seconds(trigger.mod_time),
        ResourceId="",
        BindStatus="",
        TriggerAttribute="",
        Description=trigger.description,
    )


def _find(
    call: Call,
    request: models.UpdateTriggerRequest | models.UpdateTriggerStatusRequest | models.DeleteTriggerRequest,
) -> tuple[FunctionRecord, Trigger]:
    """Raises ResourceNotFound.Trigger. A bucket's triggers are told apart by the event of their description."""
    function = call.operations.functions.get(request.Namespace, request.FunctionName)
    event = ""
    if request.Type == "cos":
        rule = _rule("cos", request.TriggerName, request.TriggerDesc or "")
        event = rule.event if isinstance(rule, rules.CosRule) else ""
    key = (request.Type, request.TriggerName, request.Qualifier, event)
    return function, call.operations.triggers.find(function, key).trigger


def _rule(kind: str, name: str, text: str, before: rules.Rule | None = None) -> rules.Rule:
    try:
        return rules.read(kind, name, text, before=before)
    except CronError as why:
        raise InvalidParameterValueTriggerCronConfig(
            f"The schedule in the parameter `TriggerDesc` is not valid: {why}.", field="TriggerDesc", value=text
        ) from None
    except rules.RuleError as why:
        raise InvalidParameterValueTriggerDesc(
            f"The parameter `TriggerDesc` of a {kind} trigger is not valid: {why}.", field="TriggerDesc", value=text
        ) from None


def _argument(text: str | None, kind: str) -> str | None:
    if text and kind != "timer":
        raise InvalidParameterValue(f"The parameter `CustomArgument` is a timer's, and not a {kind} trigger's.")
    if text is not None and len(text.encode(errors="replace")) > facts.CUSTOM_ARGUMENT_BYTES:
        raise InvalidParameterValue(
            field="CustomArgument", value=text, expected=f"at most {facts.CUSTOM_ARGUMENT_BYTES} bytes long"
        )
    return text


def _check_kind(kind: str, kinds: tuple[str, ...], action: str) -> None:
    if kind not in kinds:
        raise UnsupportedOperationTrigger(f"{action} takes triggers of the types {', '.join(kinds)}, and not {kind}.")


def _passes(trigger: Trigger, filters: tuple[Filter, ...]) -> bool:
    fields = {
        "Qualifier": trigger.qualifier,
        "TriggerName": trigger.name,
        "Description": trigger.description,
        "Type": trigger.kind,
    }
    for each in filters:
        if each.Name not in fields:
            raise InvalidParameterValueFilters(field="Filters", value=each.Name, expected=f"one of {', '.join(fields)}")
        if each.Values and fields[each.Name] not in each.Values:
            return False
    return True
