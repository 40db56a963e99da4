"""RMSprop with epsilon under the root, as Keras computes it."""

from __future__ import annotations

from typing import Any

from tinygan import optim
from tinygan.optim.rmsprop import moved
from tinygan.optim.rule import rule, scalar


@rule
def root_inside(
    xp: Any,
    p: Any,
    g: Any,
    v: Any,
    mean: Any,
    buffer: Any,
    step: Any,
    hyper: Any,
    *,
    decay: bool,
    maximize: bool,
) -> None:
    """p <- p - lr g / sqrt(v + eps), v <- alpha v + (1 - alpha) g^2.

    With `mean` (not None: m <- alpha m + (1 - alpha) g) v - m^2 takes the place of v; with `buffer`
    b <- mu b + lr g / ... and p <- p - b. `hyper` is (lr, alpha, eps, lambda, mu).
    """
    lr, alpha, eps, _, momentum = (hyper[i] for i in range(5))
    variance = moved(p, g, v, mean, alpha)
    move = scalar(lr, p) * g / xp.sqrt(variance + scalar(eps, p))
    if buffer is not None:
        buffer *= scalar(momentum, p)
        buffer += move
        move = buffer
    p -= move


class RootInside(optim.RMSprop):
    """The house's RMSprop by another rule: `root_inside`."""

    rule = root_inside
