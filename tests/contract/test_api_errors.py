from __future__ import annotations

import pickle

import pytest

from pytest_scf import api_errors
from pytest_scf.api_errors import by_code
from pytest_scf.errors import ApiError

# Of every service of the cloud, so not in the list of one service.
COMMON = {
    "AuthFailure.InvalidAuthorization",
    "AuthFailure.SecretIdNotFound",
    "AuthFailure.SignatureExpire",
    "AuthFailure.SignatureFailure",
    "AuthFailure.TokenFailure",
    "AuthFailure.UnauthorizedOperation",
    "FailedOperation",
    "InternalError",
    "InvalidAction",
    "InvalidParameter",
    "InvalidParameterValue",
    "InvalidRequest",
    "LimitExceeded",
    "MissingParameter",
    "NoSuchProduct",
    "NoSuchVersion",
    "RequestLimitExceeded",
    "RequestSizeLimitExceeded",
    "ResourceInUse",
    "ResourceNotFound",
    "UnknownParameter",
    "UnsupportedOperation",
    "UnsupportedProtocol",
    "UnsupportedRegion",
}


def classes() -> list[type[ApiError]]:
    return [
        item
        for item in vars(api_errors).values()
        if isinstance(item, type) and issubclass(item, ApiError) and item.__module__ == api_errors.__name__
    ]


def test_codes_are_the_vendors() -> None:
    errorcodes = pytest.importorskip("tencentcloud.scf.v20180416.errorcodes")
    vendor = {value for name, value in vars(errorcodes).items() if name.isupper()}
    assert set(by_code) - vendor - COMMON == set()


def test_each_code_has_one_class_named_after_it() -> None:
    with_code = [cls for cls in classes() if cls.code]
    assert len(by_code) == len(with_code)
    for cls in with_code:
        assert by_code[cls.code] is cls
        assert cls.__name__ == cls.code.replace(".", "")
        assert "description" in vars(cls), cls


def test_a_code_is_of_the_family_of_its_first_part() -> None:
    for code, cls in by_code.items():
        family = code.partition(".")[0]
        assert issubclass(cls, getattr(api_errors, family))


@pytest.mark.parametrize(
    ("code", "status_code"),
    [
        ("InvalidParameterValue.ClientContext", 400),
        ("InvalidParameter.Payload", 400),
        ("InvalidParameter.RequestTooLarge", 406),
        ("ResourceNotFound.Function", 435),
        ("ResourceNotFound.Qualifier", 442),
        ("LimitExceeded.FunctionReservedConcurrencyMemory", 432),
        ("InternalError", 500),
        ("ResourceNotFound.AsyncEvent", None),
    ],
)
def test_status_codes_of_refusals(code: str, status_code: int | None) -> None:
    assert by_code[code]().status_code == status_code


def test_text_begins_with_the_request_id() -> None:
    error = api_errors.ResourceNotFoundAsyncEvent("no such event")
    error.request_id, error.action = "1234", "GetAsyncEventStatus"
    assert str(error) == "RequestId 1234: GetAsyncEventStatus: ResourceNotFound.AsyncEvent: no such event"
    assert error.message == "no such event"


def test_a_parameter_error_is_readable_twice() -> None:
    error = api_errors.InvalidParameterValueLimit(field="Limit", value=101, expected="an integer from 1 to 100")
    assert error.message == "The value 101 of the parameter `Limit` is not valid: it must be an integer from 1 to 100."
    assert (error.field, error.value, error.expected) == ("Limit", 101, "an integer from 1 to 100")


def test_a_long_value_is_shortened() -> None:
    error = api_errors.InvalidParameterValue(field="LogType", value="x" * 100_000, expected="short")
    assert len(error.message) < 200


def test_errors_travel_between_processes() -> None:
    error = api_errors.InvalidParameterValueLimit(field="Limit", value=0, expected="more")
    error.request_id = "1234"
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.field, copy.value) == (str(error), "Limit", 0)
