"""Fields that many requests have.

With an underscore behind: in a class, the field hides whatever else has its name.
"""

from typing import Annotated, Any

from pytest_scf import api_errors
from pytest_scf.contract.validators import Integer, OneOf, String, any_value, refused

FunctionName_ = Annotated[str, String(error=api_errors.InvalidParameterValueFunctionName)]
Namespace_ = Annotated[str, String(error=api_errors.InvalidParameterValueNamespace)]
Qualifier_ = Annotated[str, String(error=api_errors.InvalidParameterValueQualifier)]
OptionalQualifier_ = Annotated[str | None, String(error=api_errors.InvalidParameterValueQualifier)]
Order_ = Annotated[str, OneOf("ASC", "DESC", error=api_errors.InvalidParameterValueOrder)]
Offset_ = Annotated[int, Integer(0, error=api_errors.InvalidParameterValueOffset)]
Limit_ = Annotated[int, Integer(1, 100, error=api_errors.InvalidParameterValueLimit)]
TrueOrFalse_ = Annotated[str, OneOf("TRUE", "FALSE")]
#: a text that may be empty
Text_ = Annotated[str, String(may_be_empty=True)]
OptionalText_ = Annotated[str | None, String(may_be_empty=True)]
OptionalInteger_ = Annotated[int | None, Integer(0)]
#: what is taken, and has no effect
Anything_ = Annotated[Any, any_value]
#: what would change what the function sees, and does not here
Refused_ = Annotated[Any, refused]
