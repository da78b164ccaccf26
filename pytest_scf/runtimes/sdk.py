"""The official SDK inside of a function: its requests to the cloud's API for SCF are sent to the platform instead.

The handler stays as it is, with the hosts of the cloud (docs/cloud-contract.md#requests-on-the-wire) and https: when
it imports the SDK, the SDK's way of sending is changed. The platform listens on a port of 127.0.0.1 and checks
signatures: the credentials are those in the environment of the function. Other services of the cloud are reached, or
not, as from any process.

The standard library only, Python 3.6 and later.
"""

import sys
from importlib import import_module, machinery
from urllib.parse import urlsplit

MYPY = False
if MYPY:  # for the type comments only
    from typing import Any, Callable, Dict  # noqa: F401

_SENDS = "tencentcloud.common.http.request"
_SENDS_FOR_ASYNCIO = "tencentcloud.common.abstract_client_async"
_COS = "qcloud_cos"
_SENDS_TO_COS = _COS + ".cos_client"
#: the name under which the cloud has the SDK of COS built into its Python 3.6
_COS_BUILT_IN = "qcloud_cos_v5"


def reach_platform(port):
    # type: (int) -> None
    """Have the SDK, once it is imported, reach the platform's ``port``."""
    changes = {
        _SENDS: _change_sending,
        _SENDS_FOR_ASYNCIO: _change_sending_for_asyncio,
    }  # type: Dict[str, Callable[[Any, str], Any]]
    sys.meta_path.insert(0, _Finder("127.0.0.1:%d" % port, changes))


def reach_buckets(place):
    # type: (str) -> None
    """Have the SDK of COS, once it is imported, reach the runtime's buckets at ``place`` (host and port).

    It is found under its name in the cloud, too.
    """
    sys.meta_path.insert(0, _Finder(place, {_SENDS_TO_COS: change_cos}))
    sys.meta_path.insert(0, _BuiltIn())


def is_ours(url):
    # type: (str) -> bool
    """Whether a request is for the API for SCF: scf.tencentcloudapi.com, scf.intl..., scf.REGION..., scf.internal..."""
    host = urlsplit(url).hostname or ""
    return host.startswith("scf.") and host.endswith(".tencentcloudapi.com")


class _Finder(object):
    """An import hook that calls ``changes[name](module, place)`` once the module ``name`` has been executed."""

    def __init__(self, place, changes):
        # type: (str, Dict[str, Callable[[Any, str], Any]]) -> None
        self._place = place
        self._changes = changes

    def find_spec(self, name, path=None, target=None):
        # type: (str, Any, Any) -> Any
        change = self._changes.get(name)
        if change is None:
            return None
        for finder in sys.meta_path:
            found = None if finder is self else finder.find_spec(name, path, target)
            if found is not None:
                self._call_after(found.loader, name, change)
                return found
        return None

    def _call_after(self, loader, name, change):
        # type: (Any, str, Callable[[Any, str], Any]) -> None
        execute = loader.exec_module
        place = self._place

        def exec_module(module):
            # type: (Any) -> None
            execute(module)
            if module.__name__ == name:
                del loader.exec_module
                change(module, place)

        loader.exec_module = exec_module


class _BuiltIn(object):
    """Finds and loads the SDK of COS under its name in the cloud: the same modules. The code's own one comes first."""

    def __init__(self):
        # type: () -> None
        self._specs = {}  # type: Dict[str, Any]

    def find_spec(self, name, path=None, target=None):
        # type: (str, Any, Any) -> Any
        if name != _COS_BUILT_IN and not name.startswith(_COS_BUILT_IN + "."):
            return None
        find = machinery.PathFinder.find_spec
        if name == _COS_BUILT_IN and (find(name) is not None or find(_COS) is None):
            sys.meta_path.remove(self)
            return None
        return machinery.ModuleSpec(name, self)  # type: ignore[arg-type]

    def create_module(self, spec):
        # type: (Any) -> Any
        module = import_module(_COS + spec.name[len(_COS_BUILT_IN) :])
        self._specs[spec.name] = module.__spec__
        return module

    def exec_module(self, module):
        # type: (Any) -> None
        """It has been executed, and stays what it is."""
        module.__spec__ = self._specs.pop(module.__spec__.name)


def _change_sending(module, place):
    # type: (Any, str) -> None
    """Newer versions send with ``requests``, older ones with http.client. One that does so in a way which is not known
    here is left as it is.
    """
    try:
        if hasattr(module, "ProxyConnection"):
            _change_requests(module, place)
        else:
            _change_http_client(module, place)
    except (ImportError, AttributeError):
        pass


def _change_requests(module, place):
    # type: (Any, str) -> None
    from requests import Session

    original = module.ProxyConnection.request

    def request(self, method, url, body=None, headers=None):
        # type: (Any, str, str, Any, Any) -> Any
        if not is_ours(url):
            return original(self, method, url, body, headers)
        headers.setdefault("Host", self.request_host)
        url = urlsplit(url)._replace(scheme="http", netloc=place).geturl()
        with Session() as session:
            session.trust_env = False  # a proxy of the environment could not reach this port
            return session.request(method, url, data=body, headers=headers, timeout=self.timeout, stream=True)

    module.ProxyConnection.request = request


def _change_http_client(module, place):
    # type: (Any, str) -> None
    """Each request object has a connection of its own, made for a host."""
    make = module.ApiRequest.__init__
    connection = module.ProxyHTTPConnection
    host, _, port = place.partition(":")

    class ToPlatform(connection):  # type: ignore[misc, valid-type]
        def __init__(self, cloud_host, timeout):
            # type: (str, float) -> None
            connection.__init__(self, cloud_host, timeout=timeout)
            # Whatever proxy it has found in the environment; the Host header is the cloud's.
            self.host, self.port, self.has_proxy = host, int(port), False

    def __init__(self, host, *arguments, **options):
        # type: (Any, str, Any, Any) -> None
        make(self, host, *arguments, **options)
        if is_ours("https://" + host) and hasattr(self, "conn"):
            self.conn = ToPlatform(host, getattr(self, "req_timeout", 60))

    module.ApiRequest.__init__ = __init__


def _change_sending_for_asyncio(module, place):
    # type: (Any, str) -> None
    client = getattr(module, "AbstractClient", None)
    send = getattr(client, "_inter_send_request", None)
    if client is None or send is None:
        return  # another way of sending

    def _inter_send_request(self, chain):
        # type: (Any, Any) -> Any
        request = chain.request
        if is_ours(str(request.url)):
            request.headers.setdefault("Host", request.url.host)
            host, _, port = place.partition(":")
            request.url = request.url.copy_with(scheme="http", host=host, port=int(port))
        return send(self, chain)

    client._inter_send_request = _inter_send_request


def change_cos(module, place):
    # type: (Any, str) -> Callable[[], None]
    """Have the clients of COS send to ``place`` whatever is for a host of COS; gives what takes that back."""
    client = module.CosS3Client
    original = client.send_request

    def send_request(self, method, url, *arguments, **options):
        # type: (Any, str, str, Any, Any) -> Any
        parts = urlsplit(url)
        host = parts.hostname or ""
        if host.endswith((".myqcloud.com", ".tencentcos.cn")):
            headers = dict(options.get("headers") or {})
            headers.setdefault("Host", host)
            headers["Connection"] = "close"  # the SDK's pool would keep it beyond the end of the runtime
            options["headers"] = headers
            url = parts._replace(scheme="http", netloc=place).geturl()
        return original(self, method, url, *arguments, **options)

    def restore():
        # type: () -> None
        client.send_request = original

    client.send_request = send_request
    return restore
