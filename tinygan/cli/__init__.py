"""The `tinygan` command."""

from __future__ import annotations

import signal
import sys
import warnings


def main() -> None:
    """Run the command line; a mistake of input is told in a line or two, with exit code 2.

    A warning is told in a line too. SIGTERM ends it as Ctrl-C does, so that processes it has
    started are ended too.
    """
    from tinygan.backend import DeviceError
    from tinygan.backend.errors import UserError
    from tinygan.cli.app import app

    warnings.formatwarning = _told
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except (UserError, DeviceError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


def _told(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """A warning about what was given; one about the program names its line, as ever."""
    if category is UserWarning:
        return f"warning: {message}\n"
    return _plain(message, category, filename, lineno, line)


_plain = warnings.formatwarning
