"""Spectral normalisation: a weight divided by its largest singular value."""

from __future__ import annotations

from typing import Any, TypeVar

from tinygan import ops
from tinygan.autograd import Parameter, Tensor, no_grad
from tinygan.nn.conv import ConvTranspose1d, ConvTranspose2d
from tinygan.nn.module import Module

M = TypeVar("M", bound=Module)


@no_grad()
def power_iteration(matrix: Tensor, u: Tensor, v: Tensor, count: int, eps: float) -> None:
    """v <- M^T u / |M^T u|, u <- M v / |M v|, `count` times in place.

    The vectors tend to those of the largest singular value, u^T M v to the value. No length is less
    than `eps`.
    """
    for _ in range(count):
        v.copy_(_unit(ops.matmul(matrix.T, u), eps))
        u.copy_(_unit(ops.matmul(matrix, v), eps))


def _unit(x: Tensor, eps: float) -> Tensor:
    return x / (x * x).sum().sqrt().clamp(eps)


class SpectralNorm:
    """The hook that computes W = V / sigma(V) before each forward of a module.

    sigma = u^T V v for the vectors u and v of a power iteration, which are buffers of the module
    and constants of the derivative. In training each forward makes `n_power_iterations`.
    """

    def __init__(self, name: str, n_power_iterations: int, eps: float, dim: int) -> None:
        self.name = name
        self.n_power_iterations = n_power_iterations
        self.eps = eps
        self.dim = dim

    def matrix(self, weight: Tensor) -> Tensor:
        """V as a matrix whose rows are the outputs: dimension `dim` first, the rest flattened."""
        if self.dim:
            rest = [d for d in range(weight.ndim) if d != self.dim]
            weight = weight.permute(self.dim, *rest)
        return weight.reshape(weight.shape[0], -1)

    def weight(self, module: Module, iterate: bool) -> Tensor:
        """V / sigma, after the power iteration if `iterate`."""
        original = getattr(module, f"{self.name}_orig")
        u, v = getattr(module, f"{self.name}_u"), getattr(module, f"{self.name}_v")
        matrix = self.matrix(original)
        if iterate:
            power_iteration(matrix, u, v, self.n_power_iterations, self.eps)
            u, v = u.clone(), v.clone()  # the next iteration is not to change this graph
        sigma = (u * ops.matmul(matrix, v)).sum()
        return original / sigma

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.weight(module, iterate=module.training))


def spectral_norm(
    module: M,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> M:
    """W = V / sigma(V), sigma the largest singular value, for the parameter `name` of a module.

    The parameter becomes NAME_orig, with buffers NAME_u and NAME_v. `dim` is the dimension of the
    outputs, by default 1 for transposed convolutions and 0 otherwise.
    Source: Miyato et al. (2018), algorithm 1.
    """
    if n_power_iterations <= 0:
        raise ValueError(
            f"Expected n_power_iterations to be positive, but got {n_power_iterations}"
        )
    if any(
        isinstance(hook, SpectralNorm) and hook.name == name
        for hook in module._forward_pre_hooks.values()
    ):
        raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    if dim is None:
        dim = 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d)) else 0
    weight = module.get_parameter(name)
    hook = SpectralNorm(name, n_power_iterations, eps, dim)
    rows, columns = hook.matrix(weight.detach()).shape
    drawn = [ops.randn(n, dtype=weight.dtype, device=weight.device) for n in (rows, columns)]
    u, v = (_unit(x, eps) for x in drawn)
    del module._parameters[name]
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.detach())  # a plain attribute, until the hook sets it
    module.register_buffer(f"{name}_u", u)
    module.register_buffer(f"{name}_v", v)
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Take spectral_norm off again; the parameter is then the normalised weight."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, SpectralNorm) and hook.name == name:
            with no_grad():
                weight = hook.weight(module, iterate=False)
            for attribute in (name, f"{name}_u", f"{name}_v", f"{name}_orig"):
                delattr(module, attribute)
            module.register_parameter(name, Parameter(weight.detach()))
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"spectral_norm of {name!r} not found in {type(module).__name__}")
