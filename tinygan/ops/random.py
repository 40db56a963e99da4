"""Random numbers from counters: Philox 4x32-10."""

from __future__ import annotations

__all__: list[str] = []
