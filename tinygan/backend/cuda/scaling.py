"""What a GradScaler does to gradients and to its scale: `tinygan.amp.scaling`, as launches."""

from __future__ import annotations

from typing import Any

from tinygan.backend.cuda.parameters import over
from tinygan.backend.cuda.source import FLOATS, Kernel

_unscale = Kernel("scaling.cu", "unscale", FLOATS)
_adapt = Kernel("scaling.cu", "adapt")


def unscale(found: Any, scale: Any, gradients: list[Any], results: list[Any]) -> Any:
    return over(_unscale, {}, results, gradients, [], None, scale, (), found)


def adapt(scale: Any, tracker: Any, found: Any, numbers: Any) -> Any:
    _adapt[()]((1,), (found.size,), (scale, tracker, found, numbers))
    return scale
