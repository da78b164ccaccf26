"""Which files are the user's own."""

import os

# Kept here because the user's code, or a stand-in, may replace them.
_abspath = os.path.abspath
_isfile = os.path.isfile

#: of files of Python
_ENDINGS = ("", ".py", ".pyw")


class Files(object):
    """The names of the user's files below the code root, by the names that code objects have for them."""

    def __init__(self, code_root):
        # type: (str) -> None
        self._root = os.path.join(code_root, "")
        self._names = {}  # type: dict[str, str | None]
        self._installed = _installed(code_root)

    def name(self, file):
        # type: (str) -> str | None
        """None for what is not the user's own."""
        try:
            return self._names[file]
        except KeyError:
            found = self._names[file] = self._find(file)
            return found

    def _find(self, file):
        # type: (str) -> str | None
        if file.startswith("<"):
            return None
        path = _abspath(file)
        if not path.startswith(self._root) or os.path.splitext(path)[1] not in _ENDINGS or not _isfile(path):
            return None  # such as what is compiled of a template, whose lines are not those of its file
        name = path[len(self._root) :]
        parts = name.split(os.sep)
        if "site-packages" in parts or "dist-packages" in parts or parts[0] in self._installed:
            return None
        return name


def _installed(code_root):
    # type: (str) -> set[str]
    """What pip has installed into the code root itself, as functions are packed."""
    found = set()  # type: set[str]
    try:
        names = os.listdir(code_root)
    except OSError:
        return found
    for name in names:
        if name.endswith(".dist-info"):
            try:
                with open(os.path.join(code_root, name, "RECORD"), encoding="utf-8") as file:
                    found.update(line.split(",")[0].split("/")[0] for line in file)
            except (OSError, UnicodeDecodeError):
                pass
    return found
