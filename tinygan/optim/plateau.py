"""A learning rate that falls when a figure no longer improves."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

from tinygan.backend.errors import choose
from tinygan.optim.optimizer import Optimizer
from tinygan.optim.schedule import LRScheduler


class ReduceLROnPlateau(LRScheduler):
    """lr <- max(lr factor, min_lr) after more than `patience` steps without a better figure.

    Better is a figure below best (1 - threshold), or below best - threshold where `threshold_mode`
    is 'abs'; for `mode` 'max' above best (1 + threshold), best + threshold. After a fall as many
    steps as `cooldown` says are not counted, and a fall of `eps` or less is left out. `step` reads
    its figure on the host.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1:
            raise ValueError(f"ReduceLROnPlateau: factor is {factor}, expected a number below 1")
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        count = len(optimizer.param_groups)
        self.default_min_lr = None if isinstance(min_lr, Sequence) else min_lr
        self.min_lrs = list(min_lr) if isinstance(min_lr, Sequence) else [min_lr] * count
        if len(self.min_lrs) != count:
            raise ValueError(f"expected {count} min_lrs, got {len(self.min_lrs)}")
        self.optimizer = optimizer
        self.mode = mode
        self.best = choose("mode", mode, {"min": inf, "max": -inf})
        self.threshold_mode = choose("threshold_mode", threshold_mode, {"rel": "rel", "abs": "abs"})
        self.threshold = threshold
        self.factor = factor
        self.patience = patience
        self.cooldown = cooldown
        self.eps = eps
        self.cooldown_counter = 0
        self.num_bad_epochs = 0
        self.last_epoch = 0
        self._last_lr = self._rates()

    def step(self, metrics: Any) -> None:  # type: ignore[override]
        """Count one step with its figure, a number or a tensor of one, and lower the rates."""
        figure = float(metrics)
        self.last_epoch += 1
        better = figure > self._bound() if self.mode == "max" else figure < self._bound()
        if better:
            self.best, self.num_bad_epochs = figure, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._fall()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self._rates()

    def _bound(self) -> float:
        """What a figure has to pass to be better."""
        margin = self.threshold if self.mode == "max" else -self.threshold
        return self.best * (1 + margin) if self.threshold_mode == "rel" else self.best + margin

    def _fall(self) -> None:
        groups = self.optimizer.param_groups
        if self.default_min_lr is not None:
            self.min_lrs += [self.default_min_lr] * (len(groups) - len(self.min_lrs))
        if len(self.min_lrs) != len(groups):
            raise RuntimeError(
                f"ReduceLROnPlateau: {len(self.min_lrs)} min_lrs for {len(groups)} groups of "
                "parameters; append one to min_lrs for every group that is added"
            )
        for group, least in zip(groups, self.min_lrs, strict=True):
            lr = max(group["lr"] * self.factor, least)
            if group["lr"] - lr > self.eps:
                group["lr"] = lr
