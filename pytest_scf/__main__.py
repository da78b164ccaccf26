"""``python -m pytest_scf serve DIR``."""

import sys

from pytest_scf.command import main

if __name__ == "__main__":
    sys.exit(main())
