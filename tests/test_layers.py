"""Layers by themselves: initial weights, modes, options that are refused, spectral norm."""

from __future__ import annotations

import copy
import math
from types import SimpleNamespace

import numpy as np
import pytest
from moved import DEVICE

import tinygan as torch
from tinygan import nn
from tinygan.cli.bench.with_tinygan import launches
from tinygan.nn import functional as F
from tinygan.nn.utils import (
    clip_grad_norm_,
    clip_grad_value_,
    parameters_to_vector,
    remove_spectral_norm,
    spectral_norm,
    vector_to_parameters,
)

torch.manual_seed(0)  # layers that are arguments below are made on import


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("layer", "fan_in"),
    [
        (nn.Linear(64, 80), 64),
        (nn.Conv1d(8, 64, 5, groups=2), 20),
        (nn.Conv2d(8, 32, (3, 4)), 96),
        (nn.ConvTranspose2d(32, 8, 4), 128),
        (nn.Bilinear(16, 8, 10), 16),
    ],
)
def test_default_weights_are_uniform_within_one_over_sqrt_fan_in(layer, fan_in):
    bound = 1 / math.sqrt(fan_in)
    w = layer.weight.detach().numpy().ravel()
    assert abs(w).max() <= bound
    assert abs(w).max() > 0.97 * bound
    assert w.std() == pytest.approx(bound / math.sqrt(3), rel=0.07)
    assert abs(layer.bias.detach().numpy()).max() <= bound
    assert layer.bias.detach().numpy().std() > 0.3 * bound


def test_sizes_may_be_numpy_integers():
    two = np.int64(2)
    assert nn.Conv2d(two, 4, two, padding=np.int64(1))(torch.ones(1, 2, 3, 3)).shape == (1, 4, 4, 4)
    assert nn.ConvTranspose1d(2, two, two, two)(torch.ones(1, 2, 3)).shape == (1, 2, 6)
    assert nn.AvgPool1d(two)(torch.ones(1, 2, 4)).shape == (1, 2, 2)
    assert nn.LayerNorm(two)(torch.ones(1, 2)).shape == (1, 2)
    assert nn.ZeroPad2d(two)(torch.ones(1, 2, 2)).shape == (1, 6, 6)
    assert nn.Linear(np.prod((1, 2)), two)(torch.ones(3, 2)).shape == (3, 2)


def test_softmax_without_a_dim_warns():
    for layer in (nn.Softmax(), nn.LogSoftmax()):
        with pytest.warns(UserWarning, match="dim was not given, so 1 is taken"):
            y = layer(torch.zeros(2, 4))
        assert y.exp().sum(1).tolist() == pytest.approx([y.exp().sum(1)[0].item()] * 2)
        with pytest.warns(UserWarning, match="so 0 is taken"):
            layer(torch.zeros(2, 3, 4))


def test_the_same_seed_gives_the_same_weights(device):
    def weights():
        torch.manual_seed(3)
        return nn.Linear(4, 5, device=device, dtype=torch.float64).weight

    first = weights()
    assert first.device == device
    assert first.dtype == torch.float64
    np.testing.assert_array_equal(first.detach().cpu().numpy(), weights().detach().cpu().numpy())
    torch.manual_seed(4)
    assert not torch.equal(first, nn.Linear(4, 5, device=device, dtype=torch.float64).weight)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "in_channels .3. must be divisible by groups .2."),
        (lambda: nn.Conv2d(4, 3, 3, groups=2), "out_channels .3. must be divisible"),
        (lambda: nn.Conv2d(4, 4, 3, groups=0), "groups must be a positive integer"),
        (lambda: nn.Conv2d(4, 4, 3, padding="some"), "'valid', 'same' or numbers, got 'some'"),
        (lambda: nn.Conv2d(4, 4, 3, 2, padding="same"), "not supported for strided"),
        (lambda: nn.Conv2d(4, 4, 3, padding_mode="mirror"), "padding_mode must be one of"),
        (lambda: nn.ConvTranspose2d(4, 4, 3, padding_mode="reflect"), "padding_mode must be one"),
        (lambda: nn.Dropout(1.5), "between 0 and 1, but got 1.5"),
        (lambda: nn.GroupNorm(3, 4), "must be divisible by num_groups"),
        (lambda: nn.Embedding(3, 2, padding_idx=3), "padding_idx 3 is out of range"),
        (lambda: nn.Hardtanh(1, 1), "expected min_val < max_val"),
        (lambda: nn.ReflectionPad1d((1, 2, 3)), "one number or .left, right."),
        (lambda: nn.ZeroPad2d((1, 2)), "one number or .left, right, top, bottom."),
    ],
)
def test_options_that_cannot_work_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_inputs_of_the_wrong_rank_are_refused():
    with pytest.raises(ValueError, match=r"expected 4D input \(got 3D input\)"):
        nn.BatchNorm2d(3)(torch.zeros(2, 3, 4))
    with pytest.raises(ValueError, match="expected 2D or 3D input"):
        nn.BatchNorm1d(3)(torch.zeros(2, 3, 4, 4))
    with pytest.raises(ValueError, match="expected 3D or 4D input"):
        nn.InstanceNorm2d(3)(torch.zeros(2, 3))


def test_batch_norm_follows_the_batches(device):
    norm = nn.BatchNorm2d(3, momentum=0.5).to(device)
    x = torch.randn(4, 3, 2, 2, device=device) * 2 + 1
    y = norm(x)
    moments = x.cpu().numpy().transpose(1, 0, 2, 3).reshape(3, -1)
    np.testing.assert_allclose(
        norm.running_mean.cpu().numpy(), moments.mean(1) / 2, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(
        norm.running_var.cpu().numpy(), 0.5 + moments.var(1, ddof=1) / 2, rtol=1e-5
    )
    assert norm.num_batches_tracked.item() == 1
    assert abs(y.mean().item()) < 1e-6
    before = norm.running_mean.clone()
    norm.eval()(x)
    assert torch.equal(norm.running_mean, before)
    norm.reset_running_stats()
    assert norm.num_batches_tracked.item() == 0
    assert not norm.running_mean.any()


def test_dropout_only_in_training(device):
    layer = nn.Dropout(0.25)
    x = torch.ones(200, 50, device=device)
    y = layer(x)
    assert np.unique(y.cpu().numpy()).tolist() == pytest.approx([0, 4 / 3])
    assert y.mean().item() == pytest.approx(1, abs=0.03)
    assert torch.equal(layer.eval()(x), x)


def test_in_place_activations_write_into_their_input():
    x = torch.tensor([-1.0, 2.0])
    assert nn.ReLU(inplace=True)(x) is x
    assert x.tolist() == [0.0, 2.0]
    x = torch.tensor([-1.0, 2.0])
    F.leaky_relu(x, 0.5, inplace=True)
    assert x.tolist() == [-0.5, 2.0]
    w = torch.tensor([-1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf tensor that requires a gradient is changed"):
        F.relu(w, inplace=True)
    y = F.relu((w * 3).tanh(), inplace=True)  # tanh needs its output for its gradient
    y.sum().backward()
    assert w.grad.tolist() == pytest.approx([0.0, 3 / math.cosh(6) ** 2], rel=1e-3)


def test_losses_keep_their_weight_as_a_buffer(device):
    loss = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 3.0])).to(device)
    assert list(loss.state_dict()) == ["weight"]
    x = torch.zeros(2, 2, device=device)
    target = torch.tensor([0, 1], device=device)
    assert loss(x, target).item() == pytest.approx(math.log(2))
    assert list(nn.BCELoss().state_dict()) == []
    with pytest.raises(ValueError, match="unknown reduction 'avg'"):
        nn.MSELoss(reduction="avg")(x, x)


# -- spectral norm --------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda: nn.Linear(6, 4), lambda: nn.Conv2d(3, 4, 2)])
def test_spectral_norm_makes_the_largest_singular_value_one(make, device):
    layer = spectral_norm(make().to(device), n_power_iterations=30)
    x = torch.randn(2, 6) if layer.weight.ndim == 2 else torch.randn(2, 3, 4, 4)
    layer(x.to(device))
    values = np.linalg.svd(layer.weight.detach().cpu().numpy().reshape(4, -1), compute_uv=False)
    assert values[0] == pytest.approx(1, rel=1e-3)


def test_the_power_iteration_runs_in_training_only_and_is_not_in_the_graph():
    layer = spectral_norm(nn.Linear(6, 4))
    x = torch.randn(2, 6)
    u = layer.weight_u.clone()
    a = layer(x).sum()
    assert not torch.equal(layer.weight_u, u)
    b = layer(x).sum()  # a second forward before the backward of the first, as in a GAN
    (a + b).backward()
    layer.eval()
    u = layer.weight_u.clone()
    layer(x)
    assert torch.equal(layer.weight_u, u)
    # in evaluation W = V / u^T V v has dL/dV orthogonal to V: scaling V changes nothing
    layer.zero_grad()
    layer(x).square().sum().backward()
    v = layer.weight_orig
    assert (v.grad * v.detach()).sum().item() == pytest.approx(0, abs=1e-4)
    assert v.grad.abs().max().item() > 0.01


def test_the_power_iteration_goes_on_in_a_recorded_step(device):
    layer = spectral_norm(nn.Linear(6, 4).to(device))
    other = copy.deepcopy(layer)
    replayed = torch.compile(lambda x: layer(x))
    x = torch.randn(2, 6).to(device)
    for _ in range(5):
        expected = other(x).detach().cpu().numpy()
        np.testing.assert_array_equal(replayed(x).detach().cpu().numpy(), expected)
        assert torch.equal(layer.weight_u, other.weight_u)
    if device == "cuda" and DEVICE.name == "cuda":  # and nothing is left to Python
        found = launches(SimpleNamespace(step=replayed))
        assert (found["graphs"], found["from_python"]) == (1, 0)


def test_spectral_norm_misused():
    layer = spectral_norm(nn.Linear(2, 2))
    with pytest.raises(RuntimeError, match="two spectral_norm hooks on the same parameter"):
        spectral_norm(layer)
    with pytest.raises(ValueError, match="n_power_iterations to be positive"):
        spectral_norm(nn.Linear(2, 2), n_power_iterations=0)
    with pytest.raises(AttributeError, match="no parameter 'waight'; did you mean 'weight'"):
        spectral_norm(nn.Linear(2, 2), "waight")
    remove_spectral_norm(layer)
    assert list(layer.state_dict()) == ["bias", "weight"]
    with pytest.raises(ValueError, match="spectral_norm of 'weight' not found"):
        remove_spectral_norm(layer)


# -- clipping and flattening ----------------------------------------------------------------------


def test_clipping(device):
    p, q, unused = (torch.zeros(2, device=device, requires_grad=True) for _ in range(3))
    p.grad = torch.tensor([3.0, 0.0], device=device)
    q.grad = torch.tensor([0.0, 4.0], device=device)
    assert clip_grad_norm_([p, q, unused], 1.0).item() == pytest.approx(5)
    assert p.grad.tolist() == pytest.approx([0.6, 0], abs=1e-6)
    assert clip_grad_norm_([p, q], 10.0).item() == pytest.approx(1)
    assert p.grad.tolist() == pytest.approx([0.6, 0], abs=1e-6)
    clip_grad_value_([p, q, unused], 0.5)
    assert [p.grad.tolist(), q.grad.tolist()] == [[0.5, 0], [0, 0.5]]
    assert clip_grad_norm_([unused], 1.0).item() == 0
    assert clip_grad_norm_(p, 0.1).item() == pytest.approx(0.5)
    p.grad = torch.tensor([math.inf, 0.0], device=device)
    with pytest.raises(RuntimeError, match=r"norm of order 2\.0 of the gradients is inf"):
        clip_grad_norm_([p, q], 1.0, error_if_nonfinite=True)


def test_parameters_to_a_vector_and_back(device):
    net = nn.Linear(3, 2).to(device)
    vector = parameters_to_vector(net.parameters())
    assert vector.shape == (8,)
    vector.sum().backward()
    assert net.weight.grad.tolist() == [[1.0] * 3] * 2
    vector_to_parameters(torch.arange(8.0, device=device), net.parameters())
    assert net.bias.tolist() == [6, 7]
    assert net.weight.is_leaf
    with pytest.raises(ValueError, match=r"a vector of shape \(9,\) for 8 numbers"):
        vector_to_parameters(torch.zeros(9, device=device), net.parameters())
