"""What an invocation is said to come from: by its InvokeType of the API, and by the variable TRIGGER_SRC."""

#: the API's InvokeType of what each kind of trigger calls
INVOKE_TYPES = {
    "timer": "TRIGGER_TIMER",
    "cos": "COS",
    "ckafka": "CKAFKA_TRIGGER",
    "cmq": "CMQ",
    "apigw": "APIGW",
    "cls": "CLS_TRIGGER",
}
#: the variable TRIGGER_SRC of each InvokeType
TRIGGER_SOURCES = {invoke_type: kind for kind, invoke_type in INVOKE_TYPES.items()}
