"""Views, joins and other rearrangements."""

from __future__ import annotations

__all__: list[str] = []
