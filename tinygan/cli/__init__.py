"""The `tinygan` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; a mistake of input is told in a line or two, with exit code 2."""
    from tinygan.backend import DeviceError
    from tinygan.backend.errors import UserError
    from tinygan.cli.app import app

    try:
        app()
    except (UserError, DeviceError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
