"""Points in the plane: the figures that tell whether a generator has found the modes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygan.data.toys import Toy
from tinygan.metrics import mode_scores
from tinygan.metrics.modes import CRITERIA
from tinygan.reproduce.experiment import Quantity


def mode_figures(points: np.ndarray, toy: Toy) -> dict[str, float]:
    """Modes covered, share on a mode in per cent, reverse KL, and KL with a bin for the others.

    Where no sample is on a mode there is no reverse KL. Points that are not finite are on none.
    """
    modes = toy.modes()
    assert modes is not None
    far = 1e6
    found = mode_scores(np.nan_to_num(points, nan=far, posinf=far, neginf=-far), modes, toy.sigma)
    return {
        "modes": float(found.covered),
        "on a mode, %": 100 * found.high_quality,
        "reverse KL": found.reverse_kl,
        "KL with a bin for the rest": found.full_kl,
    }


def quantities(modes: int) -> tuple[Quantity, ...]:
    """What `mode_figures` gives, with what a perfect sampler gets."""
    return (
        Quantity("modes", "higher", ".1f", modes),
        Quantity("on a mode, %", "higher", ".1f", 100 * CRITERIA["disc"]),
        Quantity("reverse KL", "lower", ".2f", 0.0),
        Quantity("KL with a bin for the rest", "lower", ".2f", 0.0),
    )


def panel_over(toy: Toy) -> Callable[[Any, np.ndarray], None]:
    """Draws samples N 2 over the modes."""
    modes = toy.modes()
    assert modes is not None
    reach = 1.35 * float(np.abs(modes).max())

    def panel(axes: Any, samples: np.ndarray) -> None:
        axes.plot(samples[:, 0], samples[:, 1], ".", color="#4c72b0", markersize=1.5, alpha=0.3)
        axes.plot(modes[:, 0], modes[:, 1], "x", color="#c44e52", markersize=4, markeredgewidth=0.7)
        axes.set_xlim(-reach, reach)
        axes.set_ylim(-reach, reach)
        axes.set_aspect("equal")
        axes.tick_params(labelsize=7)

    return panel
