"""Our modules in the fork server: no handler finds them in ``sys.modules``, nor what they have left elsewhere."""

from __future__ import annotations

import gc
import sys
from types import ModuleType

#: those that are hidden; they stay loaded, for code that runs already
_hidden: dict[str, ModuleType] = {}


def hide() -> None:
    """Take them out of ``sys.modules``, once for all that is forked afterwards.

    What an instance changed, frees or collects of what it has from its parent would be copied for it, page by page.
    """
    for name in [name for name in sys.modules if name.partition(".")[0] == "pytest_scf"]:
        _hidden[name] = sys.modules.pop(name)
    main = vars(sys.modules["__main__"])
    for name in [name for name in main if not name.startswith("__")]:
        del main[name]
    sys.path_importer_cache.clear()
    gc.collect()
    gc.freeze()


def show() -> None:
    """Have more of them be imported, in a process that runs no code of the user's."""
    sys.modules.update(_hidden)
