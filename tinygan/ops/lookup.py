"""Embedding: rows of a table."""

from __future__ import annotations

__all__: list[str] = []
