"""Schedules by themselves: closed forms, saving and resuming, misuse."""

from __future__ import annotations

import json
import math

import pytest

import tinygan as torch
from tinygan import nn
from tinygan.optim import SGD
from tinygan.optim import lr_scheduler as schedules

CASES = {
    "step": (lambda o: schedules.StepLR(o, 3, 0.5), lambda t: 0.5 ** (t // 3)),
    "multistep": (
        lambda o: schedules.MultiStepLR(o, [2, 5], 0.1),
        lambda t: 0.1 ** ((t >= 2) + (t >= 5)),
    ),
    "exponential": (lambda o: schedules.ExponentialLR(o, 0.9), lambda t: 0.9**t),
    "constant": (lambda o: schedules.ConstantLR(o, 0.5, 4), lambda t: 0.5 if t < 4 else 1),
    "linear": (
        lambda o: schedules.LinearLR(o, 0.2, 0.8, 10),
        lambda t: 0.2 + 0.6 * min(t, 10) / 10,
    ),
    "cosine": (
        lambda o: schedules.CosineAnnealingLR(o, 7, 0.1),
        lambda t: 0.05 + 0.95 * (1 + math.cos(math.pi * t / 7)) / 2,
    ),
    "lambda": (lambda o: schedules.LambdaLR(o, lambda t: 1 / (1 + t)), lambda t: 1 / (1 + t)),
    "sequential": (
        lambda o: schedules.SequentialLR(
            o, [schedules.ConstantLR(o, 0.1, 100), schedules.ExponentialLR(o, 0.5)], [4]
        ),
        lambda t: 0.1 if t < 4 else 0.5 ** (t - 4),
    ),
}


def sgd():
    return SGD([nn.Parameter(torch.zeros(1))], lr=2.0)


@pytest.mark.parametrize("name", CASES)
def test_closed_form(name):
    make, factor = CASES[name]
    optimizer = sgd()
    schedule = make(optimizer)
    for t in range(20):
        expected = 2 * factor(t)
        assert schedule.get_last_lr() == pytest.approx([expected], rel=1e-9)
        assert optimizer.param_groups[0]["lr"] == schedule.get_last_lr()[0]
        assert schedule.last_epoch == t
        schedule.step()


@pytest.mark.parametrize("name", CASES)
def test_resuming_continues_bit_for_bit(name):
    make, _ = CASES[name]
    optimizer, other = sgd(), sgd()
    schedule, resumed = make(optimizer), make(other)
    for _ in range(5):
        schedule.step()
    resumed.load_state_dict(json.loads(json.dumps(schedule.state_dict())))
    other.load_state_dict(optimizer.state_dict())
    assert resumed.get_last_lr() == schedule.get_last_lr()
    for _ in range(10):
        schedule.step()
        resumed.step()
        assert other.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]


def test_from_an_optimizer_that_was_loaded():
    optimizer, other = sgd(), sgd()
    schedule = schedules.ExponentialLR(optimizer, 0.5)
    for _ in range(3):
        schedule.step()
    other.load_state_dict(optimizer.state_dict())
    resumed = schedules.ExponentialLR(other, 0.5, last_epoch=schedule.last_epoch - 1)
    for _ in range(3):
        assert resumed.get_last_lr() == schedule.get_last_lr()
        assert resumed.last_epoch == schedule.last_epoch
        resumed.step()
        schedule.step()
    with pytest.raises(KeyError, match="initial_lr"):
        schedules.ExponentialLR(sgd(), 0.5, last_epoch=3)


def test_the_attributes_of_an_object_are_saved_with_it():
    class Decay:
        def __init__(self, rate):
            self.rate = rate

        def __call__(self, t):
            return self.rate**t

    schedule = schedules.LambdaLR(sgd(), Decay(0.5))
    other = schedules.LambdaLR(sgd(), Decay(0.1))
    other.load_state_dict(schedule.state_dict())
    other.step()
    assert other.get_last_lr() == [1.0]


def test_the_update_follows_the_schedule():
    optimizer = sgd()
    (p,) = optimizer.param_groups[0]["params"]
    schedule = schedules.StepLR(optimizer, 1, 0.5)
    for expected in (-2.0, -3.0, -3.5):
        optimizer.update([torch.ones(1)])
        schedule.step()
        assert p.item() == expected


def test_a_plateau_resumes_where_it_was_saved():
    optimizer, other = sgd(), sgd()
    schedule = schedules.ReduceLROnPlateau(optimizer, patience=2, cooldown=2)
    resumed = schedules.ReduceLROnPlateau(other, patience=2, cooldown=2)
    figures = [1.0, 0.9, 0.95, 0.95, 0.95, 0.95, 0.8, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]
    for figure in figures[:6]:
        schedule.step(figure)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.2)
    other.load_state_dict(optimizer.state_dict())
    resumed.load_state_dict(json.loads(json.dumps(schedule.state_dict())))
    for figure in figures[6:]:
        schedule.step(figure)
        resumed.step(figure)
        assert resumed.get_last_lr() == schedule.get_last_lr()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.02)


def test_misuse():
    with pytest.raises(ValueError, match=r"factor is 1\.0, expected a number below 1"):
        schedules.ReduceLROnPlateau(sgd(), factor=1.0)
    with pytest.raises(ValueError, match="unknown mode 'mix'"):
        schedules.ReduceLROnPlateau(sgd(), mode="mix")
    with pytest.raises(ValueError, match="unknown threshold_mode 'relative'"):
        schedules.ReduceLROnPlateau(sgd(), threshold_mode="relative")
    with pytest.raises(ValueError, match="expected 1 min_lrs, got 2"):
        schedules.ReduceLROnPlateau(sgd(), min_lr=[0.1, 0.2])
    with pytest.raises(TypeError, match="int is not an Optimizer"):
        schedules.ReduceLROnPlateau(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="int is not an Optimizer"):
        schedules.StepLR(3, 1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Expected 1 lr_lambdas, but got 2"):
        schedules.LambdaLR(sgd(), [math.sqrt, math.sqrt])
    with pytest.raises(ValueError, match=r"in \(0, 1\], got 0"):
        schedules.LinearLR(sgd(), 0.0)
    with pytest.raises(ValueError, match=r"in \[0, 1\], got 2"):
        schedules.LinearLR(sgd(), 1.0, 2.0)
    with pytest.raises(ValueError, match=r"in \[0, 1\], got 3"):
        schedules.ConstantLR(sgd(), 3.0)
    optimizer = sgd()
    with pytest.raises(ValueError, match="one milestone fewer than the 1 schedulers, got 1"):
        schedules.SequentialLR(optimizer, [schedules.StepLR(optimizer, 1)], [3])
    with pytest.raises(ValueError, match="belongs to another optimizer"):
        schedules.SequentialLR(optimizer, [schedules.StepLR(sgd(), 1)], [])
    with pytest.raises(NotImplementedError):
        schedules.LRScheduler(sgd())
