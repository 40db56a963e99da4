"""An invisible mark in the low frequencies of a picture, found again by who has the key.

A picture's cosine spectrum is A_uv = mean of Y(y, x) b_u(y) b_v(x), b_0 = 1 and b_u(y) = sqrt(2)
cos(pi u (y + 1/2) / H); Y is its luma in grey levels. Enlarging or shrinking the picture leaves
A_uv where it is, and JPEG keeps low frequencies best, so the mark lives there: u, v < B. The key
draws a sign s_uv for each, and the evidence for it is

    T = sum s g(A) / sqrt(sum g(A)^2),    g(a) = 2 a m / (a^2 + m^2),    m = SCALE / B.

g is largest for coefficients of size m and small for the picture's own large ones, so marking
is cheap: those close to 0 are moved to the side that the key says, as little as survives what
`attacks` do. In a picture that knows nothing of the key the signs are independent coin tosses, and
whatever the picture, P(T >= t) <= 3.18 P(Z >= t), Z standard normal (Bentkus and Dzindzalieta, "A
tight Gaussian bound for weighted sums of Rademacher random variables", 2015). That is how sure a
found mark is.

Spread over the spectrum as in Cox et al., "Secure spread spectrum watermarking for multimedia"
(1997), with signs that are chosen knowing the picture as in Malvar and Florencio, "Improved spread
spectrum" (2003). It does not survive cropping, turning or mirroring.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from hashlib import sha256
from math import erfc, sqrt
from typing import NamedTuple

import numpy as np

from tinygan.data.dataset import as_picture

KEY = "tinygan"  # known to everyone who reads this: a key of one's own makes a mark one's own
BANDS = (12, 16, 24, 32, 48, 64)  # B
SHARES = (0.2, 0.4)  # of a picture's side, between which B lies: half of it survives halving
SCALE = 2.5  # grey levels
SURE, LIKELY = 1e-6, 1e-3  # false alarms in so many pictures
AIM = 6.5  # the T that a mark has after each attack
LEAST_PSNR = 34.0  # dB; below it a mark would be seen
STRENGTHS = tuple(0.1 * 1.3**i for i in range(20))  # of m
REACH = 1.5  # coefficients on the wrong side are moved if they are below this times the strength
ROUNDS = 6

LUMA = np.array([0.299, 0.587, 0.114])


class Found(NamedTuple):
    """T, and the chance that a picture without the mark has as much."""

    evidence: float
    chance: float


def marked(pixels: np.ndarray, key: str = KEY) -> np.ndarray:
    """The picture, uint8 H W C or H W, with the key's mark, as faint as it can be.

    Of the bands that suit its size it has the one whose mark survives most of the attacks, and is
    the faintest of those. A picture too small or too busy for a mark that survives all has the
    strongest that is not seen; `found` tells.
    """
    best, rank = pixels, (-1, 0.0)
    for band in _bands(pixels):
        tried, survived = _strengthened(pixels, key, band)
        if rank < (survived, psnr(pixels, tried)):
            best, rank = tried, (survived, psnr(pixels, tried))
    return best


def _strengthened(pixels: np.ndarray, key: str, band: int) -> tuple[np.ndarray, int]:
    """The picture with the faintest mark that survives, and how many attacks that one does."""
    best, survived = pixels, 0
    for strength in STRENGTHS:
        tried = _pushed(pixels, key, strength, band)
        if psnr(pixels, tried) < LEAST_PSNR:
            break
        left = [found([attack(tried)], key) for attack in attacks()]
        best, survived = tried, sum(one.chance <= SURE for one in left)
        if min(one.evidence for one in left) >= AIM:
            break
    return best, survived


def found(frames: Sequence[np.ndarray], key: str = KEY) -> Found:
    """The evidence for the key's mark in a picture, or in all frames of one together."""
    side = min(min(frame.shape[:2]) for frame in frames)
    bands = [band for band in BANDS if band <= side] or [side]
    evidence = max(_evidence(frames, key, band) for band in bands)
    return Found(evidence, min(1.0, len(bands) * 3.18 * 0.5 * erfc(evidence / sqrt(2))))


def psnr(x: np.ndarray, y: np.ndarray) -> float:
    """10 log10(255^2 / mean (x - y)^2), in dB."""
    square = float(np.mean((x.astype(np.float64) - y) ** 2))
    return float("inf") if square == 0 else 10 * float(np.log10(255**2 / square))


def jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    """What JPEG at this quality leaves of a picture."""
    from PIL import Image

    file = io.BytesIO()
    as_picture(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)).reshape(pixels.shape)


def resized(pixels: np.ndarray, factor: float) -> np.ndarray:
    """A picture with so many times its rows and columns, by bicubic interpolation."""
    from PIL.Image import Resampling

    picture = as_picture(pixels)
    size = [max(1, round(side * factor)) for side in picture.size]
    return np.asarray(picture.resize(size, Resampling.BICUBIC))


def attacks() -> Iterable[Callable[[np.ndarray], np.ndarray]]:
    """What a mark is made to survive."""
    return (
        lambda pixels: jpeg(pixels, 75),
        lambda pixels: jpeg(resized(pixels, 0.5), 75),
        lambda pixels: jpeg(pixels, 50),
    )


def _pushed(pixels: np.ndarray, key: str, strength: float, band: int) -> np.ndarray:
    """The picture with its small coefficients on the key's side, at least `strength` m from 0.

    In a few rounds: what does not fit between black and white is made up for elsewhere.
    """
    signs = _signs(key)[:band, :band]
    least = strength * SCALE / band
    rows, columns = (_cosines(side, band) for side in pixels.shape[:2])
    first = _luma(pixels)
    own = signs * _spectrum(first, band)
    wanted = np.where((own > -REACH * least) & (own < least), least, own) * signs
    wanted[0, 0] = signs[0, 0] * own[0, 0]
    x = pixels.astype(np.float64)
    for _ in range(ROUNDS):
        missing = wanted - _spectrum(_luma(x), band)
        step = rows.T @ missing @ columns
        x = np.clip(x + (step if x.ndim == 2 else step[..., None]), 0, 255)
    return np.rint(x).astype(np.uint8)


def _evidence(frames: Sequence[np.ndarray], key: str, band: int) -> float:
    m = SCALE / band
    total = np.zeros((band, band))
    for frame in frames:
        a = _spectrum(_luma(frame), band)
        total += 2 * a * m / (a * a + m * m)
    total[0, 0] = 0
    # the last term, far below any mark, keeps rounding in a flat picture from counting
    length = sqrt(float((total * total).sum()) + (1e-3 * band) ** 2)
    return float((_signs(key)[:band, :band] * total).sum()) / length


def _bands(pixels: np.ndarray) -> list[int]:
    """The bands that suit a picture of this size."""
    side = min(pixels.shape[:2])
    low, high = SHARES
    return [band for band in BANDS if low * side <= band <= high * side] or (
        [BANDS[-1]] if side > BANDS[-1] else [min(BANDS[0], side)]
    )


def _luma(pixels: np.ndarray) -> np.ndarray:
    x = pixels.astype(np.float64)
    if x.ndim == 2:
        return x
    return x[..., 0] if x.shape[2] == 1 else x @ LUMA


def _spectrum(y: np.ndarray, band: int) -> np.ndarray:
    """A_uv for u, v < band."""
    rows, columns = (_cosines(side, band) for side in y.shape)
    return rows @ y @ columns.T / y.size


@cache
def _cosines(side: int, band: int) -> np.ndarray:
    """b_u(y), (band, side)."""
    u, y = np.arange(band)[:, None], np.arange(side)
    return np.where(u == 0, 1.0, sqrt(2) * np.cos(np.pi * u * (y + 0.5) / side))


@cache
def _signs(key: str) -> np.ndarray:
    """1 or -1 for each frequency, by the sha256 of the key."""
    seed = int.from_bytes(sha256(key.encode()).digest()[:16], "little")
    random = np.random.Generator(np.random.Philox(key=seed))
    return random.integers(0, 2, (BANDS[-1], BANDS[-1])) * 2.0 - 1.0
