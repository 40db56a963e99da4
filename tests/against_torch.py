"""The same function of the same numbers in tinygan and in PyTorch: values, types, derivatives."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import tinygan
from tinygan.autograd import grad

TOLERANCE = {"float64": (1e-10, 1e-12), "float32": (2e-5, 1e-6), "float16": (3e-3, 1e-3)}


def same(ours: Any, theirs: Any, what: str) -> None:
    """Equal shape, type and, within the type's precision, elements; NaN equals NaN."""
    assert tuple(ours.shape) == tuple(theirs.shape), what
    dtype = str(theirs.dtype).removeprefix("torch.")
    assert str(ours.dtype) == dtype, what
    ours, theirs = np.asarray(ours.detach()), theirs.detach().numpy(force=True)
    if dtype in TOLERANCE:
        relative, absolute = TOLERANCE[dtype]
        np.testing.assert_allclose(ours, theirs, relative, absolute, err_msg=what)
    else:
        np.testing.assert_array_equal(ours, theirs, err_msg=what)


def _all(results: Any, kind: type) -> list[Any]:
    return [results] if isinstance(results, kind) else list(results)


def compare(f: Callable[..., Any], *arrays: Any, order: int = 2, seed: int = 0) -> None:
    """f(library, *tensors) in both: the results, and the derivatives by the real arrays."""
    random = np.random.default_rng(seed)
    arrays = tuple(np.asarray(a) for a in arrays)
    xs = [tinygan.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    ts = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    ys = _all(f(tinygan, *xs), tinygan.Tensor)
    us = _all(f(torch, *ts), torch.Tensor)
    assert len(ys) == len(us)
    for k, (y, u) in enumerate(zip(ys, us, strict=True)):
        same(y, u, f"result {k}")
        assert y.requires_grad == u.requires_grad, f"result {k}: requires_grad"
    xs = [x for x in xs if x.requires_grad]
    ts = [t for t in ts if t.requires_grad]
    for level in range(1, order + 1):
        ys = [y for y in ys if y.requires_grad]
        us = [u for u in us if u.requires_grad]
        if not us or not ts:
            return
        seeds = [np.asarray(random.standard_normal(u.shape), dtype=str(y.dtype))
                 for y, u in zip(ys, us, strict=True)]  # fmt: skip
        more = level < order
        ours = grad(ys, xs, [tinygan.tensor(g) for g in seeds], create_graph=more,
                    allow_unused=True)  # fmt: skip
        theirs = torch.autograd.grad(us, ts, [torch.tensor(g) for g in seeds], create_graph=more,
                                     allow_unused=True)  # fmt: skip
        ys, us = [], []
        for k, (g, h) in enumerate(zip(ours, theirs, strict=True)):
            what = f"derivative of order {level} by input {k}"
            # where it is zero throughout, one library may say None or a constant, the other not
            g = tinygan.zeros_like(xs[k]) if g is None else g
            h = torch.zeros_like(ts[k]) if h is None else h
            same(g, h, what)
            if g.requires_grad and h.requires_grad:
                ys.append(g)
                us.append(h)


def run_script(script: str, library: str, batches: Any, start: Any) -> Any:
    """The module that a script leaves, with its imports from a library."""
    module = types.ModuleType("script")
    module.__dict__.update(batches=batches, start=start)
    exec(compile(script.format(library=library), "script.py", "exec"), module.__dict__)
    return module


def assert_same_run(script: str, batches: Any) -> None:
    """Both libraries log the same, and end with the same weights and the same sample."""
    reference = run_script(script, "torch", batches, None)
    ours = run_script(script, "tinygan", batches, reference.initial)
    np.testing.assert_allclose(ours.log, reference.log, rtol=1e-4)
    assert len(ours.log) == 3
    for net in ("netG", "netD"):
        mine, yours = getattr(ours, net).state_dict(), getattr(reference, net).state_dict()
        assert list(mine) == list(yours)
        for name, value in yours.items():
            np.testing.assert_allclose(
                mine[name].numpy(), value.numpy(), rtol=1e-4, atol=1e-5, err_msg=name
            )
    np.testing.assert_allclose(ours.sample, reference.sample, rtol=1e-3, atol=1e-4)
