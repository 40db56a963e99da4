"""What a GradScaler does to arrays, without reading a value back."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.autograd import Change
from tinygan.backend import backend_of


def _unscale(found: Any, scale: Any, gradients: list[Any], results: list[Any]) -> None:
    xp = backend_of(scale).xp
    with np.errstate(all="ignore"):
        inverse = (1 / scale.astype(xp.float64)).astype(xp.float32)
        for g, y in zip(gradients, results, strict=True):
            found[...] = xp.maximum(found, ~xp.isfinite(g).all())
            y[...] = g * inverse.astype(g.dtype)


def _adapt(scale: Any, tracker: Any, found: Any, numbers: Any) -> None:
    xp = backend_of(scale).xp
    growth, backoff, interval = numbers[0], numbers[1], numbers[2]
    bad = (found != 0).any()
    lasted = ~bad & (tracker + 1 == interval)
    with np.errstate(over="ignore"):
        larger = (scale * growth).astype(xp.float32)
    larger = xp.where(xp.isfinite(larger), larger, scale)
    smaller = (scale * backoff).astype(xp.float32)
    scale[...] = xp.where(bad, smaller, xp.where(lasted, larger, scale))
    tracker[...] = xp.where(bad | lasted, 0, tracker + 1)
    found[...] = 0


unscale = Change(_unscale)
"""unscale(found, scale, gradients, results): each y = g / scale; found <- 1 if a g is not finite.

`found` and `scale` are 0-d, the others lists of arrays; a result may be its own gradient.
"""
unscale.kernels["cuda"] = "tinygan.backend.cuda.scaling:unscale"

adapt = Change(_adapt)
"""adapt(scale, tracker, found, numbers): the scale for the next step; found <- 0.

If one of `found` is not 0, scale <- backoff scale and tracker <- 0. Else tracker counts on, and
when it reaches the interval, scale <- growth scale, unless that is infinite, and tracker <- 0.
`numbers` is (growth, backoff, interval).
"""
adapt.kernels["cuda"] = "tinygan.backend.cuda.scaling:adapt"
