"""The `tinygan` command."""
