"""The probe of one instance: what the runtime calls before it loads the handler, after that, and around each event."""

import importlib.util
import json
import os
import signal
import sys
import time
import types

from . import installing, leftovers, link, questions, stand_ins, targets, tracing

MYPY = False
if MYPY:  # for the type comments only
    import socket  # noqa: F401
    from typing import Any, Callable  # noqa: F401

# Kept here because the user's code, or a stand-in, may replace them.
_dumps = json.dumps
_loads = json.loads


class SetUpError(Exception):
    """What the test asked for cannot be done in this instance."""

    __module__ = "builtins"  # so that errors call it by its name alone


class Probe(object):
    """``config`` is what the test says at the start; see ``pytest_scf.facade.probing.function_probe``."""

    def __init__(self, sock, config, code_root):
        # type: (socket.socket, dict[str, Any], str) -> None
        self._config = config
        self._code_root = code_root
        self.link = link.Link(sock)
        self._questions = questions.Questions(self.link, stand_ins.KINDS)
        self._pending = list(config["stand_ins"])  # type: list[dict[str, Any]]
        self._tracer = tracing.Tracer(self.link, code_root) if config["trace"] else None
        #: what the tracer has been told is for the event that is about to come
        self._fresh = False
        #: whether it is noted how this instance is before its first event
        self._keeps = False
        #: the handler is loaded, and with it what it imports then
        self._loaded = False

    def before_load(self):
        # type: () -> None
        """Set up, and put in place what does not need the user's code. Raises SetUpError."""
        self._fail_on_purpose()
        if self._config.get("debug"):
            _load("debugging").install(self.link, link.DEBUG)
        if self._config.get("editor"):
            _load("debugging").wait_for_editor(self.link, link.DEBUG)
        self._set_up()
        self._install_first()
        if self._tracer is not None:
            plan = self._plan()
            self._fresh, self._keeps = plan["of_event"], plan["keeps"]
            self._tracer.begin(plan)

    def enter(self):
        # type: () -> None
        """Look which lines run from now on, where that is asked for. Before that, it would but slow down the import."""
        if self._tracer is not None:
            self._tracer.enter()

    def _fail_on_purpose(self):
        # type: () -> None
        fault = self._config.get("fault")
        if not fault:
            return
        if fault["seconds"]:
            print("[FAULT] this cold start takes %g s longer" % fault["seconds"])
            time.sleep(fault["seconds"])
        if fault["no_network"]:
            print("[FAULT] this instance has no network")
        if fault["message"]:
            print("[FAULT] this cold start fails")
            raise SetUpError(fault["message"])

    def _install_first(self):
        # type: () -> None
        if not self._pending:
            return
        foreign, roots = [], set()
        for each in self._pending:
            root = each["target"].partition(".")[0]
            try:
                users = targets.is_users(root, self._code_root)
            except targets.TargetError:
                users = True  # it may be one that can be imported once the handler has changed sys.path
            if users:
                roots.add(root)
            else:
                foreign.append(each)
        for each in foreign:
            self._install(each, may_import=True)
        if roots:
            sys.meta_path.insert(0, _Finder(roots, self._module_loaded))

    def after_load(self, handler):
        # type: (Callable[..., Any]) -> Callable[..., Any]
        """Put the rest in place; the handler to be called from now on. Raises SetUpError."""
        for each in list(self._pending):
            root = each["target"].partition(".")[0]
            if root in sys.modules:
                self._install(each, may_import=True)
                continue
            try:
                targets.is_users(root, self._code_root)
            except targets.TargetError as error:
                self._refuse(each, error)
        self._loaded = True
        module, _, function = self._config["handler"].replace("/", ".").rpartition(".")
        if any(each["target"] == module + "." + function for each in self._config["stand_ins"]):
            handler = getattr(sys.modules[module], function)
        tracer = self._tracer
        if tracer is None:
            return handler
        tracer.loaded()
        restore = _restoring_sigterm()
        left = leftovers.Leftovers(tracer.files) if self._keeps else None

        def handle(event, context):
            # type: (object, object) -> object
            try:
                self._begin(tracer, restore, left)
                return handler(event, context)
            finally:
                tracer.end()

        return handle

    def not_loaded(self):
        # type: () -> None
        """The handler could not be loaded: what has run until then is all that there is."""
        if self._tracer is not None:
            self._tracer.end()

    def _begin(self, tracer, restore, left):
        # type: (tracing.Tracer, Callable[[], object], leftovers.Leftovers | None) -> None
        if self._fresh:
            self._fresh = False
        else:
            plan = self._plan()
            if plan["reset"]:
                # As a fresh instance has it, so that what an earlier event has registered does not serve this one.
                restore()
            tracer.begin(plan, left_over=plan["reset"] and (left is None or left.any()))
        tracer.enter()

    def _plan(self):
        # type: () -> dict[str, Any]
        """What is to be done in the event that this instance is about to work on."""
        _kind, answer = self.link.ask(link.BEGIN, b"")
        return dict(_loads(answer.decode("ascii")))

    def _set_up(self):
        # type: () -> None
        setup = self._config.get("setup")
        if not setup:
            return
        module = types.ModuleType("scf_setup")
        module.__file__ = setup["file"]
        sys.modules["scf_setup"] = module
        try:
            exec(compile(setup["text"], setup["file"], "exec"), module.__dict__)
            if setup["call"]:
                getattr(module, setup["call"])()
        except Exception as error:
            import traceback

            lines = [at.lineno for at in traceback.extract_tb(error.__traceback__) if at.filename == setup["file"]]
            said = "".join(traceback.format_exception_only(type(error), error)).strip()
            if isinstance(error, ImportError):
                said += " (what it imports must be installed, or be in the function's code)"
            self._tell({"set_up": said, "line": lines[-1] if lines else None})
            raise
        name = self._config["handler"].rpartition(".")[0].replace("/", ".")
        if name in sys.modules:
            said = "it imports %s, which is loaded anew after it: fn.stub('%s.NAME', value) puts a value there" % (
                name,
                name,
            )
            self._tell({"set_up": said, "line": None})
            raise SetUpError(said)

    def _module_loaded(self, name):
        # type: (str) -> None
        """A module of the user's was run: what stands for something in it is due, if it is there by now."""
        for each in list(self._pending):
            target = each["target"]
            if target.startswith(name + ".") and self._loaded:
                self._install(each, may_import=True)
            elif target.startswith(name + "."):
                try:
                    found = targets.resolve(target, False)
                except targets.TargetError:
                    continue  # it may come to be there until the handler is loaded
                if found is not None:
                    self._install_found(each, found)

    def _install(self, each, may_import):
        # type: (dict[str, Any], bool) -> None
        try:
            found = targets.resolve(each["target"], may_import)
        except targets.TargetError as error:
            self._refuse(each, error)
        else:
            if found is not None:
                self._install_found(each, found)

    def _install_found(self, each, found):
        # type: (dict[str, Any], tuple[Any, str, Any]) -> None
        if each not in self._pending:
            return  # importing the module of another one has brought it
        self._pending.remove(each)
        try:
            facts = installing.install(self._questions, found, each)
        except targets.TargetError as error:
            self._refuse(each, error)
        else:
            self._tell(facts)

    def _refuse(self, each, error):
        # type: (dict[str, Any], Exception) -> None
        self._tell({"id": each["id"], "problem": str(error)})
        raise SetUpError(
            "the stand-in for %r, of %s, cannot be put in place: %s" % (each["target"], each["place"], error)
        ) from None

    def _tell(self, facts):
        # type: (dict[str, object]) -> None
        self.link.ask(link.INSTALLED, _dumps(facts).encode("ascii"))


class _Finder(object):
    """Finds modules as the finders behind it do, and says when one of the roots has been run."""

    def __init__(self, roots, loaded):
        # type: (set[str], Callable[[str], None]) -> None
        self._roots = roots
        self._loaded = loaded

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]
        if name.partition(".")[0] not in self._roots:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec = find(name, path, target)
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(spec.loader, self._loaded)
                return spec
        return None


class _Loader(object):
    def __init__(self, loader, loaded):
        # type: (Any, Callable[[str], None]) -> None
        self._loader = loader
        self._loaded = loaded

    def __getattr__(self, name):
        # type: (str) -> Any
        return getattr(self._loader, name)

    def create_module(self, spec):  # type: ignore[no-untyped-def]
        return self._loader.create_module(spec)

    def exec_module(self, module):
        # type: (types.ModuleType) -> None
        spec = module.__spec__
        assert spec is not None
        module.__loader__ = spec.loader = self._loader
        self._loader.exec_module(module)
        self._loaded(module.__name__)


def _restoring_sigterm():
    # type: () -> Callable[[], object]
    """What gives SIGTERM back what the init phase has left, told of as what registered it."""
    at_first = signal.getsignal(signal.SIGTERM)
    if at_first is None:
        return lambda: None
    remember = getattr(signal.signal, "scf_remember", None)  # not where the user's code has replaced it
    return remember(at_first) if remember is not None else lambda: signal.signal(signal.SIGTERM, at_first)


def _load(name):
    # type: (str) -> Any
    """A module of this directory that few need, under a name that nobody imports."""
    file = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".py")
    spec = importlib.util.spec_from_file_location("_scf_" + name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make(sock, config, code_root):
    # type: (socket.socket, dict[str, Any], str) -> Probe
    return Probe(sock, config, os.path.join(code_root, "").rstrip("/"))
