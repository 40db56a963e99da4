"""Interpolation, pixel shuffle, unfold and fold."""

from __future__ import annotations

__all__: list[str] = []
