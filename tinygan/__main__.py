"""`python -m tinygan` is the `tinygan` command."""

from tinygan.cli import main

main()
