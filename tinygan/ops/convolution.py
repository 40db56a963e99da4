"""The convolution trio, each one's derivatives being the other two."""

from __future__ import annotations

__all__: list[str] = []
