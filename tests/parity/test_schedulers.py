"""The schedules against PyTorch's over fifty steps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from tinygan import Tensor, optim

torch = pytest.importorskip("torch")

SCHEDULES: dict[str, Callable[[Any, Any], Any]] = {
    "step": lambda s, o: s.StepLR(o, 7, gamma=0.5),
    "multistep": lambda s, o: s.MultiStepLR(o, [3, 10, 10, 30], gamma=0.3),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.9),
    "constant": lambda s, o: s.ConstantLR(o, factor=0.25, total_iters=11),
    "linear": lambda s, o: s.LinearLR(o, start_factor=0.1, end_factor=0.6, total_iters=20),
    "linear to zero": lambda s, o: s.LinearLR(o, 1.0, 0.0, total_iters=30),
    "linear default": lambda s, o: s.LinearLR(o),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 50),
    "cosine, more than a period": lambda s, o: s.CosineAnnealingLR(o, 9, eta_min=0.01),
    "lambda": lambda s, o: s.LambdaLR(o, lambda t: 0.95**t),
    "lambda per group": lambda s, o: s.LambdaLR(o, [lambda t: 1 / (1 + t), lambda t: 0.5]),
    "sequential": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, total_iters=8), s.CosineAnnealingLR(o, 30), s.ExponentialLR(o, 0.9)],
        [8, 38],
    ),
}  # fmt: skip


def _optimizer(library: Any, tensor: Any) -> Any:
    x, y = tensor([1.0]), tensor([2.0])
    for p in (x, y):
        p.requires_grad_()
        p.grad = tensor([0.0])
    return library.SGD([{"params": [x]}, {"params": [y], "lr": 0.7}], lr=0.2)


@pytest.mark.parametrize("name", SCHEDULES)
def test_fifty_steps(name: str) -> None:
    ours, theirs = _optimizer(optim, Tensor), _optimizer(torch.optim, torch.tensor)
    mine = SCHEDULES[name](optim.lr_scheduler, ours)
    yours = SCHEDULES[name](torch.optim.lr_scheduler, theirs)
    for _ in range(50):
        np.testing.assert_allclose(mine.get_last_lr(), yours.get_last_lr(), rtol=1e-12, atol=1e-15)
        assert [g["lr"] for g in ours.param_groups] == mine.get_last_lr()
        for thing in (ours, theirs, mine, yours):
            thing.step()


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("last_epoch", [0, 3, 10, 25])
def test_going_on_from_an_epoch(name: str, last_epoch: int) -> None:
    if name.startswith("sequential"):
        pytest.skip("its parts are made at an epoch of their own")
    pairs = []
    for module, optimizer in (
        (optim.lr_scheduler, _optimizer(optim, Tensor)),
        (torch.optim.lr_scheduler, _optimizer(torch.optim, torch.tensor)),
    ):
        for group in optimizer.param_groups:
            group.update(initial_lr=group["lr"], lr=0.6 * group["lr"])
        at = type("At", (), {
            kind: staticmethod(partial(getattr(module, kind), last_epoch=last_epoch))
            for kind in optim.lr_scheduler.__all__ if hasattr(module, kind)
        })  # fmt: skip
        pairs.append((optimizer, SCHEDULES[name](at, optimizer)))
    (ours, mine), (theirs, yours) = pairs
    for _ in range(30):
        np.testing.assert_allclose(mine.get_last_lr(), yours.get_last_lr(), rtol=1e-12, atol=1e-15)
        for thing in (ours, theirs, mine, yours):
            thing.step()


PLATEAUS: dict[str, dict[str, Any]] = {
    "default": {},
    "of a GAN": {"mode": "min", "factor": 0.2, "threshold": 0.01, "patience": 5},
    "max": {"mode": "max", "patience": 2, "cooldown": 3},
    "absolute": {"threshold": 0.1, "threshold_mode": "abs", "patience": 0, "factor": 0.5},
    "absolute max": {"mode": "max", "threshold": 0.1, "threshold_mode": "abs", "patience": 1},
    "lower bound": {"patience": 0, "min_lr": 0.05},
    "lower bounds": {"patience": 0, "factor": 0.5, "min_lr": [0.1, 0.3]},
    "smallest change": {"patience": 0, "factor": 0.9, "eps": 0.03},
}


@pytest.mark.parametrize("name", PLATEAUS)
def test_plateau(name: str) -> None:
    ours, theirs = _optimizer(optim, Tensor), _optimizer(torch.optim, torch.tensor)
    mine = optim.lr_scheduler.ReduceLROnPlateau(ours, **PLATEAUS[name])
    yours = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **PLATEAUS[name])
    figures = np.random.default_rng(0).uniform(0.5, 1, 60) * np.linspace(1, 0.8, 60)
    figures[20:25] = np.nan
    for k, figure in enumerate(figures.tolist()):
        mine.step(Tensor([figure]).double() if k % 2 else figure)
        yours.step(torch.tensor([figure]).double() if k % 2 else figure)
        assert mine.get_last_lr() == yours.get_last_lr()
        assert [g["lr"] for g in ours.param_groups] == mine.get_last_lr()
        np.testing.assert_equal(mine.best, yours.best)
    assert mine.get_last_lr() != [0.2, 0.7]
    assert {**mine.state_dict()}.items() <= yours.state_dict().items()


def test_plateau_of_a_group_that_is_added() -> None:
    for library, tensor in ((optim, Tensor), (torch.optim, torch.tensor)):
        for least, expected in ((0.05, [0.05] * 3), ([0.05, 0.1], None)):
            optimizer = _optimizer(library, tensor)
            plateau = library.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, min_lr=least)
            optimizer.add_param_group({"params": [tensor([1.0]).requires_grad_()], "lr": 0.5})
            if expected is None:
                plateau.step(1.0)
                with pytest.raises(RuntimeError, match="group"):
                    plateau.step(1.0)
                continue
            for _ in range(4):
                plateau.step(1.0)
            assert [group["lr"] for group in optimizer.param_groups] == expected
            assert plateau.min_lrs == expected


def test_chained() -> None:
    ours, theirs = _optimizer(optim, Tensor), _optimizer(torch.optim, torch.tensor)
    mine = [SCHEDULES[k](optim.lr_scheduler, ours) for k in ("linear default", "exponential")]
    yours = [
        SCHEDULES[k](torch.optim.lr_scheduler, theirs) for k in ("linear default", "exponential")
    ]
    for _ in range(50):
        ours.step()
        theirs.step()
        for schedule in mine + yours:
            schedule.step()
        np.testing.assert_allclose(
            [g["lr"] for g in ours.param_groups],
            [g["lr"] for g in theirs.param_groups],
            rtol=1e-12,
        )


@pytest.mark.parametrize("name", ["step", "multistep", "exponential", "linear", "cosine"])
def test_state_dict_keys(name: str) -> None:
    mine = SCHEDULES[name](optim.lr_scheduler, _optimizer(optim, Tensor)).state_dict()
    reference = SCHEDULES[name](
        torch.optim.lr_scheduler, _optimizer(torch.optim, torch.tensor)
    ).state_dict()
    assert {k: mine[k] for k in mine} == {k: reference[k] for k in mine}
