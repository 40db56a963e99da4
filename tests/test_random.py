"""Philox against the published vectors, the generators' contract, and the distributions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import strict_cupy
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygan
from tinygan.autograd import REGISTRY
from tinygan.backend import DeviceError, philox
from tinygan.backend.cpu import philox as kernels
from tinygan.backend.cpu import threads
from tinygan.nn import functional as F

# kat_vectors of the Random123 distribution, philox4x32 with 10 rounds: counter, key, result
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]  # fmt: skip


def numbers(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


def block(counter: list[int], key: list[int]) -> list[int]:
    """Philox 4x32-10 in Python's integers, written from the paper."""
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def stream(seed: int, start: int, count: int) -> np.ndarray:
    """The words that a generator yields, by the scalar function above."""
    key = [seed & 0xFFFFFFFF, seed >> 32]
    words = [block([(start + i) & 0xFFFFFFFF, (start + i) >> 32, 0, 0], key) for i in range(count)]
    return np.array(words, dtype=np.uint32).reshape(-1)


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_philox_gives_the_published_vectors(counter: str, key: str, expected: str) -> None:
    assert block(numbers(counter), numbers(key)) == numbers(expected)
    c = tuple(np.array([n], dtype=np.uint64) for n in numbers(counter))
    k0, k1 = (
        np.array([(k + i * w) & 0xFFFFFFFF for i in range(10)], dtype=np.uint64)
        for k, w in zip(numbers(key), philox.WEYL, strict=True)
    )
    assert philox.words(np, c, k0, k1).tolist() == [numbers(expected)]


@pytest.mark.parametrize("start", [0, 5, 2**32 - 2, 2**40 + 7])
def test_the_stream_is_philox_of_seed_and_counter(start: int) -> None:
    seed = 0x0123456789ABCDEF
    state = np.array([seed, start], dtype=np.uint64)
    assert np.array_equal(philox.blocks(np, state, 0, 6).reshape(-1), stream(seed, start, 6))
    assert state.tolist() == [seed, start]


def test_numbers_follow_their_formulas() -> None:
    words = stream(7, 0, 4)
    pairs = words.view(np.uint64)

    def fresh() -> tinygan.Generator:
        return tinygan.Generator().manual_seed(7)

    x = tinygan.rand(16, generator=fresh())
    assert np.array_equal(x.numpy(), (words >> 8).astype(np.float32) * np.float32(2**-24))
    x = tinygan.rand(8, generator=fresh(), dtype=tinygan.float64)
    assert np.array_equal(x.numpy(), (pairs >> 11) * 2.0**-53)
    x = tinygan.randint(-3, 1000, (8,), generator=fresh())
    assert np.array_equal(x.numpy(), (pairs % 1003).astype(np.int64) - 3)

    u, v = words[0::2] * 2.0**-32 + 2.0**-33, words[1::2] * 2.0**-32
    radius, angle = np.sqrt(-2 * np.log(u)), 2 * np.pi * v
    expected = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)
    x = tinygan.randn(16, generator=fresh())
    assert np.allclose(x.numpy(), expected, rtol=1e-5, atol=1e-5)
    u, v = (pairs[0::2] >> 11) * 2.0**-53 + 2.0**-54, (pairs[1::2] >> 11) * 2.0**-53
    radius, angle = np.sqrt(-2 * np.log(u)), 2 * np.pi * v
    expected = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)
    x = tinygan.randn(8, generator=fresh(), dtype=tinygan.float64)
    assert np.allclose(x.numpy(), expected, rtol=1e-13, atol=1e-13)


def test_normal_of_the_extreme_words_is_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    for word in (0, 0xFFFFFFFF):
        monkeypatch.setattr(
            philox, "blocks", lambda xp, state, start, n, w=word: xp.full((n, 4), w, xp.uint32)
        )
        state = np.zeros(2, dtype=np.uint64)
        for dtype in (np.float32, np.float64):
            x = philox.normal(np, state, (4,), dtype)
            assert np.isfinite(x).all()
            u = philox.uniform(np, state, (4,), dtype)
            assert (u >= 0).all() and (u < 1).all()


@pytest.mark.parametrize("chunk", [1, 3, 64])
def test_chunking_does_not_show(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def draw() -> list[np.ndarray]:
        state = np.array([11, 3], dtype=np.uint64)
        return [
            philox.uniform(np, state, (5, 7), np.float32),
            philox.normal(np, state, (401,), np.float32),
            philox.normal(np, state, (401,), np.float64),
            philox.integers(np, state, (99,), 0, 10),
        ]

    whole = draw()
    monkeypatch.setattr(philox, "CHUNK", chunk)
    for a, b in zip(whole, draw(), strict=True):
        assert np.allclose(a, b, rtol=1e-5, atol=3e-6)  # vector and scalar cos differ by an ulp


@pytest.mark.parametrize("dtype", [tinygan.float32, tinygan.float64])
@pytest.mark.parametrize("draw", [tinygan.rand, tinygan.randn])
def test_two_draws_are_one_of_twice_the_size(draw, dtype) -> None:  # type: ignore[no-untyped-def]
    a, b = (tinygan.Generator().manual_seed(3) for _ in range(2))
    parts = [draw(20, generator=a, dtype=dtype).numpy() for _ in range(2)]
    whole = draw(40, generator=b, dtype=dtype).numpy()
    assert np.allclose(np.concatenate(parts), whole, rtol=1e-5, atol=1e-6)
    assert np.array_equal(a.get_state().numpy(), b.get_state().numpy())


@pytest.mark.parametrize(
    ("count", "dtype", "blocks"),
    [(0, "float32", 0), (1, "float32", 1), (4, "float32", 1), (5, "float32", 2),
     (1, "float64", 1), (2, "float64", 1), (3, "float64", 2), (5, "float16", 2)],
)  # fmt: skip
def test_a_draw_moves_the_counter_by_its_blocks(count: int, dtype: str, blocks: int) -> None:
    generator = tinygan.Generator().manual_seed(-1)
    tinygan.randn(count, generator=generator, dtype=dtype)
    assert generator.get_state().tolist() == [2**64 - 1, blocks]


def test_state_is_saved_restored_and_moved_on_in_place() -> None:
    generator = tinygan.Generator()
    array = generator._state.array
    tinygan.randn(5, generator=generator)
    state = generator.get_state()
    a = tinygan.randn(9, generator=generator).numpy()
    generator.manual_seed(0)
    generator.set_state(state)
    assert np.array_equal(tinygan.randn(9, generator=generator).numpy(), a)
    assert generator._state.array is array
    with pytest.raises(TypeError, match="uint64 tensor of shape"):
        generator.set_state(tinygan.Tensor([1.0, 2.0]))


def test_seeds() -> None:
    generator = tinygan.Generator()
    assert generator.manual_seed(5) is generator
    assert generator.initial_seed() == 5
    assert generator.seed() == generator.initial_seed() != 5
    before = tinygan.get_rng_state()
    try:
        assert tinygan.manual_seed(12).initial_seed() == tinygan.initial_seed() == 12
        a = tinygan.rand(3).numpy()
        saved = tinygan.get_rng_state()
        b = tinygan.rand(3).numpy()
        tinygan.manual_seed(12)
        assert np.array_equal(tinygan.rand(3).numpy(), a)
        tinygan.set_rng_state(saved)
        assert np.array_equal(tinygan.rand(3).numpy(), b)
        assert not np.array_equal(a, b)
        assert tinygan.seed() == tinygan.initial_seed() != 12
    finally:
        tinygan.set_rng_state(before)


def distance(x: np.ndarray, distribution: np.ndarray) -> float:
    """sqrt(n) times the Kolmogorov-Smirnov distance; below 1.95 in 99.9 % of all samples."""
    n = len(x)
    i = np.arange(n)
    gap = max(np.max((i + 1) / n - distribution), np.max(distribution - i / n))
    return float(np.sqrt(n) * gap)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distributions(dtype: type) -> None:
    generator = tinygan.Generator().manual_seed(1)
    n = 100_000
    u = np.sort(tinygan.rand(n, generator=generator, dtype=dtype).numpy())
    assert distance(u, u) < 1.95
    z = np.sort(tinygan.randn(n, generator=generator, dtype=dtype).numpy().astype(np.float64))
    cdf = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in z])
    assert distance(z, cdf) < 1.95
    assert abs(z.mean()) < 4 / n**0.5
    assert abs(z.var() - 1) < 4 * (2 / n) ** 0.5
    assert abs((z**4).mean() - 3) < 4 * (96 / n) ** 0.5


def test_normal_numbers_of_a_pair_are_independent() -> None:
    z = tinygan.randn(100_000, generator=tinygan.Generator().manual_seed(2)).numpy()
    for lag in (1, 2, 3, 4):
        assert abs(np.mean(z[lag:] * z[:-lag])) < 4 / len(z) ** 0.5
        assert abs(np.mean((z[lag:] ** 2 - 1) * (z[:-lag] ** 2 - 1))) < 8 / len(z) ** 0.5


def test_integers_and_bernoulli_are_fair() -> None:
    generator = tinygan.Generator().manual_seed(4)
    counts = np.bincount(tinygan.randint(7, (70_000,), generator=generator).numpy(), minlength=7)
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 22.5  # chi-square with 6 degrees: 0.1 %
    p = tinygan.from_numpy(np.full((3, 20_000), [[0.0], [0.3], [1.0]], dtype=np.float32))
    means = tinygan.bernoulli(p, generator=generator).numpy().mean(1)
    assert means[0] == 0 and means[2] == 1 and abs(means[1] - 0.3) < 0.013
    assert abs(tinygan.bernoulli(p, 0.7, generator=generator).numpy().mean() - 0.7) < 0.01


def test_randperm_is_a_permutation() -> None:
    x = tinygan.randperm(100, generator=tinygan.Generator().manual_seed(0))
    assert x.dtype == np.int64
    assert sorted(x.tolist()) == list(range(100))
    assert x.tolist() != list(range(100))
    assert tinygan.randperm(0).shape == (0,)
    assert tinygan.randperm(3, dtype=tinygan.float32).dtype == np.float32
    with pytest.raises(ValueError, match="n >= 0"):
        tinygan.randperm(-1)


def test_multinomial() -> None:
    generator = tinygan.Generator().manual_seed(0)
    weights = tinygan.Tensor([[0.0, 1.0, 3.0, 0.0], [5.0, 0.0, 0.0, 5.0]])
    x = tinygan.multinomial(weights, 8000, True, generator=generator)
    assert x.shape == (2, 8000) and x.dtype == np.int64
    counts = [np.bincount(row, minlength=4) / 8000 for row in x.numpy()]
    assert np.allclose(counts, [[0, 0.25, 0.75, 0], [0.5, 0, 0, 0.5]], atol=0.02)
    assert counts[0][0] == counts[0][3] == counts[1][1] == counts[1][2] == 0
    first = [weights[0].multinomial(2, generator=generator).tolist() for _ in range(400)]
    assert all(sorted(pair) == [1, 2] for pair in first)
    assert abs(np.mean([pair[0] == 2 for pair in first]) - 0.75) < 0.08
    with pytest.raises(RuntimeError, match="without replacement"):
        tinygan.multinomial(weights, 5)
    with pytest.raises(RuntimeError, match="num_samples >= 1"):
        tinygan.multinomial(weights, 0)
    with pytest.raises(RuntimeError, match="expected weights"):
        tinygan.multinomial(tinygan.randint(3, (4,)), 1)
    for bad in ([0.0, 0.0], [1.0, -1.0], [1.0, np.nan], [1.0, np.inf]):
        with pytest.raises(ValueError, match="not negative and of a finite sum"):
            tinygan.multinomial(tinygan.tensor(bad), 1)


def test_ends_of_intervals() -> None:
    x = tinygan.empty(1 << 22)
    most = np.nextafter(np.float32(2), np.float32(1))
    for seed in range(6):  # a draw in 13 million is rounded to 2
        tinygan.manual_seed(seed)
        assert x.uniform_(1, 2).max().item() <= most
    assert x.uniform_(3, 3).min().item() == 3
    bytes_drawn = tinygan.empty(1 << 14, dtype=tinygan.uint8).random_()
    assert bytes_drawn.min().item() == 0 and bytes_drawn.max().item() == 255


SIZES = st.lists(st.integers(0, 5), max_size=4).map(tuple)


@settings(max_examples=30, deadline=None)
@given(SIZES)
def test_sizes_and_filling_order(size: tuple[int, ...]) -> None:
    def fresh() -> tinygan.Generator:
        return tinygan.Generator().manual_seed(9)

    a, b = tinygan.rand(*size, generator=fresh()), tinygan.rand(size, generator=fresh())
    flat = tinygan.rand(math.prod(size), generator=fresh())
    assert a.shape == b.shape == size == tinygan.randn(size=size).shape
    assert np.array_equal(a.numpy(), b.numpy())
    assert np.array_equal(a.numpy().reshape(-1), flat.numpy())
    assert tinygan.randint(5, size).shape == size
    assert tinygan.normal(0.0, 1.0, size).shape == size
    assert tinygan.uniform(2.0, 3.0, size).shape == size


def channels_last(*shape: int, dtype: type = np.float32) -> tinygan.Tensor:
    n, c, h, w = shape
    return tinygan.from_numpy(np.zeros((n, h, w, c), dtype).transpose(0, 3, 1, 2))


def test_like_keeps_memory_order_and_fills_in_logical_order() -> None:
    x = channels_last(2, 3, 4, 5)
    a = tinygan.randn_like(x, generator=tinygan.Generator())
    b = tinygan.randn(2, 3, 4, 5, generator=tinygan.Generator())
    assert a.array.strides == x.array.strides
    assert np.array_equal(a.numpy(), b.numpy())
    assert tinygan.rand_like(x, dtype=tinygan.float64).dtype == np.float64
    assert tinygan.randint_like(x, 3).dtype == np.float32
    x.normal_(generator=tinygan.Generator())
    assert np.array_equal(x.numpy(), b.numpy())


def test_dtypes_and_requires_grad() -> None:
    assert tinygan.rand(2).dtype == np.float32
    assert tinygan.randn(2, dtype=tinygan.float16).dtype == np.float16
    assert tinygan.randn(2, requires_grad=True).requires_grad
    assert tinygan.randint(0, 200, (50,), dtype=tinygan.uint8).dtype == np.uint8
    with pytest.raises(TypeError, match="floating-point dtype"):
        tinygan.rand(2, dtype=tinygan.int64)


def test_normal_takes_tensors() -> None:
    mean = tinygan.from_numpy(np.array([[0.0], [100.0]], np.float32))
    std = tinygan.from_numpy(np.array([0.0, 1.0, 2.0], np.float32)).requires_grad_()
    x = tinygan.normal(mean, std, generator=tinygan.Generator())
    assert x.shape == (2, 3) and not x.requires_grad
    assert x.numpy()[:, 0].tolist() == [0, 100]
    assert tinygan.normal(mean).shape == (2, 1)
    assert tinygan.normal(1.0, std).shape == (3,)
    x = tinygan.normal(5.0, 0.0, (4,))
    assert x.tolist() == [5.0] * 4
    for arguments in [(0.0, 1.0), (mean, 1.0, (2, 1))]:
        with pytest.raises(TypeError, match="normal: expected"):
            tinygan.normal(*arguments)
    with pytest.raises(RuntimeError, match="std >= 0"):
        tinygan.normal(0.0, -1.0, (2,))


def test_in_place() -> None:
    x = tinygan.from_numpy(np.zeros((40, 50), np.float32))
    array, version = x.array, x.version[0]
    assert x.uniform_(2.0, 3.0) is x
    assert x.array is array and x.version[0] > version
    assert 2 <= array.min() < 2.1 and 2.9 < array.max() < 3
    x.normal_(10.0, 0.1)
    assert abs(array.mean() - 10) < 0.02
    x.bernoulli_(0.25)
    assert set(array.reshape(-1).tolist()) == {0.0, 1.0} and abs(array.mean() - 0.25) < 0.05
    x.bernoulli_(tinygan.from_numpy(np.ones((40, 50), np.float32)))
    assert (array == 1).all()
    x.random_(3, 6)
    assert set(array.reshape(-1).tolist()) == {3.0, 4.0, 5.0}
    x.random_(4)
    assert set(array.reshape(-1).tolist()) == {0.0, 1.0, 2.0, 3.0}
    x.random_()
    assert array.max() > 2**22 and array.max() <= 2**24 and (array == np.floor(array)).all()
    i = tinygan.from_numpy(np.zeros(100, np.int64)).random_()
    assert i.numpy().min() >= 0 and i.numpy().max() > 2**60
    with pytest.raises(RuntimeError, match="low <= high"):
        x.uniform_(1.0, 0.0)
    with pytest.raises(RuntimeError, match="std >= 0"):
        x.normal_(0.0, -1.0)


def test_in_place_on_a_leaf_is_refused_while_recording() -> None:
    x = tinygan.zeros(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        x.normal_()
    with tinygan.no_grad():
        x.normal_()
    assert x.requires_grad


def test_in_place_after_use_is_noticed() -> None:
    x = tinygan.zeros(3)
    w = tinygan.ones(3, requires_grad=True)
    y = (x * w).sum()
    x.normal_()
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_errors() -> None:
    with pytest.raises(RuntimeError, match="negative"):
        tinygan.rand(2, -1)
    with pytest.raises(RuntimeError, match="low < high"):
        tinygan.randint(3, 3, (2,))
    with pytest.raises(TypeError, match="randint"):
        tinygan.randint(3)
    with pytest.raises(RuntimeError, match="probability"):
        tinygan.bernoulli(tinygan.rand(3), 1.5)
    with pytest.raises(TypeError, match="probabilities"):
        tinygan.bernoulli(tinygan.randint(2, (3,)))


# -- dropout --------------------------------------------------------------------------------------


@pytest.fixture
def seeded() -> None:
    tinygan.manual_seed(0)


@pytest.mark.usefixtures("seeded")
def test_dropout_keeps_the_mean_and_passes_the_mask_to_the_gradient() -> None:
    x = tinygan.ones(300, 100, requires_grad=True)
    y = F.dropout(x, 0.3)
    values = y.detach().numpy()
    assert set(np.unique(values)) == {np.float32(0), np.float32(1 / 0.7)}
    assert abs((values == 0).mean() - 0.3) < 0.01
    y.backward(tinygan.ones(300, 100))
    assert x.grad is not None and np.array_equal(x.grad.numpy(), values)
    assert not np.array_equal(F.dropout(x, 0.3).detach().numpy(), values)


@pytest.mark.usefixtures("seeded")
def test_dropout_at_the_ends_and_in_evaluation() -> None:
    x = tinygan.rand(5, 6)
    assert F.dropout(x, 0.5, training=False) is x
    assert F.dropout(x, 0.0) is x
    assert not F.dropout(x, 1.0).numpy().any()
    for p in (-0.1, 1.1):
        with pytest.raises(ValueError, match="probability p in"):
            F.dropout(x, p)


@pytest.mark.usefixtures("seeded")
def test_dropout_in_place_and_memory_order() -> None:
    x = channels_last(2, 8, 4, 4)
    x.uniform_(1.0, 2.0)
    y = F.dropout(x, 0.5)
    assert y.array.strides == x.array.strides
    z = F.dropout(x, 0.5, inplace=True)
    assert z is x and (x.numpy() == 0).any()


@pytest.mark.usefixtures("seeded")
def test_dropout_of_channels() -> None:
    x = channels_last(20, 30, 4, 4)
    x.fill_(1.0)
    y = F.dropout2d(x, 0.4)
    assert y.array.strides == x.array.strides
    means = y.numpy().mean((2, 3))
    assert np.allclose(np.unique(means), [0, 1 / 0.6])
    assert abs((means == 0).mean() - 0.4) < 0.1
    y = F.dropout1d(tinygan.ones(30, 5), 0.5).numpy()
    assert set(y.std(1).tolist()) == {0.0} and set(y[:, 0].tolist()) == {0.0, 2.0}
    with pytest.raises(RuntimeError, match=r"\(N, C, L\)"):
        F.dropout1d(tinygan.ones(2, 3, 4, 5))
    with pytest.raises(RuntimeError, match=r"\(N, C, H, W\)"):
        F.dropout2d(tinygan.ones(2))


# -- every device ---------------------------------------------------------------------------------


def test_the_stream_is_the_same_on_every_device(device: str) -> None:
    def draw(device: str) -> list[np.ndarray]:
        g = tinygan.Generator(device).manual_seed(5)
        drawn = [
            tinygan.rand(7, generator=g, device=device),
            tinygan.randn(3, 5, generator=g, device=device, dtype=tinygan.float64),
            tinygan.randint(100, (11,), generator=g),
            tinygan.randperm(13, generator=g, device=device),
            tinygan.normal(1.0, 2.0, (3,), generator=g),
            tinygan.bernoulli(tinygan.full((9,), 0.5, device=device), generator=g),
            tinygan.multinomial(tinygan.ones(6, device=device), 4, generator=g),
            tinygan.multinomial(tinygan.ones(6, device=device), 4, True, generator=g),
            tinygan.zeros(4, device=device).uniform_(1.0, 2.0, generator=g),
            tinygan.zeros(4, device=device).random_(generator=g),
            g.get_state(),
        ]
        assert all(x.device == device for x in drawn)
        return [x.cpu().numpy() for x in drawn]

    for a, b in zip(draw(device), draw("cpu"), strict=True):
        assert np.allclose(a, b, rtol=1e-6, atol=1e-6)


def test_manual_seed_reaches_every_device(device: str) -> None:
    tinygan.manual_seed(3)
    a = tinygan.rand(5, device=device).cpu().numpy()
    saved = tinygan.get_rng_state(device)
    b = F.dropout(tinygan.ones(50, device=device)).cpu().numpy()
    tinygan.manual_seed(3)
    assert np.array_equal(tinygan.rand(5, device=device).cpu().numpy(), a)
    tinygan.set_rng_state(saved.cpu(), device)
    assert np.array_equal(F.dropout(tinygan.ones(50, device=device)).cpu().numpy(), b)


def test_drawing_waits_for_no_device() -> None:
    x = tinygan.ones(4, 5, device="cuda")
    with strict_cupy.no_synchronization():
        tinygan.manual_seed(0)
        tinygan.rand(3, device="cuda")
        tinygan.randn(3, device="cuda", dtype=tinygan.float64)
        tinygan.randint(3, (4,), device="cuda")
        tinygan.randperm(5, device="cuda")
        x.multinomial(2), x.multinomial(2, True)
        F.dropout(x), F.dropout2d(x)
        x.normal_().uniform_().bernoulli_(0.5).random_()


def test_a_generator_of_another_device_is_refused() -> None:
    with pytest.raises(DeviceError, match="the generator is on cpu"):
        tinygan.rand(3, generator=tinygan.Generator(), device="cuda")


# -- the kernels against the reference ------------------------------------------------------------


@pytest.fixture(params=[1, 3])
def number(request: pytest.FixtureRequest) -> Iterator[int]:
    before = threads.get_num_threads()
    threads.set_num_threads(request.param)
    yield request.param
    threads.set_num_threads(before)


def by_kernel_and_reference(name: str, *arrays: np.ndarray, **static: Any) -> list[np.ndarray]:
    states = [np.array([77, 2**32 - 50], np.uint64) for _ in range(2)]
    y = getattr(kernels, name)(states[0], *arrays, **static)
    z = REGISTRY[name].reference(np, states[1], *arrays, **static)
    assert y is not NotImplemented and np.array_equal(*states)
    assert y.dtype == z.dtype and y.shape == z.shape and y.strides == z.strides
    return [y, z]


@pytest.mark.usefixtures("number")
@pytest.mark.parametrize("shape", [(), (0,), (1,), (5,), (3, 7), (4096,), (4097,), (3, 50_001)])
def test_kernels_of_uniform_and_normal(shape: tuple[int, ...]) -> None:
    y, z = by_kernel_and_reference("random_uniform", shape=shape, dtype=np.float32)
    assert np.array_equal(y, z)
    y, z = by_kernel_and_reference("random_normal", shape=shape, dtype=np.float32)
    assert np.allclose(y, z, rtol=1e-5, atol=3e-6)
    out = np.empty(shape, np.float32)
    state = np.array([77, 2**32 - 50], np.uint64)
    assert kernels.random_normal(state, shape=shape, dtype=np.float32, out=out) is out
    assert np.array_equal(out, y)


@pytest.mark.usefixtures("number")
@pytest.mark.parametrize("shape", [(3, 7), (2, 3, 5), (5, 3, 7, 7), (64, 65, 5, 4), (1, 1, 1, 1)])
@pytest.mark.parametrize("p", [0.3, 1.0])
def test_kernel_of_the_dropout_mask(shape: tuple[int, ...], p: float) -> None:
    x = np.zeros(shape, np.float32)
    arrays = [x]
    if len(shape) == 4:
        arrays.append(np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2))
    masks = []
    for like in arrays:
        y, z = by_kernel_and_reference("dropout_mask", like, p=p, dims=len(shape))
        assert np.array_equal(y, z)
        masks.append(y)
    assert np.array_equal(masks[0], masks[-1])  # whatever the memory order


def test_kernels_decline_other_types() -> None:
    state = np.zeros(2, np.uint64)
    for name in ("random_uniform", "random_normal"):
        draw = getattr(kernels, name)
        assert draw(state, shape=(4,), dtype=np.float16) is NotImplemented
        out = np.empty((4, 4), np.float32).T
        assert draw(state, shape=(4, 4), dtype=np.float32, out=out[:, 1:]) is NotImplemented
    x = np.zeros((4, 5, 6, 7), np.float32)
    for like in (x.astype(np.float16), x.transpose(0, 2, 1, 3), x[:0]):
        assert kernels.dropout_mask(state, like, p=0.5, dims=like.ndim) is NotImplemented
    assert state.tolist() == [0, 0]


def test_kernel_of_the_normal_at_the_extreme_words() -> None:
    x = tinygan.randn(2_000_000, generator=tinygan.Generator().manual_seed(0)).numpy()
    assert np.isfinite(x).all() and 4.5 < np.abs(x).max() < 6.8
