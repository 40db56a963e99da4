"""Arithmetic, exponentials and other functions of one number."""

from __future__ import annotations

__all__: list[str] = []
