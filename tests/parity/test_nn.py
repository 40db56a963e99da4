"""Layers against PyTorch's: the same text makes the same layer, output, gradients and state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygan
from tinygan import nn
from tinygan.nn import functional as F

torch = pytest.importorskip("torch")

IMAGE = (2, 4, 6, 6)
SIGNAL = (3, 4, 7)
ROWS = (5, 4)

LAYERS: list[tuple[str, tuple[int, ...]]] = [
    ("Identity(3, x=2)", ROWS),
    ("Linear(4, 3)", ROWS),
    ("Linear(4, 3, bias=False)", (2, 3, 4)),
    ("Linear(4, 1)", (4,)),
    ("Flatten()", IMAGE),
    ("Flatten(2, 3)", IMAGE),
    ("Flatten(0, -2)", IMAGE),
    ("Unflatten(1, (2, 2))", IMAGE),
    ("Unflatten(-1, (3, -1))", IMAGE),
    ("Conv1d(4, 6, 3)", SIGNAL),
    ("Conv1d(4, 6, 3, 2, 1, dilation=2, groups=2, bias=False)", SIGNAL),
    ("Conv1d(4, 6, 3, padding=2, padding_mode='reflect')", SIGNAL),
    ("Conv1d(4, 6, 4, padding='same', padding_mode='replicate')", SIGNAL),
    ("Conv2d(4, 6, 3)", IMAGE),
    ("Conv2d(4, 6, 3)", IMAGE[1:]),
    ("Conv2d(4, 6, 4, 2, 1, bias=False)", IMAGE),
    ("Conv2d(4, 6, (3, 2), (2, 1), (1, 0), (1, 2), 2)", IMAGE),
    ("Conv2d(4, 6, (3, 2), padding='same', dilation=2)", IMAGE),
    ("Conv2d(4, 6, 3, padding='valid', padding_mode='reflect')", IMAGE),
    ("Conv2d(4, 6, 3, padding=(1, 2), padding_mode='reflect')", IMAGE),
    ("Conv2d(4, 6, 3, stride=2, padding=1, padding_mode='replicate')", IMAGE),
    ("Conv2d(4, 6, 3, padding=(0, 1), padding_mode='circular')", IMAGE),
    ("Conv2d(4, 4, 4, padding='same', padding_mode='reflect', groups=4)", IMAGE),
    ("ConvTranspose1d(4, 6, 4, 2, 1)", SIGNAL),
    ("ConvTranspose1d(4, 6, 3, 2, 1, output_padding=1, groups=2, bias=False)", SIGNAL),
    ("ConvTranspose2d(4, 6, 4, 2, 1, bias=False)", IMAGE),
    ("ConvTranspose2d(4, 6, (3, 4), (3, 2), (0, 1), (1, 0), 2, True, (1, 2))", IMAGE),
    ("MaxPool1d(2)", SIGNAL),
    ("MaxPool2d(3, 2, 1)", IMAGE),
    ("MaxPool2d((2, 3), dilation=2, ceil_mode=True)", IMAGE),
    ("AvgPool1d(3, 2, 1)", SIGNAL),
    ("AvgPool2d(2)", IMAGE),
    ("AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False)", IMAGE),
    ("AvgPool2d(3, 2, divisor_override=5)", IMAGE),
    ("AdaptiveAvgPool1d(3)", SIGNAL),
    ("AdaptiveAvgPool2d(1)", IMAGE),
    ("AdaptiveAvgPool2d((4, None))", IMAGE),
    ("AdaptiveMaxPool2d((4, None))", IMAGE),
    ("Upsample(scale_factor=2)", IMAGE),
    ("Upsample((9, 4), mode='bilinear')", IMAGE),
    ("Upsample(scale_factor=(1.5, 2), mode='bilinear', align_corners=True)", IMAGE),
    ("UpsamplingNearest2d(scale_factor=3)", IMAGE),
    ("UpsamplingBilinear2d((8, 11))", IMAGE),
    ("PixelShuffle(2)", IMAGE),
    ("PixelUnshuffle(3)", IMAGE),
    ("Unfold((2, 3), padding=1, stride=2)", IMAGE),
    ("Fold((5, 6), 2, stride=(1, 2))", (2, 8, 12)),
    ("ZeroPad2d(2)", IMAGE),
    ("ZeroPad2d((1, -1, 0, 2))", IMAGE),
    ("ConstantPad2d((1, 2, 0, 1), 0.5)", IMAGE),
    ("ZeroPad1d((2, 1))", SIGNAL),
    ("ConstantPad1d(1, 0.5)", SIGNAL),
    ("ReflectionPad1d(3)", SIGNAL),
    ("ReplicationPad1d((0, 2))", SIGNAL),
    ("ReflectionPad2d(2)", IMAGE),
    ("ReplicationPad2d((1, 0, 2, 3))", IMAGE),
    ("BatchNorm1d(4)", ROWS),
    ("BatchNorm1d(4, affine=False)", SIGNAL),
    ("BatchNorm2d(4)", IMAGE),
    ("BatchNorm2d(4, 0.1, None)", IMAGE),
    ("BatchNorm2d(4, momentum=0.4, track_running_stats=False)", IMAGE),
    ("BatchNorm2d(4, bias=False)", IMAGE),
    ("LayerNorm(4)", ROWS),
    ("LayerNorm(4, bias=False)", ROWS),
    ("LayerNorm((4, 7), eps=0.01)", SIGNAL),
    ("LayerNorm([6], elementwise_affine=False)", IMAGE),
    ("GroupNorm(2, 4)", IMAGE),
    ("GroupNorm(4, 4, affine=False)", SIGNAL),
    ("InstanceNorm1d(4)", SIGNAL),
    ("InstanceNorm2d(4, affine=True, track_running_stats=True)", IMAGE),
    ("InstanceNorm2d(4)", IMAGE[1:]),
    ("Dropout(0.0)", ROWS),
    ("Dropout(1.0)", ROWS),
    ("Dropout1d(0.0)", SIGNAL),
    ("Dropout2d(0.0, inplace=True)", IMAGE),
    ("ReLU()", ROWS),
    ("ReLU(True)", ROWS),
    ("ReLU6(inplace=True)", ROWS),
    ("LeakyReLU()", ROWS),
    ("LeakyReLU(0.2, True)", ROWS),
    ("PReLU()", IMAGE),
    ("PReLU(4, 0.1)", IMAGE),
    ("ELU(0.5, inplace=True)", ROWS),
    ("SELU()", ROWS),
    ("SELU(True)", ROWS),
    ("SiLU(True)", ROWS),
    ("GELU()", ROWS),
    ("GLU(1)", ROWS),
    ("GELU('tanh')", ROWS),
    ("SiLU()", ROWS),
    ("Hardtanh()", ROWS),
    ("Hardtanh(-0.3, 0.7, True)", ROWS),
    ("Tanh()", ROWS),
    ("Sigmoid()", ROWS),
    ("Softplus()", ROWS),
    ("Softplus(3.0, 1.0)", ROWS),
    ("LogSigmoid()", ROWS),
    ("Softmax(1)", ROWS),
    ("LogSoftmax(dim=0)", ROWS),
    ("Sequential(nn.Linear(4, 8), nn.ReLU(True), nn.Sequential(nn.Linear(8, 2), nn.Tanh()))", ROWS),
    ("Sequential(nn.Conv2d(4, 3, 3), nn.BatchNorm2d(3), nn.LeakyReLU(0.2, True))", IMAGE),
    ("Sequential(nn.ConvTranspose2d(4, 3, 4, 2, 1), nn.BatchNorm2d(3), nn.ReLU(True))", IMAGE),
]  # fmt: skip


def make(library: Any, text: str) -> Any:
    return eval("nn." + text, {"nn": library})


def same_weights(ours: Any, theirs: Any) -> None:
    ours.double()
    theirs.double()
    with torch.no_grad():
        for i, p in enumerate(theirs.parameters()):
            p += 0.1 * torch.cos(torch.arange(p.numel()) + i).reshape(p.shape)
    ours.load_state_dict(theirs.state_dict())


def close(x: Any, y: Any) -> None:
    np.testing.assert_allclose(
        x.detach().numpy(), y.detach().numpy(), rtol=1e-10, atol=1e-12, strict=True
    )


@pytest.mark.parametrize(("text", "shape"), LAYERS)
def test_same_layer(text: str, shape: tuple[int, ...]) -> None:
    ours, theirs = make(nn, text), make(torch.nn, text)
    assert repr(ours) == repr(theirs)
    mine, yours = ours.state_dict(), theirs.state_dict()
    assert list(mine) == list(yours)
    assert all(mine[k].shape == tuple(yours[k].shape) for k in mine)
    assert all(str(mine[k].dtype) == str(yours[k].dtype).removeprefix("torch.") for k in mine)
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    same_weights(ours, theirs)
    random = np.random.default_rng(1)
    for training in (True, True, False):
        ours.train(training)
        theirs.train(training)
        values = random.standard_normal(shape) + 0.01
        x = tinygan.tensor(values, dtype=tinygan.float64, requires_grad=True)
        z = torch.tensor(values, requires_grad=True)
        a, b = ours(x * 1), theirs(z * 1)
        close(a, b)
        g = random.standard_normal(tuple(b.shape))
        a.backward(tinygan.tensor(g, dtype=tinygan.float64))
        b.backward(torch.tensor(g))
        close(x.grad, z.grad)
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            close(p.grad, q.grad)
        for p, q in zip(ours.buffers(), theirs.buffers(), strict=True):
            close(p, q)


def test_bilinear() -> None:
    ours, theirs = nn.Bilinear(3, 4, 2), torch.nn.Bilinear(3, 4, 2)
    assert repr(ours) == repr(theirs)
    same_weights(ours, theirs)
    random = np.random.default_rng(0)
    x, y = random.standard_normal((5, 3)), random.standard_normal((5, 4))
    a = ours(tinygan.tensor(x, dtype=tinygan.float64), tinygan.tensor(y, dtype=tinygan.float64))
    close(a, theirs(torch.tensor(x), torch.tensor(y)))


@pytest.mark.parametrize("padding_idx", [None, 2, -1])
def test_embedding(padding_idx: int | None) -> None:
    ours, theirs = nn.Embedding(6, 3, padding_idx), torch.nn.Embedding(6, 3, padding_idx)
    assert repr(ours) == repr(theirs)
    if padding_idx is not None:
        assert not ours.weight[padding_idx].any()
    same_weights(ours, theirs)
    index = np.array([[0, 2, 5], [5, 5, 1]])
    a, b = ours(tinygan.tensor(index)), theirs(torch.tensor(index))
    close(a, b)
    a.square().sum().backward()
    b.square().sum().backward()
    close(ours.weight.grad, theirs.weight.grad)


def test_embedding_of_given_vectors() -> None:
    vectors = np.random.default_rng(0).standard_normal((4, 3))
    for freeze in (True, False):
        ours = nn.Embedding.from_pretrained(tinygan.tensor(vectors), freeze)
        theirs = torch.nn.Embedding.from_pretrained(torch.tensor(vectors), freeze)
        assert ours.weight.requires_grad == theirs.weight.requires_grad
        close(ours(tinygan.tensor([1, 3])), theirs(torch.tensor([1, 3])))
    for lib, module in ((tinygan, nn), (torch, torch.nn)):
        by_position = module.Embedding(
            4, 3, 1, None, 2.0, False, False, lib.tensor(vectors), True, None, None
        )
        assert by_position.padding_idx == 1 and not by_position.weight.requires_grad
        with pytest.raises((ValueError, AssertionError), match=r"[Ss]hape"):
            module.Embedding(3, 3, _weight=lib.tensor(vectors))
    with pytest.raises(NotImplementedError, match=r"got max_norm=1\.0"):
        nn.Embedding(4, 3, max_norm=1.0)


@pytest.mark.parametrize("size", [(11, 12), (12, 13)])
def test_transposed_convolution_to_a_size(size: tuple[int, int]) -> None:
    ours = nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1)
    theirs = torch.nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1)
    same_weights(ours, theirs)
    x = np.random.default_rng(0).standard_normal((1, 2, 6, 6))
    if size == (12, 13):
        with pytest.raises(ValueError, match="requested an output size"):
            ours(tinygan.tensor(x), output_size=size)
        return
    close(
        ours(tinygan.tensor(x, dtype=tinygan.float64), output_size=size),
        theirs(torch.tensor(x), output_size=size),
    )


LOSSES = [
    "MSELoss()", "MSELoss(reduction='none')", "L1Loss(reduction='sum')", "SmoothL1Loss(beta=0.5)",
    "HuberLoss(delta=0.3)", "HuberLoss('sum')", "BCELoss()", "BCELoss(reduction='none')",
    "BCEWithLogitsLoss()", "KLDivLoss(reduction='batchmean')",
    "KLDivLoss(reduction='sum', log_target=True)",
]  # fmt: skip


@pytest.mark.parametrize("text", LOSSES)
def test_losses(text: str) -> None:
    ours, theirs = make(nn, text), make(torch.nn, text)
    assert repr(ours) == repr(theirs)
    random = np.random.default_rng(0)
    x, t = random.uniform(0.05, 0.95, (2, 4, 3))
    z = tinygan.tensor(x, dtype=tinygan.float64, requires_grad=True)
    w = torch.tensor(x, requires_grad=True)
    a, b = ours(z, tinygan.tensor(t, dtype=tinygan.float64)), theirs(w, torch.tensor(t))
    close(a, b)
    a.sum().backward()
    b.sum().backward()
    close(z.grad, w.grad)


@pytest.mark.parametrize("name", ["CrossEntropyLoss", "NLLLoss"])
def test_class_losses_with_weights(name: str) -> None:
    random = np.random.default_rng(0)
    x, weight = random.standard_normal((6, 4)), random.uniform(0.5, 2, 4)
    target = np.array([0, 3, 2, 2, 1, 3])
    extra = {"label_smoothing": 0.2} if name == "CrossEntropyLoss" else {}
    ours = getattr(nn, name)(tinygan.tensor(weight, dtype=tinygan.float64), ignore_index=2, **extra)
    theirs = getattr(torch.nn, name)(torch.tensor(weight), ignore_index=2, **extra)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    close(
        ours(tinygan.tensor(x, dtype=tinygan.float64), tinygan.tensor(target)),
        theirs(torch.tensor(x), torch.tensor(target)),
    )


@pytest.mark.parametrize(
    ("text", "options", "shape"),
    [
        ("Linear(4, 3)", {}, ROWS),
        ("Linear(4, 3)", {"n_power_iterations": 3, "eps": 1e-3}, ROWS),
        ("Conv2d(4, 3, 3)", {}, IMAGE),
        ("Conv2d(4, 3, 3)", {"dim": 2}, IMAGE),
        ("ConvTranspose2d(4, 3, 3)", {}, IMAGE),
    ],
)
def test_spectral_norm(text: str, options: dict[str, Any], shape: tuple[int, ...]) -> None:
    ours = nn.utils.spectral_norm(make(nn, text), **options)
    theirs = torch.nn.utils.spectral_norm(make(torch.nn, text), **options)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    same_weights(ours, theirs)
    x = np.random.default_rng(0).standard_normal(shape)
    for training in (True, True, False):
        ours.train(training)
        theirs.train(training)
        a = ours(tinygan.tensor(x, dtype=tinygan.float64))
        b = theirs(torch.tensor(x))
        close(a, b)
        ours.zero_grad()
        theirs.zero_grad()
        a.square().sum().backward()
        b.square().sum().backward()
        close(ours.weight_orig.grad, theirs.weight_orig.grad)
        close(ours.weight_u, theirs.weight_u)
        close(ours.weight_v, theirs.weight_v)
    ours = nn.utils.remove_spectral_norm(ours)
    theirs = torch.nn.utils.remove_spectral_norm(theirs)
    assert sorted(ours.state_dict()) == sorted(theirs.state_dict())
    close(ours.weight, theirs.weight)
    close(ours(tinygan.tensor(x, dtype=tinygan.float64)), theirs(torch.tensor(x)))


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.5, float("inf")])
@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_clip_grad_norm(norm_type: float, max_norm: float) -> None:
    ours, theirs = nn.Linear(4, 3), torch.nn.Linear(4, 3)
    same_weights(ours, theirs)
    random = np.random.default_rng(0)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        g = random.standard_normal(p.shape)
        p.grad, q.grad = tinygan.tensor(g, dtype=tinygan.float64), torch.tensor(g)
    close(
        nn.utils.clip_grad_norm_(ours.parameters(), max_norm, norm_type),
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), max_norm, norm_type),
    )
    nn.utils.clip_grad_value_(ours.parameters(), 0.2)
    torch.nn.utils.clip_grad_value_(theirs.parameters(), 0.2)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        close(p.grad, q.grad)


def test_repr_of_lists() -> None:
    def build(nn: Any) -> Any:
        net = nn.Module()
        net.many = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2)])
        net.named = nn.ModuleDict({"a": nn.Sequential(nn.ReLU(), nn.Tanh()), "b": nn.Sigmoid()})
        net.empty = nn.Sequential()
        net.none = nn.ModuleList()
        return net

    assert repr(build(nn)) == repr(build(torch.nn))


def test_distances() -> None:
    random = np.random.default_rng(0)
    values = random.standard_normal((2, 3, 4, 5))
    values[1, 0, 0] = values[0, 0, 0]  # no distance, but for eps
    ours = [tinygan.tensor(x, requires_grad=True) for x in values]
    theirs = [torch.tensor(x, requires_grad=True) for x in values]
    layers: list[tuple[str, dict[str, Any]]] = [
        ("CosineSimilarity", {}),
        ("CosineSimilarity", {"dim": -1, "eps": 0.5}),
        ("PairwiseDistance", {}),
        ("PairwiseDistance", {"p": 1, "keepdim": True}),
        ("PairwiseDistance", {"p": 3.0, "eps": 0.1}),
    ]
    for name, options in layers:
        layer, reference = getattr(nn, name)(**options), getattr(torch.nn, name)(**options)
        assert repr(layer) == repr(reference)
        y, expected = layer(*ours), reference(*theirs)
        close(y, expected)
        for g, h in zip(
            tinygan.autograd.grad(y.sum(), ours),
            torch.autograd.grad(expected.sum(), theirs),
            strict=True,
        ):
            assert g is not None
            close(g, h)
    G = torch.nn.functional
    close(F.pairwise_distance(*ours, 1.0), G.pairwise_distance(*theirs, 1.0))


def test_state_dicts_from_before_batches_were_counted() -> None:
    for lib in (tinygan, torch):
        net = lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.BatchNorm1d(2))
        net(lib.ones(3, 2))
        older = {k: v for k, v in net.state_dict().items() if not k.endswith("tracked")}
        found = net.load_state_dict(older)
        assert found.missing_keys == [] and found.unexpected_keys == []
        assert net[1].num_batches_tracked.item() == 1
        assert net[1].load_state_dict({k[2:]: older[k] for k in older if k[0] == "1"})[0] == []
        del older["1.running_mean"]
        with pytest.raises(RuntimeError, match=r'Missing key.* "1\.running_mean"'):
            net.load_state_dict(older)


def test_functional_with_pytorchs_positions() -> None:
    random = np.random.default_rng(0)
    value = random.standard_normal((3, 4))
    x, z = tinygan.tensor(value, dtype=tinygan.float64), torch.tensor(value)
    G = torch.nn.functional
    close(F.leaky_relu(x, 0.2, False), G.leaky_relu(z, 0.2, False))
    close(F.hardtanh(x, -0.5, 0.5), G.hardtanh(z, -0.5, 0.5))
    close(F.elu(x, 0.3), G.elu(z, 0.3))
    close(F.normalize(x), G.normalize(z))
    close(F.normalize(x, 1.0, 0), G.normalize(z, 1.0, 0))
    close(F.cosine_similarity(x, x + 1), G.cosine_similarity(z, z + 1))
    close(F.softmax(x, dim=1), G.softmax(z, dim=1))
    F.relu(x, True)
    close(x, z.clamp(min=0))


def test_data_parallel() -> None:
    torch.manual_seed(0)  # weights for which five rows do not nearly cancel
    ours, theirs = (
        lib.DataParallel(lib.Sequential(lib.Linear(3, 4), lib.BatchNorm1d(4)))
        for lib in (nn, torch.nn)
    )
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({k: tinygan.from_numpy(v.numpy()) for k, v in theirs.state_dict().items()})
    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    expected = theirs(torch.tensor(x)).detach().numpy()
    y = ours(input=tinygan.tensor(x)).detach().numpy()
    np.testing.assert_allclose(y, expected, atol=1e-6)
    assert [n for n, _ in ours.named_modules()] == [n for n, _ in theirs.named_modules()]
    assert not ours.eval().module[1].training
    nn.DataParallel(nn.Linear(1, 1), device_ids=[0])
    with pytest.raises(ValueError, match="got 2 devices, expected one"):
        nn.DataParallel(nn.Linear(1, 1), device_ids=range(2))
