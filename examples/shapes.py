"""Circles, squares and triangles over textures, drawn on the spot with the class of each pixel."""

import numpy as np

SIDE = 32
CLASSES = ("background", "circle", "square", "triangle")


def draw_shapes(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """So many images, uint8 (N, 32, 32, 3), and their masks, uint8 (N, 32, 32), of CLASSES.

    One or two shapes in each, turned, the second in front. All colours are drawn alike, so none
    tells what a pixel belongs to.
    """
    random = np.random.default_rng(seed)
    images = np.empty((count, SIDE, SIDE, 3), np.uint8)
    masks = np.zeros((count, SIDE, SIDE), np.uint8)
    for image, mask in zip(images, masks, strict=True):
        image[:] = texture(random)
        for _ in range(random.integers(1, 3)):
            kind = random.integers(1, len(CLASSES))
            inside = shape(CLASSES[kind], random)
            image[inside] = random.uniform(0, 255, 3)
            mask[inside] = kind
    return images, masks


def shape(name: str, random: np.random.Generator) -> np.ndarray:
    """Where a shape is, (32, 32): of any angle, with 120 to 300 pixels if it fits."""
    angle, area = random.uniform(0, 2 * np.pi), random.uniform(120, 300)
    across, down = np.mgrid[:SIDE, :SIDE] + 0.5 - random.uniform(7, SIDE - 7, (2, 1, 1))
    x = np.cos(angle) * across + np.sin(angle) * down
    y = np.cos(angle) * down - np.sin(angle) * across
    if name == "circle":
        return np.hypot(x, y) < np.sqrt(area / np.pi)
    if name == "square":
        return np.maximum(abs(x), abs(y)) < np.sqrt(area) / 2
    inner = np.sqrt(area / np.sqrt(27))  # radius of the circle in an equilateral triangle
    return np.maximum(abs(x) * np.sqrt(3) / 2 + y / 2, -y) < inner


def texture(random: np.random.Generator) -> np.ndarray:
    """Two colours mixed by waves and by noise, uint8 (32, 32, 3)."""
    across, down = np.mgrid[:SIDE, :SIDE]
    first, second = random.uniform(0, 255, (2, 3))
    wave = random.normal(0, 0.6, 2)
    mixed = 0.5 + 0.5 * np.sin(wave[0] * across + wave[1] * down + random.uniform(0, 2 * np.pi))
    mixed = 0.3 * mixed + random.normal(0.35, 0.05, (SIDE, SIDE))
    colours = first + mixed[..., None] * (second - first)
    return np.clip(colours, 0, 255).astype(np.uint8)
