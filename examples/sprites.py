"""Little creatures in a few colours, drawn on the spot: data for the examples about sprites."""

from colorsys import hsv_to_rgb

import numpy as np

from tinygan.data import Images

SIDE = 32


def draw_sprites(count: int, seed: int = 0) -> Images:
    """So many creatures, uint8 (N, 32, 32, 3): mirrored blobs with legs, eyes and an outline."""
    random = np.random.default_rng(seed)
    images = np.stack([creature(random) for _ in range(count)])
    return Images(images, name="sprites", source=f"drawn with seed {seed}")


def creature(random: np.random.Generator) -> np.ndarray:
    """(32, 32, 3) in two body colours on black."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] + 0.5
    x = np.abs(x - SIDE / 2)  # mirrored
    centre, height, width = 14 + 3 * random.random(), 6 + 4 * random.random(), random.uniform(5, 10)
    body = ((y - centre) / height) ** 2 + (x / width) ** 2 < 1
    head = (y - (centre - height)) ** 2 + x**2 < random.uniform(3, 6) ** 2
    for leg in range(random.integers(1, 4)):
        at = width * (leg + 0.6) / 3
        body |= (np.abs(x - at) < 1.3) & (y > centre) & (y < min(centre + height + 4, SIDE - 2))
    if random.random() < 0.5:  # arms, or wings
        body |= (np.abs(y - centre + 0.5 * (x - width)) < 1.6) & (x < width + 4)
    shape = body | head
    first, second = colour(random), colour(random)
    image = np.zeros((SIDE, SIDE, 3))
    image[body] = first
    image[head] = second
    stripes = int(random.integers(2, 5))
    image[body & ~head & ((y // stripes) % 2 == 0)] *= 0.75
    inside = shape & np.roll(shape, 1, 0) & np.roll(shape, -1, 0)
    inside &= np.roll(shape, 1, 1) & np.roll(shape, -1, 1)
    image[shape & ~inside] *= 0.4
    eye = (np.abs(y - (centre - height)) < 1.1) & (np.abs(x - 2) < 1.1)
    image[eye & shape] = 1.0
    return np.rint(255 * image).astype(np.uint8)


def colour(random: np.random.Generator) -> np.ndarray:
    """A bright colour, red, green and blue in 0..1."""
    return np.array(hsv_to_rgb(random.random(), 0.65, 1.0))
