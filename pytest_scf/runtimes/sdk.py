"""The official SDK inside of a function: what it sends to the cloud's API for SCF is taken to the platform instead.

The handler stays as it is, with the hosts of the cloud (contract 9) and https: when it imports the SDK, the SDK's way
of sending is changed. The platform listens on a port of 127.0.0.1 and checks signatures: the credentials are those in
the environment of the function. Other services of the cloud are reached, or not, as from any process.

The standard library only, Python 3.6 and later.
"""

import sys
from urllib.parse import urlsplit

MYPY = False
if MYPY:  # for the type comments only
    from typing import Any, Callable  # noqa: F401

_SENDS = "tencentcloud.common.http.request"
_SENDS_FOR_ASYNCIO = "tencentcloud.common.abstract_client_async"


def reach_platform(port):
    # type: (int) -> None
    """Have the SDK, once it is imported, reach the platform's ``port``."""
    sys.meta_path.insert(0, _Finder(port))


def is_ours(url):
    # type: (str) -> bool
    """Whether a request is for the API for SCF: scf.tencentcloudapi.com, scf.intl..., scf.REGION..., scf.internal..."""
    host = urlsplit(url).hostname or ""
    return host.startswith("scf.") and host.endswith(".tencentcloudapi.com")


class _Finder(object):
    """Finds nothing by itself; of two of the SDK's modules it has a say when they have been executed."""

    def __init__(self, port):
        # type: (int) -> None
        self._place = "127.0.0.1:%d" % port

    def find_spec(self, name, path=None, target=None):
        # type: (str, Any, Any) -> Any
        if name == _SENDS:
            change = _change_sending
        elif name == _SENDS_FOR_ASYNCIO:
            change = _change_sending_for_asyncio
        else:
            return None
        for finder in sys.meta_path:
            found = None if finder is self else finder.find_spec(name, path, target)
            if found is not None:
                self._say_after(found.loader, name, change)
                return found
        return None

    def _say_after(self, loader, name, change):
        # type: (Any, str, Callable[[Any, str], None]) -> None
        execute = loader.exec_module
        place = self._place

        def exec_module(module):
            # type: (Any) -> None
            execute(module)
            if module.__name__ == name:
                del loader.exec_module
                change(module, place)

        loader.exec_module = exec_module


def _change_sending(module, place):
    # type: (Any, str) -> None
    """What the SDK sends with is ``requests``, which chooses by the beginning of the URL who is to send."""
    from requests.adapters import HTTPAdapter

    def send(self, request, **options):
        # type: (Any, Any, Any) -> Any
        if is_ours(request.url):
            parts = urlsplit(request.url)
            request.headers.setdefault("Host", parts.netloc)
            request.url = parts._replace(scheme="http", netloc=place).geturl()
            options["proxies"] = {}
        return HTTPAdapter.send(self, request, **options)

    adapter = type("ToPlatform", (HTTPAdapter,), {"send": send})
    make = module.ProxyConnection.__init__

    def __init__(self, *arguments, **options):
        # type: (Any, Any, Any) -> None
        make(self, *arguments, **options)
        for beginning in ("https://scf.", "http://scf."):
            self._session.mount(beginning, adapter())

    module.ProxyConnection.__init__ = __init__


def _change_sending_for_asyncio(module, place):
    # type: (Any, str) -> None
    send = module.AbstractClient._inter_send_request

    def _inter_send_request(self, chain):
        # type: (Any, Any) -> Any
        request = chain.request
        if is_ours(str(request.url)):
            request.headers.setdefault("Host", request.url.host)
            host, _, port = place.partition(":")
            request.url = request.url.copy_with(scheme="http", host=host, port=int(port))
        return send(self, chain)

    module.AbstractClient._inter_send_request = _inter_send_request
