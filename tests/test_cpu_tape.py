"""Launches that are noted on a tape and run again."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from tinygan.backend.cpu import activations, threads
from tinygan.backend.cpu.memory import scratch
from tinygan.backend.cpu.tape import Tape


@pytest.fixture(autouse=True)
def _as_before() -> Any:
    number = threads.get_num_threads()
    yield
    threads.set_num_threads(number)


@pytest.mark.parametrize("number", [1, 4])
def test_a_tape_does_what_was_noted(number: int) -> None:
    threads.set_num_threads(number)
    x, y, z = (np.zeros(1 << 15, np.float32) for _ in range(3))
    tape = Tape()
    with tape:
        activations.leaky_relu(x, negative_slope=0.5, out=y)
        activations.relu(y, out=z)
        assert not y.any()
    rng = np.random.default_rng(0)
    for _ in range(5):
        x[:] = rng.standard_normal(x.size)
        tape.play(64, tape.end)
        np.testing.assert_array_equal(y, np.where(x > 0, x, x * np.float32(0.5)))
        np.testing.assert_array_equal(z, np.maximum(x, 0))


def test_a_tape_grows_and_forgets_what_was_declined() -> None:
    x = np.full(1 << 14, -1, np.float32)
    outputs = [np.zeros_like(x) for _ in range(1000)]
    tape = Tape()
    places = []

    def scale(y: np.ndarray, answer: Any) -> Any:
        activations.leaky_relu(x, negative_slope=0.5, out=y)
        return answer

    for y in outputs[:-1]:
        places.append(tape.end)
        assert tape.record(partial(scale, y, y))
    end = tape.end
    assert not tape.record(partial(scale, outputs[-1], NotImplemented)) and tape.end == end
    tape.play(places[0], places[10])
    assert [y[0] for y in outputs[:11]] == [-0.5] * 10 + [0]
    tape.play(places[10], tape.end)
    assert [y[0] for y in outputs[998:]] == [-0.5, 0]


def test_scratch_memory_is_shared_between_recordings_but_not_within_one() -> None:
    tape = Tape()
    given = []
    for sizes in ((100, 50), (80, 40, 30), (200,)):
        with tape:
            given.append([scratch((n, 2), np.float32) for n in sizes])
            for i, x in enumerate(given[-1]):
                x[:] = i
            assert all((x == i).all() and x.flags.aligned for i, x in enumerate(given[-1]))
    (a, b), (c, d, e), (f,) = given
    assert np.shares_memory(a, c) and np.shares_memory(b, d)
    assert not any(np.shares_memory(x, y) for x in (e, f) for y in (a, b))
    assert scratch(3, np.float64).shape == (3,)


def test_only_one_tape_at_a_time() -> None:
    with Tape(), pytest.raises(RuntimeError, match="recorded already"), Tape():
        pass
    with Tape():
        pass
