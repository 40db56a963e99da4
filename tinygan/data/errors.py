"""Mistakes in the data that a user names."""

from __future__ import annotations

from tinygan.backend.errors import UserError


class DataError(UserError, ValueError):
    """Data that is missing, broken or of the wrong kind. The message is complete in itself."""
