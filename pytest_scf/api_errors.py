"""One class per error code of the cloud's API.

A class is data: its code, a text that is good enough where no better one is given, and - where the error refuses an
invocation - the status code of that refusal. The class of ``ResourceNotFound.AsyncEvent`` is
``ResourceNotFoundAsyncEvent``, and it is a ``ResourceNotFound``: catch the family or the one code. ``by_code`` leads
from the code to the class.

ApiError
├── ParameterError                 what is wrong with one field: ``field``, ``value``, ``expected``
│   ├── InvalidParameter           the form or the type
│   ├── InvalidParameterValue      the value
│   ├── MissingParameter
│   └── UnknownParameter
├── ResourceNotFound, ResourceInUse
├── FailedOperation, UnsupportedOperation
├── LimitExceeded, RequestLimitExceeded
├── AuthFailure
├── InvalidAction, NoSuchProduct, NoSuchVersion, UnsupportedRegion
├── InvalidRequest, RequestSizeLimitExceeded, UnsupportedProtocol
└── InternalError
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator

from pytest_scf.errors import ApiError

_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = 80


class ParameterError(ApiError):
    """Something is wrong with one field of a request.

    Give a message, or ``field`` (as the API spells it), ``value`` and ``expected`` and the message is made of them.
    """

    code = ""  # a family without a code of its own

    def __init__(
        self,
        message: str | None = None,
        *,
        field: str | None = None,
        value: object = None,
        expected: str | None = None,
        status_code: int | None = None,
    ) -> None:
        self.field = field
        self.value = value
        self.expected = expected
        if message is None and field is not None and expected is not None:
            message = self._sentence(field, value, expected)
        super().__init__(message, status_code=status_code)

    def _sentence(self, field: str, value: object, expected: str) -> str:
        return f"The value {_brief.repr(value)} of the parameter `{field}` is not valid: it must be {expected}."


# The form of the request, and of its fields ------------------------------------------------------------------------


class InvalidParameter(ParameterError):
    code = "InvalidParameter"
    description = "A parameter of the request is not valid (its form or its type)."

    def _sentence(self, field: str, value: object, expected: str) -> str:
        found = f"{_brief.repr(value)} ({type(value).__name__})"
        return f"The type of the parameter `{field}` is not valid: it must be {expected}, not {found}."


class InvalidParameterFunctionName(InvalidParameter):
    code = "InvalidParameter.FunctionName"
    description = "FunctionName does not follow the rules for names."


class InvalidParameterPayload(InvalidParameter):
    code = "InvalidParameter.Payload"
    description = "The event is not valid: it must be JSON."
    status_code = 400

    _sentence = ParameterError._sentence


class InvalidParameterRequestTooLarge(InvalidParameter):
    code = "InvalidParameter.RequestTooLarge"
    description = "The event is too large: 6 MB for a synchronous call, 128 KB for an asynchronous one."
    status_code = 406


class MissingParameter(ParameterError):
    code = "MissingParameter"
    description = "The request lacks a required parameter."


class MissingParameterCode(MissingParameter):
    code = "MissingParameter.Code"
    description = "The request lacks the function's code."


class UnknownParameter(ParameterError):
    code = "UnknownParameter"
    description = "The request holds a parameter that this action does not know."


# The values of fields ----------------------------------------------------------------------------------------------


class InvalidParameterValue(ParameterError):
    code = "InvalidParameterValue"
    description = "The value of a parameter is not valid."


class InvalidParameterValueCfsId(InvalidParameterValue):
    code = "InvalidParameterValue.CfsId"
    description = "There is no such file system."


class InvalidParameterValueCfsLocalMountDir(InvalidParameterValue):
    code = "InvalidParameterValue.CfsLocalMountDir"
    description = "The directory in which the function sees a file system is not valid."


class InvalidParameterValueCfsParameterDuplicate(InvalidParameterValue):
    code = "InvalidParameterValue.CfsParameterDuplicate"
    description = "Two file systems of the function have the same directory, or one inside the other."


class InvalidParameterValueCfsParameterError(InvalidParameterValue):
    code = "InvalidParameterValue.CfsParameterError"
    description = "The file systems of the function are not valid."


class InvalidParameterValueCfsRemoteMountDir(InvalidParameterValue):
    code = "InvalidParameterValue.CfsRemoteMountDir"
    description = "The directory of the file system is not valid."


class InvalidParameterValueVpcNotSetWhenOpenCfs(InvalidParameterValue):
    code = "InvalidParameterValue.VpcNotSetWhenOpenCfs"
    description = "A function with file systems needs a VpcConfig."


class InvalidParameterValueClientContext(InvalidParameterValue):
    code = "InvalidParameterValue.ClientContext"
    description = "The event in ClientContext is not valid: it must be JSON."
    status_code = 400


class InvalidParameterValueCompatibleRuntimes(InvalidParameterValue):
    code = "InvalidParameterValue.CompatibleRuntimes"
    description = "CompatibleRuntimes is not valid."


class InvalidParameterValueContent(InvalidParameterValue):
    code = "InvalidParameterValue.Content"
    description = "The content of the layer is not valid."


class InvalidParameterValueLayerName(InvalidParameterValue):
    code = "InvalidParameterValue.LayerName"
    description = "LayerName does not follow the rules for names of layers."


class InvalidParameterValueLayers(InvalidParameterValue):
    code = "InvalidParameterValue.Layers"
    description = "The function cannot have these layers."


class InvalidParameterValueCosBucketName(InvalidParameterValue):
    code = "InvalidParameterValue.CosBucketName"
    description = "There is no bucket of this name."


class InvalidParameterValueCosBucketRegion(InvalidParameterValue):
    code = "InvalidParameterValue.CosBucketRegion"
    description = "The bucket is in another region than the function."


class InvalidParameterValueCosObjectName(InvalidParameterValue):
    code = "InvalidParameterValue.CosObjectName"
    description = "The bucket has no object of this name."


class InvalidParameterValueCosNotifyRuleConflict(InvalidParameterValue):
    code = "InvalidParameterValue.CosNotifyRuleConflict"
    description = "The bucket has a rule already that fires for some of the same objects."


class InvalidParameterValueTriggerCronConfig(InvalidParameterValue):
    code = "InvalidParameterValue.TriggerCronConfig"
    description = "The schedule of the timer is not valid."


class InvalidParameterValueProtocolType(InvalidParameterValue):
    code = "InvalidParameterValue.ProtocolType"
    description = "ProtocolType is not valid."


class InvalidParameterValueProvisionTriggerCronConfigDuplicate(InvalidParameterValue):
    code = "InvalidParameterValue.ProvisionTriggerCronConfigDuplicate"
    description = "Two actions have the same schedule."


class InvalidParameterValueProvisionTriggerName(InvalidParameterValue):
    code = "InvalidParameterValue.ProvisionTriggerName"
    description = "The name of an action is not valid."


class InvalidParameterValueProvisionTriggerNameDuplicate(InvalidParameterValue):
    code = "InvalidParameterValue.ProvisionTriggerNameDuplicate"
    description = "Two actions have the same name."


class InvalidParameterValueProvisionType(InvalidParameterValue):
    code = "InvalidParameterValue.ProvisionType"
    description = "ProvisionedType is not valid."


class InvalidParameterValueTriggerProvisionedConcurrencyNum(InvalidParameterValue):
    code = "InvalidParameterValue.TriggerProvisionedConcurrencyNum"
    description = "TriggerProvisionedConcurrencyNum is not valid."


class InvalidParameterValueTriggerDesc(InvalidParameterValue):
    code = "InvalidParameterValue.TriggerDesc"
    description = "The description of the trigger is not valid."


class InvalidParameterValueTriggerName(InvalidParameterValue):
    code = "InvalidParameterValue.TriggerName"
    description = "The name of the trigger is not valid."


class InvalidParameterValueType(InvalidParameterValue):
    code = "InvalidParameterValue.Type"
    description = "The type of the trigger is not valid."


class InvalidParameterValueDateTime(InvalidParameterValue):
    code = "InvalidParameterValue.DateTime"
    description = "A date and time is not valid: it must look like 2017-05-16 20:00:00."


class InvalidParameterValueFunctionName(InvalidParameterValue):
    code = "InvalidParameterValue.FunctionName"
    description = "FunctionName is not valid."


class InvalidParameterValueFunctionRequestId(InvalidParameterValue):
    code = "InvalidParameterValue.FunctionRequestId"
    description = "FunctionRequestId is not valid."


class InvalidParameterValueInvokeType(InvalidParameterValue):
    code = "InvalidParameterValue.InvokeType"
    description = "InvokeType is not one of those the API knows."


class InvalidParameterValueLimit(InvalidParameterValue):
    code = "InvalidParameterValue.Limit"
    description = "Limit is out of range."


class InvalidParameterValueNamespace(InvalidParameterValue):
    code = "InvalidParameterValue.Namespace"
    description = "Namespace is not valid."


class InvalidParameterValueOffset(InvalidParameterValue):
    code = "InvalidParameterValue.Offset"
    description = "Offset is out of range."


class InvalidParameterValueOrder(InvalidParameterValue):
    code = "InvalidParameterValue.Order"
    description = "Order must be ASC or DESC."


class InvalidParameterValueOrderBy(InvalidParameterValue):
    code = "InvalidParameterValue.OrderBy"
    description = "The field to order by is not one of those the action knows."


class InvalidParameterValueParam(InvalidParameterValue):
    code = "InvalidParameterValue.Param"
    description = "A parameter that holds JSON text does not hold what is asked for."


class InvalidParameterValueQualifier(InvalidParameterValue):
    code = "InvalidParameterValue.Qualifier"
    description = "Qualifier is not valid."


class InvalidParameterValueStartTimeOrEndTime(InvalidParameterValue):
    code = "InvalidParameterValue.StartTimeOrEndTime"
    description = "Start and end of an interval must be given together, the start not after the end."


class InvalidParameterValueStatus(InvalidParameterValue):
    code = "InvalidParameterValue.Status"
    description = "Status is not one of RUNNING, FINISHED, FAILED, ABORTED."


class InvalidParameterValueAdditionalVersionWeights(InvalidParameterValue):
    code = "InvalidParameterValue.AdditionalVersionWeights"
    description = "The weights of an alias's further versions are not valid."


class InvalidParameterValueAlias(InvalidParameterValue):
    code = "InvalidParameterValue.Alias"
    description = "The name of the alias is not valid."


class InvalidParameterValueAsyncRunEnable(InvalidParameterValue):
    code = "InvalidParameterValue.AsyncRunEnable"
    description = "AsyncRunEnable is not valid: TRUE or FALSE."


class InvalidParameterValueAsyncTriggerConfig(InvalidParameterValue):
    code = "InvalidParameterValue.AsyncTriggerConfig"
    description = "AsyncTriggerConfig is not valid."


class InvalidParameterValueCode(InvalidParameterValue):
    code = "InvalidParameterValue.Code"
    description = "The code is not valid."


class InvalidParameterValueDefaultNamespace(InvalidParameterValue):
    code = "InvalidParameterValue.DefaultNamespace"
    description = "The namespace default can be neither made nor deleted."


class InvalidParameterValueDescription(InvalidParameterValue):
    code = "InvalidParameterValue.Description"
    description = "Description is not valid."


class InvalidParameterValueEnvironment(InvalidParameterValue):
    code = "InvalidParameterValue.Environment"
    description = "Environment is not valid."


class InvalidParameterValueEnvironmentSystemProtect(InvalidParameterValue):
    code = "InvalidParameterValue.EnvironmentSystemProtect"
    description = "Environment sets a variable that is the system's."


class InvalidParameterValueFilters(InvalidParameterValue):
    code = "InvalidParameterValue.Filters"
    description = "Filters is not valid."


class InvalidParameterValueFunctionType(InvalidParameterValue):
    code = "InvalidParameterValue.FunctionType"
    description = "Type is not valid: Event or HTTP."


class InvalidParameterValueHandler(InvalidParameterValue):
    code = "InvalidParameterValue.Handler"
    description = "Handler is not valid."


class InvalidParameterValueImageType(InvalidParameterValue):
    code = "InvalidParameterValue.ImageType"
    description = "ImageType is not valid."


class InvalidParameterValueImageUri(InvalidParameterValue):
    code = "InvalidParameterValue.ImageUri"
    description = "ImageUri is not valid."


class InvalidParameterValueMemorySize(InvalidParameterValue):
    code = "InvalidParameterValue.MemorySize"
    description = "MemorySize is not valid."


class InvalidParameterValueRoutingConfig(InvalidParameterValue):
    code = "InvalidParameterValue.RoutingConfig"
    description = "RoutingConfig is not valid."


class InvalidParameterValueRuntime(InvalidParameterValue):
    code = "InvalidParameterValue.Runtime"
    description = "Runtime is not valid, or there is no interpreter for it here."


class InvalidParameterValueSearchKey(InvalidParameterValue):
    code = "InvalidParameterValue.SearchKey"
    description = "SearchKey is not valid."


class InvalidParameterValueTraceEnable(InvalidParameterValue):
    code = "InvalidParameterValue.TraceEnable"
    description = "TraceEnable is not valid: TRUE or FALSE."


class InvalidParameterValueZipFile(InvalidParameterValue):
    code = "InvalidParameterValue.ZipFile"
    description = "ZipFile is not a zip that can be unpacked."


class InvalidParameterValueZipFileBase64BinasciiError(InvalidParameterValue):
    code = "InvalidParameterValue.ZipFileBase64BinasciiError"
    description = "ZipFile is not base64."


# What there is, and what there is not ------------------------------------------------------------------------------


class ResourceNotFound(ApiError):
    code = "ResourceNotFound"
    description = "There is no such resource."


class ResourceNotFoundAlias(ResourceNotFound):
    code = "ResourceNotFound.Alias"
    description = "There is no such alias."


class ResourceNotFoundAsyncEvent(ResourceNotFound):
    code = "ResourceNotFound.AsyncEvent"
    description = "There is no such asynchronous event."


class ResourceNotFoundFunction(ResourceNotFound):
    code = "ResourceNotFound.Function"
    description = "There is no such function."
    status_code = 435


class ResourceNotFoundFunctionName(ResourceNotFound):
    code = "ResourceNotFound.FunctionName"
    description = "There is no function of this name."
    status_code = 435


class ResourceNotFoundFunctionVersion(ResourceNotFound):
    code = "ResourceNotFound.FunctionVersion"
    description = "The function has no such version."
    status_code = 442


class ResourceNotFoundImageConfig(ResourceNotFound):
    code = "ResourceNotFound.ImageConfig"
    description = "The image is not known."


class ResourceNotFoundLayer(ResourceNotFound):
    code = "ResourceNotFound.Layer"
    description = "There is no such layer."


class ResourceNotFoundLayerVersion(ResourceNotFound):
    code = "ResourceNotFound.LayerVersion"
    description = "The layer has no such version."


class ResourceNotFoundNamespace(ResourceNotFound):
    code = "ResourceNotFound.Namespace"
    description = "There is no such namespace."


class ResourceNotFoundQualifier(ResourceNotFound):
    code = "ResourceNotFound.Qualifier"
    description = "The function has no such version or alias."
    status_code = 442


class ResourceNotFoundTrigger(ResourceNotFound):
    code = "ResourceNotFound.Trigger"
    description = "The trigger does not exist."


class ResourceNotFoundVersion(ResourceNotFound):
    code = "ResourceNotFound.Version"
    description = "There is no such version."


class ResourceInUse(ApiError):
    code = "ResourceInUse"
    description = "There is such a resource already, or it is in use."


class ResourceInUseFunction(ResourceInUse):
    code = "ResourceInUse.Function"
    description = "There is a function of this name already."


class ResourceInUseAlias(ResourceInUse):
    code = "ResourceInUse.Alias"
    description = "There is an alias of this name already."


class ResourceInUseTrigger(ResourceInUse):
    code = "ResourceInUse.Trigger"
    description = "The trigger exists already."


class ResourceInUseNamespace(ResourceInUse):
    code = "ResourceInUse.Namespace"
    description = "There is a namespace of this name already."


# What cannot be done -----------------------------------------------------------------------------------------------


class FailedOperation(ApiError):
    code = "FailedOperation"
    description = "The operation failed."


class FailedOperationAsyncEventStatus(FailedOperation):
    code = "FailedOperation.AsyncEventStatus"
    description = "The asynchronous event is not RUNNING, so this cannot be done to it."


class FailedOperationInvokeFunction(FailedOperation):
    code = "FailedOperation.InvokeFunction"
    description = "The function could not be invoked."


class FailedOperationDeleteAlias(FailedOperation):
    code = "FailedOperation.DeleteAlias"
    description = "The alias cannot be deleted."


class FailedOperationDeleteFunction(FailedOperation):
    code = "FailedOperation.DeleteFunction"
    description = "The function or version cannot be deleted."


class FailedOperationDeleteNamespace(FailedOperation):
    code = "FailedOperation.DeleteNamespace"
    description = "The namespace cannot be deleted."


class FailedOperationProvisionedExceedAvailable(FailedOperation):
    code = "FailedOperation.ProvisionedExceedAvailable"
    description = "More instances are provisioned than the function may have."


class FailedOperationProvisionedExceedReserved(FailedOperation):
    code = "FailedOperation.ProvisionedExceedReserved"
    description = "More instances are provisioned than are reserved."


class FailedOperationProvisionedInProgress(FailedOperation):
    code = "FailedOperation.ProvisionedInProgress"
    description = "The provisioned concurrency is being changed."


class UnsupportedOperation(ApiError):
    code = "UnsupportedOperation"
    description = "The operation is not supported."


class UnsupportedOperationAsyncRunEnable(UnsupportedOperation):
    code = "UnsupportedOperation.AsyncRunEnable"
    description = "The function has no asynchronous execution (AsyncRunEnable is not TRUE)."


class UnsupportedOperationAliasBind(UnsupportedOperation):
    code = "UnsupportedOperation.AliasBind"
    description = "An alias leads to this version."


class UnsupportedOperationTrigger(UnsupportedOperation):
    code = "UnsupportedOperation.Trigger"
    description = "The trigger does not support this."


class UnsupportedOperationUpdateFunctionEventInvokeConfig(UnsupportedOperation):
    code = "UnsupportedOperation.UpdateFunctionEventInvokeConfig"
    description = "An asynchronous execution is never retried, so there is nothing to set."


class LimitExceeded(ApiError):
    code = "LimitExceeded"
    description = "A quota is used up."


class LimitExceededFunctionReservedConcurrencyMemory(LimitExceeded):
    """Over the function's own quota: ``Function [ NAME ] concurrency exceeded reserved quota N MB``."""

    code = "LimitExceeded.FunctionReservedConcurrencyMemory"
    description = "The function's concurrency exceeded its reserved quota."
    status_code = 432


class LimitExceededLayers(LimitExceeded):
    code = "LimitExceeded.Layers"
    description = "There are as many layers as there may be."


class LimitExceededLayerVersions(LimitExceeded):
    code = "LimitExceeded.LayerVersions"
    description = "The layer has as many versions as it may have."


class LimitExceededQuota(LimitExceeded):
    code = "LimitExceeded.Quota"
    description = "A quota is used up."


class LimitExceededTrigger(LimitExceeded):
    code = "LimitExceeded.Trigger"
    description = "There are as many triggers as there may be."


class LimitExceededTotalConcurrencyMemory(LimitExceeded):
    """Over what all share: ``Function [ NAME ] concurrency exceeded region unreserved quota N MB``."""

    code = "LimitExceeded.TotalConcurrencyMemory"
    description = "The function's concurrency exceeded the region's unreserved quota."
    status_code = 432


class LimitExceededMsgTTL(LimitExceeded):
    code = "LimitExceeded.MsgTTL"
    description = "MsgTTL is out of its range."


class LimitExceededProvisionTriggerAction(LimitExceeded):
    code = "LimitExceeded.ProvisionTriggerAction"
    description = "A version has too many actions that change its provisioned concurrency."


class LimitExceededRetryNum(LimitExceeded):
    code = "LimitExceeded.RetryNum"
    description = "RetryNum is out of its range."


class RequestLimitExceeded(ApiError):
    code = "RequestLimitExceeded"
    description = "More requests per second than this action allows."


# Who asks, and for what --------------------------------------------------------------------------------------------


class AuthFailure(ApiError):
    code = ""  # the API has no such code, only its kinds


class AuthFailureInvalidAuthorization(AuthFailure):
    code = "AuthFailure.InvalidAuthorization"
    description = "The Authorization header has not the form it must have."


class AuthFailureSecretIdNotFound(AuthFailure):
    code = "AuthFailure.SecretIdNotFound"
    description = "The SecretId is not known."


class AuthFailureSignatureExpire(AuthFailure):
    code = "AuthFailure.SignatureExpire"
    description = "The signature has expired: the timestamp is more than five minutes from the server's time."


class AuthFailureSignatureFailure(AuthFailure):
    code = "AuthFailure.SignatureFailure"
    description = "The signature is not the one computed here from the request."


class AuthFailureTokenFailure(AuthFailure):
    code = "AuthFailure.TokenFailure"
    description = "The token is not the one that belongs to the SecretId."


class AuthFailureUnauthorizedOperation(AuthFailure):
    code = "AuthFailure.UnauthorizedOperation"
    description = "The request is not authorised."


class InvalidAction(ApiError):
    code = "InvalidAction"
    description = "There is no such action."


class InvalidRequest(ApiError):
    code = "InvalidRequest"
    description = "The request cannot be read."


class RequestSizeLimitExceeded(ApiError):
    code = "RequestSizeLimitExceeded"
    description = "The request is larger than the API accepts."


class UnsupportedProtocol(ApiError):
    code = "UnsupportedProtocol"
    description = "The API answers to GET and POST over HTTP only."


class NoSuchProduct(ApiError):
    code = "NoSuchProduct"
    description = "There is no such product of the cloud here."


class NoSuchVersion(ApiError):
    code = "NoSuchVersion"
    description = "There is no such version of the API."


class UnsupportedRegion(ApiError):
    code = "UnsupportedRegion"
    description = "The API is not offered in this region."


class InternalError(ApiError):
    """Something failed that should not; ``__cause__`` is the original exception."""

    code = "InternalError"
    description = "An internal error occurred."
    status_code = 500


def _all_below(parent: type[ApiError]) -> Iterator[type[ApiError]]:
    for child in parent.__subclasses__():
        yield child
        yield from _all_below(child)


by_code: dict[str, type[ApiError]] = {cls.code: cls for cls in _all_below(ApiError) if cls.code}
"""The class of each code, computed from the classes, so that it cannot drift from them."""
