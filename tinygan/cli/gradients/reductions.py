"""Sums, means, extremes, products and norms, over all dimensions, one or several."""

from __future__ import annotations

import math

import numpy as np

from tinygan import ops
from tinygan.cli.gradients.table import nonzero, normal, row

_x = normal(2, 3, 2)


def _with_zeros(random: np.random.Generator) -> np.ndarray:
    x = random.standard_normal((3, 4))
    x[0, 1] = x[1, 2] = x[1, 3] = 0.0
    return x


for _dim, _keepdim in ((None, False), (1, False), (-1, True), ((0, 2), False), ((0, 2), True)):
    _options = {"dim": _dim, "keepdim": _keepdim}
    row("sum", lambda x, options=_options: ops.sum(x, **options) ** 2, _x)
    row("mean", lambda x, options=_options: ops.mean(x, **options) ** 2, _x)
    row("amax", lambda x, options=_options: ops.amax(x, **options) ** 2, _x)
    row("amin", lambda x, options=_options: ops.amin(x, **options) ** 2, _x)
    row("logsumexp", lambda x, options=_options: ops.logsumexp(x, **options), _x)
    row("var", lambda x, options=_options: ops.var(x, **options), _x)
    row("std", lambda x, options=_options: ops.std(x, correction=0, **options), _x)
    row("norm", lambda x, options=_options: ops.norm(x, **options), _x)
for _p in (0, 1, 1.5, 3, -1, math.inf, -math.inf):
    row("norm", lambda x, p=_p: ops.norm(x, p, dim=1) ** 2 * x.sum(), nonzero(2, 3))
row("max", lambda x: ops.max(x) ** 2, normal(2, 3))
row("max", lambda x: ops.max(x, 1).values ** 2, normal(2, 3))
row("min", lambda x: ops.min(x, 0, True).values ** 2, normal(2, 3))
row("var_mean", lambda x: ops.var_mean(x, 1), normal(2, 3))
row("prod", ops.prod, normal(2, 3))
row("prod", lambda x: ops.prod(x, 1), _with_zeros, order=3)
row("prod", lambda x: ops.prod(x, 0, keepdim=True), _with_zeros)
row("cumsum", lambda x: ops.cumsum(x, 1) ** 2, normal(2, 3))
row("cumsum", lambda x: ops.cumsum(x, -2) ** 2, normal(2, 3))
