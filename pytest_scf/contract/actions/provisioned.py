"""Provisioned concurrency: instances that are kept warm (docs/cloud-contract.md#provisioned-concurrency)."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_scf import facts
from pytest_scf.api_errors import (
    InvalidParameterValueProvisionTriggerCronConfigDuplicate,
    InvalidParameterValueProvisionTriggerNameDuplicate,
    InvalidParameterValueQualifier,
    InvalidParameterValueTriggerCronConfig,
    LimitExceededProvisionTriggerAction,
    ResourceNotFoundFunctionVersion,
    UnsupportedOperation,
)
from pytest_scf.contract.call import Call
from pytest_scf.contract.models import provisioned as models
from pytest_scf.platform.functions import FunctionRecord
from pytest_scf.platform.provisioning import ProvisionState, TimedAction
from pytest_scf.triggers.cron import Cron, CronError


def put_provisioned_concurrency_config(call: Call, request: models.PutProvisionedConcurrencyConfigRequest) -> None:
    """Answers at once; GetProvisionedConcurrencyConfig says how far it is."""
    function = _function(call, request.Namespace, request.FunctionName, request.Qualifier)
    if {request.ProvisionedType, *(each.ProvisionedType for each in request.TriggerActions)} != {"Default"}:
        raise UnsupportedOperation(
            "The `ProvisionedType` ConcurrencyUtilizationTracking is not emulated: give a number of instances."
        )
    actions = _actions(request.TriggerActions)
    call.operations.provisioning.put(function, request.Qualifier, request.VersionProvisionedConcurrencyNum, actions)


def get_provisioned_concurrency_config(
    call: Call, request: models.GetProvisionedConcurrencyConfigRequest
) -> models.GetProvisionedConcurrencyConfigResponse:
    function = _function(call, request.Namespace, request.FunctionName, request.Qualifier)
    provisioning = call.operations.provisioning
    allocated = [_info(state) for state in provisioning.states(function) if request.Qualifier in (None, state.version)]
    return models.GetProvisionedConcurrencyConfigResponse(provisioning.unallocated(function), allocated)


def delete_provisioned_concurrency_config(
    call: Call, request: models.DeleteProvisionedConcurrencyConfigRequest
) -> None:
    """Choice: where nothing is provisioned there is nothing to do."""
    function = _function(call, request.Namespace, request.FunctionName, request.Qualifier)
    call.operations.provisioning.delete(function, request.Qualifier)


def _function(call: Call, namespace: str, name: str, version: str | None) -> FunctionRecord:
    """Raises the API's errors for a function or a version that there is not, and for $LATEST."""
    function = call.operations.functions.get(namespace, name)
    if version == facts.LATEST:
        raise InvalidParameterValueQualifier(
            "The parameter `Qualifier` must be a published version: there is no provisioned concurrency of $LATEST.",
            field="Qualifier",
        )
    if version is not None and version not in function.versions:
        raise ResourceNotFoundFunctionVersion(f"The function {name} has no version {version}.")
    return function


def _actions(asked: Sequence[models.TriggerAction]) -> list[TimedAction]:
    if len(asked) > facts.PROVISION_ACTIONS:
        raise LimitExceededProvisionTriggerAction(
            f"A version has {facts.PROVISION_ACTIONS} actions at the most; `TriggerActions` has {len(asked)}."
        )
    found: list[TimedAction] = []
    for at, each in enumerate(asked):
        try:
            cron = Cron.parse(each.TriggerCronConfig)
        except CronError as why:
            raise InvalidParameterValueTriggerCronConfig(
                f"The schedule in the parameter `TriggerActions.{at}.TriggerCronConfig` is not valid: {why}.",
                field="TriggerActions",
                value=each.TriggerCronConfig,
            ) from why
        if any(other.name == each.TriggerName for other in found):
            raise InvalidParameterValueProvisionTriggerNameDuplicate(
                f"The parameter `TriggerActions` has two actions {each.TriggerName}.", field="TriggerActions"
            )
        if any(other.cron.text == cron.text for other in found):
            raise InvalidParameterValueProvisionTriggerCronConfigDuplicate(
                f"The parameter `TriggerActions` has the schedule {cron.text} twice.", field="TriggerActions"
            )
        found.append(TimedAction(each.TriggerName, each.TriggerProvisionedConcurrencyNum, cron))
    return found


def _info(state: ProvisionState) -> models.VersionProvisionedConcurrencyInfo:
    actions = [
        models.TriggerAction(
            TriggerName=each.name, TriggerProvisionedConcurrencyNum=each.number, TriggerCronConfig=each.cron.text
        )
        for each in state.actions
    ]
    return models.VersionProvisionedConcurrencyInfo(
        state.allocated, state.available, state.status, state.reason, state.version, actions
    )
