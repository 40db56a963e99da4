"""Generators that copy: pixels whose surroundings fit, and patches joined where they fit best."""

from __future__ import annotations

from math import ceil, prod
from typing import Self

import numpy as np

from tinygan.autograd import Tensor, wrap
from tinygan.backend.errors import UserError
from tinygan.baselines.fitted import Fitted, some, uniform

EXAMPLES = 1000  # images that are copied from
LOOKED_AT = 400  # of them where every pixel is looked up: 784 times an image of 28 x 28
TOLERANCE = 0.1  # what is chosen from differs by at most 1 + this times the least error
REACH = 1  # pixels: pictures of one kind of thing, which lies at the same place in each
ANYWHERE = 1 << 20


class Copying(Fitted):
    """The examples (E, H, W, C), and how far from its place something may be taken from."""

    examples: Tensor
    kept = EXAMPLES

    def __init__(self, shape: tuple[int, ...], latent: int, examples: Tensor, reach: int) -> None:
        super().__init__(shape, latent, examples=examples)
        self.reach = reach
        planes = examples.array.transpose(1, 2, 3, 0)
        self.planes = np.ascontiguousarray(planes, dtype=np.float32)

    @classmethod
    def fit(
        cls,
        images: np.ndarray,
        labels: np.ndarray | None = None,
        seed: int = 0,
        *,
        count: int | None = None,
        **settings: int,
    ) -> Self:
        """Keep `count` of the images N H W C, uint8, at random."""
        height, width, channels = images.shape[1:]
        examples = wrap(np.ascontiguousarray(images[some(images, count or cls.kept, seed)]))
        return cls((channels, height, width), examples, **settings)  # type: ignore[arg-type]


class Texture(Copying):
    """x_i <- a pixel of an example whose surroundings w(x_i) are like those of x_i.

    The surroundings are the pixels above and to the left in a window of `window` x `window`; their
    distance is the sum of squared differences, weighed by a Gaussian around the pixel of a sixth
    of the window. Of all pixels within 1 + TOLERANCE times the least distance one is chosen, each
    as likely as the other.

    Efros and Leung, "Texture synthesis by non-parametric sampling", 1999, who grow from a seed;
    here pixels are filled in the order of reading. `reach` is in pixels: one for textures is
    ANYWHERE.
    """

    kept = LOOKED_AT

    def __init__(
        self, shape: tuple[int, ...], examples: Tensor, *, window: int = 7, reach: int = REACH
    ) -> None:
        if window % 2 == 0 or window < 3:
            raise UserError(f"Texture: expected an odd window of 3 or more, got {window}")
        super().__init__(shape, prod(shape[1:]), examples, reach)
        self.settings = {"window": window, "reach": reach}
        half = window // 2
        distance = np.arange(-half, half + 1) ** 2
        square = distance[: half + 1, None] + distance
        self.weights = np.exp(-square / (2 * (window / 6) ** 2)).astype(np.float32)

    def drawn(self, z: np.ndarray) -> np.ndarray:
        from tinygan.baselines import exemplars  # Numba, not needed before

        u = uniform(z).reshape(len(z), *self.shape[1:])
        return exemplars.grow_textures(u, self.planes, self.weights, self.reach, TOLERANCE)


class Quilting(Copying):
    """Patches of examples, each one that fits its neighbours, joined along the cheapest cut.

    In the order of reading, of all patches whose overlap with what is there already differs by at
    most 1 + TOLERANCE times the least sum of squares one is chosen, each as likely as the other.
    It takes the place of what lies on its side of the path through the overlap along which both
    differ least. Efros and Freeman, "Image quilting for texture synthesis and transfer", 2001.

    Where there are many examples neighbours come from different ones: the next patch of the same
    example fits without any error, and would copy it as a whole. `patch`, unless given, is 5/14 of
    the images' side, and `overlap` 2/5 of that: 10 and 4 for 28 pixels.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        examples: Tensor,
        *,
        patch: int | None = None,
        overlap: int | None = None,
        reach: int = REACH,
    ) -> None:
        patch = max(2, min(shape[1:]) * 5 // 14) if patch is None else patch
        overlap = max(1, patch * 2 // 5) if overlap is None else overlap
        if not 0 < overlap < patch <= min(shape[1:]):
            raise UserError(
                f"Quilting: expected 0 < overlap < patch <= {min(shape[1:])}, the images' side, "
                f"got overlap {overlap} and patch {patch}"
            )
        self.grid = tuple(ceil((side - overlap) / (patch - overlap)) for side in shape[1:])
        super().__init__(shape, prod(self.grid), examples, reach)
        self.settings = {"patch": patch, "overlap": overlap, "reach": reach}

    def drawn(self, z: np.ndarray) -> np.ndarray:
        return self.quilted(z)[0]

    def quilted(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The images, and which example each pixel comes from, N H W."""
        from tinygan.baselines import exemplars  # Numba, not needed before

        u = uniform(z).reshape(len(z), *self.grid)
        patch, overlap = self.settings["patch"], self.settings["overlap"]
        return exemplars.quilt(u, self.planes, patch, overlap, self.reach, TOLERANCE)
