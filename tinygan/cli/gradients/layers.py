"""Rows for the layers: by the input and by every parameter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygan import nn
from tinygan.autograd import Tensor
from tinygan.cli.gradients.table import Domain, integers, nonzero, normal, row, uniform
from tinygan.ops import default_generator, get_rng_state, set_rng_state


def layer(
    make: Callable[[], nn.Module],
    *inputs: Domain,
    training: bool = True,
    order: int = 2,
) -> None:
    """Add a row for the layer that `make` makes, its parameters varied beside its inputs.

    The layer is made afresh for each evaluation, with the same random numbers, so that neither
    running moments nor dropout make it another function.
    """
    module = make()
    names = [name for name, _ in module.named_parameters()]
    shapes = [p.shape for p in module.parameters()]

    def function(*tensors: Tensor) -> Any:
        device = tensors[0].device
        dtype = next(x.dtype for x in tensors if x.is_floating_point())
        used = {"cpu", str(device)}  # weights are drawn on the CPU, dropout's masks on the device
        states = {name: get_rng_state(name) for name in used}
        for name in used:
            default_generator(name).manual_seed(0)
        try:
            fresh = make().to(device, dtype).train(training)
            for name, tensor in zip(names, tensors[len(inputs) :], strict=True):
                path, _, last = name.rpartition(".")
                fresh.get_submodule(path)._parameters[last] = tensor  # type: ignore[assignment]
            return fresh(*tensors[: len(inputs)])
        finally:
            for name, state in states.items():
                set_rng_state(state, name)

    row(
        f"nn.{type(module).__name__}",
        function,
        *inputs,
        *(normal(*shape) for shape in shapes),
        order=order,
    )


image, signal, vectors = normal(2, 4, 4, 4), normal(2, 4, 5), normal(3, 4)

layer(lambda: nn.Identity(), vectors)
layer(lambda: nn.Linear(4, 3), vectors)
layer(lambda: nn.ConditionalBatchNorm1d(3, 5), normal(4, 3), integers(5, 4))
layer(lambda: nn.ConditionalBatchNorm2d(4, 3), image, integers(3, 2))
layer(lambda: nn.MinibatchStd(2), image)
layer(lambda: nn.MinibatchStd(4), normal(4, 3))
layer(lambda: nn.Bilinear(4, 2, 3), vectors, normal(3, 2))
layer(lambda: nn.CosineSimilarity(), vectors, normal(3, 4))
layer(lambda: nn.PairwiseDistance(3.0, keepdim=True), vectors, normal(3, 4))
layer(lambda: nn.Embedding(5, 3), integers(5, 2, 4))
layer(lambda: nn.Conv1d(4, 2, 3, stride=2, padding=1), signal)
layer(lambda: nn.Conv2d(4, 2, 3, stride=2, padding=1), image, order=3)
layer(lambda: nn.Conv2d(4, 2, 3, padding=1, padding_mode="reflect", groups=2), image)
layer(lambda: nn.ConvTranspose1d(4, 2, 4, 2, 1), signal)
layer(lambda: nn.ConvTranspose2d(4, 2, 3, 2, 1, output_padding=1), image, order=3)

layer(lambda: nn.MaxPool1d(2), signal)
layer(lambda: nn.MaxPool2d(3, 2, 1), image)
layer(lambda: nn.AvgPool1d(3, 2, 1), signal)
layer(lambda: nn.AvgPool2d(3, 2, 1), image)
layer(lambda: nn.AdaptiveAvgPool1d(3), signal)
layer(lambda: nn.AdaptiveAvgPool2d((2, 3)), image)

layer(lambda: nn.AdaptiveMaxPool2d((3, 2)), image)

layer(lambda: nn.Flatten(), image)
layer(lambda: nn.Unflatten(1, (2, 2)), vectors)
layer(lambda: nn.Upsample(scale_factor=2, mode="bilinear"), image)
layer(lambda: nn.UpsamplingNearest2d(scale_factor=2), image)
layer(lambda: nn.UpsamplingBilinear2d(scale_factor=2), image)
layer(lambda: nn.FIRResample((1, 2, 1)), image)
layer(lambda: nn.PixelShuffle(2), image)
layer(lambda: nn.PixelUnshuffle(2), image)
layer(lambda: nn.Unfold(2, padding=1, stride=2), image)
layer(lambda: nn.Fold(4, 2, stride=2), normal(2, 8, 4))
layer(lambda: nn.ZeroPad2d((1, 0, 2, -1)), image)
layer(lambda: nn.ConstantPad2d(1, 2.0), image)
layer(lambda: nn.ZeroPad1d((1, 0)), signal)
layer(lambda: nn.ConstantPad1d(1, 2.0), signal)
layer(lambda: nn.ReflectionPad1d(1), signal)
layer(lambda: nn.ReplicationPad1d((2, 1)), signal)
layer(lambda: nn.ReflectionPad2d(1), image)
layer(lambda: nn.ReplicationPad2d((2, 1, 0, 1)), image)

for _training in (True, False):
    layer(lambda: nn.BatchNorm1d(4), signal, training=_training)
    layer(lambda: nn.BatchNorm2d(4), image, training=_training)
    layer(lambda: nn.SyncBatchNorm(4), image, training=_training)
    layer(
        lambda: nn.InstanceNorm2d(4, affine=True, track_running_stats=True),
        image,
        training=_training,
    )
    layer(lambda: nn.Dropout(0.3), vectors, training=_training)
    layer(lambda: nn.Dropout1d(0.3), signal, training=_training)
    layer(lambda: nn.Dropout2d(0.3), image, training=_training)
layer(lambda: nn.InstanceNorm1d(4, affine=True), signal)
layer(lambda: nn.LayerNorm((4, 4)), image)
layer(lambda: nn.GroupNorm(2, 4), image)

layer(lambda: nn.ReLU(), nonzero(3, 4))
layer(lambda: nn.ReLU6(), uniform(0.1, 5.9, 3, 4))
layer(lambda: nn.LeakyReLU(0.2), nonzero(3, 4))
layer(lambda: nn.PReLU(4), nonzero(3, 4))
layer(lambda: nn.ELU(), nonzero(3, 4))
layer(lambda: nn.SELU(), nonzero(3, 4))
layer(lambda: nn.GELU(), vectors)
layer(lambda: nn.GLU(), vectors)
layer(lambda: nn.RReLU(), nonzero(3, 4))
layer(lambda: nn.SiLU(), vectors)
layer(lambda: nn.Hardtanh(), uniform(-0.9, 0.9, 3, 4))
layer(lambda: nn.Tanh(), vectors)
layer(lambda: nn.Sigmoid(), vectors)
layer(lambda: nn.Softplus(2.0), vectors)
layer(lambda: nn.LogSigmoid(), vectors)
layer(lambda: nn.Softmax(1), vectors)
layer(lambda: nn.LogSoftmax(1), vectors)

layer(lambda: nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1)), vectors)
layer(lambda: nn.DataParallel(nn.Linear(4, 3)), vectors)
layer(lambda: nn.utils.spectral_norm(nn.Linear(4, 3)), vectors, training=False)
layer(lambda: nn.utils.spectral_norm(nn.Conv2d(4, 2, 3)), image, training=False)

layer(lambda: nn.MSELoss(), vectors, normal(3, 4))
layer(lambda: nn.L1Loss(), nonzero(3, 4), uniform(-0.1, 0.1, 3, 4))
layer(lambda: nn.SmoothL1Loss(), uniform(-0.4, 0.4, 3, 4), uniform(-0.4, 0.4, 3, 4))
layer(lambda: nn.HuberLoss(), uniform(-0.4, 0.4, 3, 4), uniform(-0.4, 0.4, 3, 4))
layer(lambda: nn.BCELoss(), uniform(0.1, 0.9, 3, 4), uniform(0.1, 0.9, 3, 4))
layer(lambda: nn.BCEWithLogitsLoss(), vectors, uniform(0.1, 0.9, 3, 4))
layer(lambda: nn.CrossEntropyLoss(label_smoothing=0.1), vectors, integers(4, 3))
layer(lambda: nn.NLLLoss(), vectors, integers(4, 3))
layer(lambda: nn.KLDivLoss(reduction="batchmean"), vectors, uniform(0.1, 0.9, 3, 4))
