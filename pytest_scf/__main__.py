"""``python -m pytest_scf COMMAND``."""

import signal
import sys

if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        # A signal that comes while the modules are loaded waits until serve can close in an orderly way.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])

    from pytest_scf.command import main

    sys.exit(main())
