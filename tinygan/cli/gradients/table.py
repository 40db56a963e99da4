"""The table of everything differentiable: per row a function, a domain, an order, a tolerance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygan.autograd import GradcheckReport, check, wrap
from tinygan.backend import backend_for

Domain = Callable[[np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Row:
    """One case: `function` of tensors drawn from `domains`, differentiable to `order`.

    Floating-point domains are varied and must be float64; integer and boolean ones are constants.
    """

    name: str
    function: Callable[..., Any]
    domains: tuple[Domain, ...]
    order: int = 2
    tolerance: float = 1e-6

    def run(self, device: str = "cpu", seed: int = 0) -> GradcheckReport:
        """Check this row on a device."""
        random = np.random.default_rng(seed)
        backend = backend_for(device)
        inputs = [wrap(backend.from_host(domain(random))) for domain in self.domains]
        for x in inputs:
            x.requires_grad_(x.is_floating_point())
        return check(self.function, inputs, self.order, seed=seed)


TABLE: list[Row] = []


def row(
    name: str,
    function: Callable[..., Any],
    *domains: Domain,
    order: int = 2,
    tolerance: float = 1e-6,
) -> None:
    """Add a case; `name` is the op's, or `nn.X`, `losses.x` for a layer or a loss."""
    TABLE.append(Row(name, function, domains, order, tolerance))


def normal(*shape: int) -> Domain:
    """Standard normal numbers."""
    return lambda random: random.standard_normal(shape)


def uniform(low: float, high: float, *shape: int) -> Domain:
    """Uniform numbers in [low, high)."""
    return lambda random: random.uniform(low, high, shape)


def nonzero(*shape: int) -> Domain:
    """Normal numbers kept 0.2 away from zero, where many functions have their kink."""

    def draw(random: np.random.Generator) -> np.ndarray:
        x = random.standard_normal(shape)
        return x + 0.2 * np.where(x < 0, -1.0, 1.0)

    return draw


def integers(high: int, *shape: int) -> Domain:
    """Integers in [0, high): an index, not varied."""
    return lambda random: random.integers(0, high, shape)


def mask(*shape: int) -> Domain:
    """Booleans, not varied."""
    return lambda random: random.random(shape) < 0.5
