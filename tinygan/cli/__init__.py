"""The `tinygan` command."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command line; a mistake of input is told in a line or two, with exit code 2.

    SIGTERM ends it as Ctrl-C does, so that processes it has started are ended too.
    """
    from tinygan.backend import DeviceError
    from tinygan.backend.errors import UserError
    from tinygan.cli.app import app

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except (UserError, DeviceError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
