"""How far the vendor's actions are emulated: which are refused, and why; what the others leave out.

``python -m pytest_scf.contract.support_matrix`` prints docs/actions.md, which a test compares with it.
"""

from __future__ import annotations

_DOMAIN = "there are no domains: `fn.request(...)` sends a web function its requests"

#: what to do instead of each action that is refused with UnsupportedOperation
REFUSED = {
    "CopyFunction": "create the function again, with the same code",
    "CreateCustomDomain": _DOMAIN,
    "DeleteCustomDomain": _DOMAIN,
    "GetAccount": "there is no account: the quotas are the runtime's settings",
    "GetCustomDomain": _DOMAIN,
    "GetFunctionAddress": "the code is where it was deployed from",
    "ListCustomDomains": _DOMAIN,
    "PutTotalConcurrencyConfig": "there is no account: PutReservedConcurrencyConfig limits a function",
    "UpdateCustomDomain": _DOMAIN,
}

_WITHOUT_EFFECT = (
    "VpcConfig, Role, Tags, ClsLogsetId, ClsTopicId, DeadLetterConfig, PublicNetConfig, DnsCache, IntranetConfig and "
    "L5Enable are remembered, and have no effect"
)
_UNSEEN = "InstallDependency and InstanceConcurrencyConfig are refused"
#: what is left out of those that are emulated in part
PARTLY = {
    "CreateTrigger": "timer, cos, ckafka and cmq fire; http, apigw and cls are remembered; the other types are bound "
    "from the side of their products",
    "CreateFunction": f"code comes as ZipFile, from a bucket of the runtime, as our LocalPath, or as an ImageConfig "
    f"whose image is known (`scf_runtime.images`) or run by a launcher: not from Git; {_UNSEEN}; a CfsConfig needs the "
    "setting `cfs` and the level namespaces; "
    f"{_WITHOUT_EFFECT}; a Python that the machine does not have is the test's own",
    "GetFunctionLogs": "the deprecated time fields are read, the log store is that of the runtime",
    "GetLayerVersion": "Location leads to a directory of this machine",
    "PublishLayerVersion": "content comes as ZipFile, from a bucket of the runtime, or as our LocalPath",
    "PutProvisionedConcurrencyConfig": "numbers, and actions by the clock; no tracking of a utilization",
    "UpdateFunctionCode": "code comes as ZipFile, from a bucket of the runtime, as our LocalPath, or as an ImageConfig",
    "UpdateFunctionConfiguration": f"{_UNSEEN}; {_WITHOUT_EFFECT}",
}


def page() -> str:
    """docs/actions.md."""
    from pytest_scf.contract.action_registry import ACTIONS

    lines = [
        "# Actions",
        "",
        "Every action of the API 2018-04-16 that the official SDK knows. Made by",
        "`python -m pytest_scf.contract.support_matrix`.",
        "",
        "| action | | |",
        "| --- | --- | --- |",
    ]
    for name in sorted({*ACTIONS, *REFUSED}):
        if name in REFUSED:
            lines.append(f"| {name} | refused: UnsupportedOperation | {REFUSED[name]} |")
        else:
            extent = "partly" if name in PARTLY else "emulated"
            lines.append(f"| {name} | {extent} | {PARTLY.get(name, '')} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
