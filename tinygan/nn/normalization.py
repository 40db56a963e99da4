"""Normalisation by the moments of the batch, the sample, a group or a channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygan import ops
from tinygan.autograd import Tensor, add_to, perform
from tinygan.nn import functional as F
from tinygan.nn import init
from tinygan.nn.linear import empty_parameter
from tinygan.nn.module import Module


class _Affine(Module):
    """y = weight x + bias after normalisation, initially 1 and 0; neither if not `affine`."""

    weight: Tensor | None
    bias: Tensor | None

    def _make_affine(
        self, shape: tuple[int, ...], affine: bool, bias: bool, device: Any, dtype: Any
    ) -> None:
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            parameter = empty_parameter(shape, device, dtype) if wanted else None
            self.register_parameter(name, parameter)

    def reset_parameters(self) -> None:
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class _ByChannel(_Affine):
    """Channels in dimension 1, with running moments if asked for."""

    newer_state = frozenset({"num_batches_tracked"})  # than PyTorch 0.4.1
    ranks: tuple[int, ...]  # of the inputs that are accepted
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        bias: bool,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self._make_affine((num_features,), affine, bias, device, dtype)
        mean = var = count = None
        if track_running_stats:
            mean = ops.zeros(num_features, device=device, dtype=dtype)
            var = ops.ones(num_features, device=device, dtype=dtype)
            count = ops.zeros((), device=device, dtype="int64")
        self.register_buffer("running_mean", mean)
        self.register_buffer("running_var", var)
        self.register_buffer("num_batches_tracked", count)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the moments: mean 0, variance 1, no batches."""
        if self.track_running_stats:
            init.zeros_(self.running_mean)  # type: ignore[arg-type]
            init.ones_(self.running_var)  # type: ignore[arg-type]
            init.zeros_(self.num_batches_tracked)  # type: ignore[arg-type]

    def reset_parameters(self) -> None:
        self.reset_running_stats()
        super().reset_parameters()

    def _check_input(self, input: Tensor) -> None:
        if input.ndim not in self.ranks:
            expected = " or ".join(f"{n}D" for n in self.ranks)
            raise ValueError(f"expected {expected} input (got {input.ndim}D input)")

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_ByChannel):
    _normalize = staticmethod(F.batch_norm)

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, bias, device, dtype
        )

    def forward(self, input: Tensor) -> Tensor:
        self._check_input(input)
        tracks = self.training and self.num_batches_tracked is not None
        momentum = self.momentum
        if tracks:
            count = self.num_batches_tracked
            assert count is not None
            perform(add_to, count.array, 1, changed=[count])
            if momentum is None:  # the plain mean over all batches so far, counted on the host
                momentum = 1 / count.item()
        use_running = tracks or not self.training
        return self._normalize(
            input,
            self.running_mean if use_running else None,
            self.running_var if use_running else None,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            momentum or 0.0,
            self.eps,
        )


class BatchNorm1d(_BatchNorm):
    """(x - mean) / sqrt(var + eps) * weight + bias per channel of (N, C) or (N, C, L).

    The moments are the batch's in training, and the running ones in evaluation: running =
    (1 - momentum) running + momentum batch, their plain mean if momentum is None.
    Source: Ioffe and Szegedy (2015).
    """

    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """(x - mean) / sqrt(var + eps) * weight + bias per channel of (N, C, H, W).

    Running moments as in BatchNorm1d. Source: Ioffe and Szegedy (2015).
    """

    ranks = (4,)


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation by the moments of the batches of all ranks, which are of one size.

    With one rank, and in evaluation, the same as BatchNorm1d and BatchNorm2d.
    """

    ranks = (2, 3, 4)
    _normalize = staticmethod(ops.sync_batch_norm)

    @classmethod
    def convert_sync_batchnorm(cls, module: Module) -> Module:
        """The module with SyncBatchNorm in place of batch normalisation, on the same tensors."""
        if isinstance(module, _BatchNorm):
            made = cls(
                module.num_features,
                module.eps,
                module.momentum,
                module.affine,
                module.track_running_stats,
                bias=module.bias is not None,
            )
            made._parameters.update(module._parameters)
            made._buffers.update(module._buffers)
            return made.train(module.training)
        for name, child in module.named_children():
            setattr(module, name, cls.convert_sync_batchnorm(child))
        return module


class _InstanceNorm(_ByChannel):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, bias, device, dtype
        )

    def forward(self, input: Tensor) -> Tensor:
        self._check_input(input)
        single = input.ndim == self.ranks[0]
        y = F.instance_norm(
            input.unsqueeze(0) if single else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum or 0.0,
            self.eps,
        )
        return y.squeeze(0) if single else y


class InstanceNorm1d(_InstanceNorm):
    """Per sample and channel (x - mean) / sqrt(var + eps), (N, C, L) or (C, L).

    Source: Ulyanov, Vedaldi and Lempitsky (2016).
    """

    ranks = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Per sample and channel (x - mean) / sqrt(var + eps), (N, C, H, W) or (C, H, W).

    Source: Ulyanov, Vedaldi and Lempitsky (2016).
    """

    ranks = (3, 4)


class LayerNorm(_Affine):
    """(x - mean) / sqrt(var + eps) * weight + bias over the last dimensions, `normalized_shape`.

    Source: Ba, Kiros and Hinton (2016).
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shape = normalized_shape
        self.normalized_shape = tuple(shape) if isinstance(shape, Sequence) else (int(shape),)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._make_affine(self.normalized_shape, elementwise_affine, bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class GroupNorm(_Affine):
    """Per sample (x - mean) / sqrt(var + eps) over groups of channels, * weight + bias.

    Source: Wu and He (2018).
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(
                f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self._make_affine((num_channels,), affine, bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )
