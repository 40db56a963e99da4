"""Published results, made again by one command: `tinygan reproduce NAME`."""

from __future__ import annotations

from importlib import import_module

from tinygan.backend.errors import choose
from tinygan.reproduce.experiment import Experiment, Quantity, Trial, Variant, told

__all__ = ["EXPERIMENTS", "Experiment", "Quantity", "Trial", "Variant", "experiment", "told"]

# where the EXPERIMENT of each name is; a module is imported only when it is asked for
EXPERIMENTS = {
    "dirac": "tinygan.reproduce.dirac",
    "ring": "tinygan.reproduce.ring",
    "grid": "tinygan.reproduce.grid",
    "grid25": "tinygan.reproduce.grid25",
    "stacked-mnist": "tinygan.reproduce.stacked_mnist",
    "mnist-quality": "tinygan.reproduce.mnist_quality",
}


def experiment(name: str) -> Experiment:
    """The experiment of that name; an unknown name is a ValueError with the nearest right one."""
    found: Experiment = import_module(choose("experiment", name, EXPERIMENTS)).EXPERIMENT
    return found
