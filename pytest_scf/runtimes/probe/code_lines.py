"""Which lines of a file have code, as the Python that runs this compiles it; ``python code_lines.py FILE`` prints them.

The standard library only, Python 3.6 and later.
"""

import dis
import sys
import types


def code_lines(file):
    # type: (str) -> set[int]
    """Raises SyntaxError, ValueError or OSError where it cannot be compiled."""
    with open(file, "rb") as source:
        waiting = [compile(source.read(), file, "exec", dont_inherit=True)]
    lines = set()  # type: set[int]
    while waiting:
        code = waiting.pop()
        lines.update(line for _offset, line in dis.findlinestarts(code) if line)
        waiting += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return lines


if __name__ == "__main__":
    print(*code_lines(sys.argv[1]))
