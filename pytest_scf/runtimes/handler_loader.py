"""Imports the user's module and finds the handler in it. The standard library only, Python 3.6 and later."""

import os
import sys

MYPY = False
if MYPY:  # for the type comments only
    from typing import Callable  # noqa: F401


class HandlerMissing(Exception):
    """The handler's module or function is not there."""


def load_handler(handler, code_root, before_users_code=lambda: None):
    # type: (str, str, Callable[[], None]) -> object
    """Import ``file.function`` from the code root, as the only thing of that name.

    The directory of a file that lies deeper (``src/index``) becomes the working directory and the first for imports.
    ``before_users_code`` is called as late as can be before code of the user's runs.
    """
    import importlib.util

    file, _, function = handler.rpartition(".")
    relative = file.replace(".", "/") if not os.path.exists(os.path.join(code_root, file + ".py")) else file
    path = os.path.join(code_root, relative + ".py")
    if not os.path.isfile(path):
        raise HandlerMissing("No module named '%s': there is no %s" % (file, path))
    directory = os.path.dirname(path)
    if directory != code_root:
        os.chdir(directory)
        sys.path.insert(0, directory)
    name = file.replace("/", ".")
    if "." in name:
        before_users_code()
        importlib.import_module(name.rpartition(".")[0])
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        code = spec.loader.get_code(name)  # type: ignore[attr-defined]
    except (SyntaxError, ValueError) as error:
        del sys.modules[name]
        raise HandlerMissing("%s cannot be compiled: %s" % (path, error)) from error
    before_users_code()
    exec(code, module.__dict__)
    try:
        found = getattr(module, function)
    except AttributeError:
        raise HandlerMissing("'module' object has no attribute '%s'" % function) from None
    if not callable(found):
        raise HandlerMissing("'%s' in %s is not callable" % (function, path))
    return found
