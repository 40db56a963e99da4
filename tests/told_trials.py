"""An experiment for the tests, whose trials do as they are told."""

from __future__ import annotations

import os
import time

import numpy as np

from tinygan.backend.errors import UserError
from tinygan.reproduce import Experiment, Quantity, Trial, Variant, told


def run(variant, seed, quick, device, data_dir):
    settings = variant.chosen(quick)
    for _ in told(range(settings["steps"]), settings["steps"], every=1):
        time.sleep(settings["seconds"] / settings["steps"])
    if settings["end"] == "refused":
        raise UserError("no data for this")
    if settings["end"] == "broken":
        raise ZeroDivisionError("planted")
    if settings["end"] == "killed":
        os._exit(9)
    samples = np.full((50, 2), seed, np.float32)
    figures = {"score": settings["value"] + seed, "never": float("nan")}
    return Trial(figures, samples, settings["seconds"], settings["steps"])


def variant(end="well", seconds=0.0, value=1.0):
    settings = {"end": end, "seconds": seconds, "value": value, "steps": 4}
    return Variant(settings, {"score": (1.5, 0.5)}, "table 7", quick={"steps": 2})


EXPERIMENT = Experiment(
    name="planted",
    title="Planted",
    source="nobody",
    criterion="as it is told",
    setup="none",
    differences="all",
    quantities=(Quantity("score", "higher", ".1f", perfect=3.0), Quantity("never", "lower")),
    variants={
        "good": variant(),
        "other": variant(value=2.0),
        "slow": variant(seconds=60.0),
        **{end: variant(end) for end in ("refused", "broken", "killed")},
    },
    run=run,
)
