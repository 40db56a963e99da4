"""The average of weights."""

from __future__ import annotations

import numpy as np
import pytest

import tinygan as torch
from tinygan import nn
from tinygan.optim import EMA


def net(device="cpu"):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).to(device)


def change(module, seed):
    random = np.random.default_rng(seed)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.tensor(random.standard_normal(p.shape), device=p.device))


@pytest.mark.parametrize("warmup", [False, True])
def test_the_formula(warmup, device):
    module = net(device)
    ema = EMA(module, decay=0.9, warmup=warmup)
    expected = {n: p.detach().cpu().numpy().copy() for n, p in module.named_parameters()}
    for t in range(1, 16):
        change(module, t)
        ema.update()
        d = min(0.9, (1 + t) / (10 + t)) if warmup else 0.9
        for n, p in module.named_parameters():
            expected[n] = d * expected[n] + (1 - d) * p.detach().cpu().numpy()
    for n, a in ema.module.named_parameters():
        np.testing.assert_allclose(a.detach().cpu().numpy(), expected[n], rtol=1e-4, atol=1e-6)
        assert a.dtype == torch.float32
    assert ema.step.item() == 15


def test_buffers_are_copied_and_the_copy_is_independent():
    module = net()
    ema = EMA(module, 0.5)
    assert not ema.module.training
    assert not any(p.requires_grad for p in ema.module.parameters())
    module(torch.randn(8, 3) + 5)
    assert ema.module[1].num_batches_tracked.item() == 0
    ema.update()
    assert ema.module[1].num_batches_tracked.item() == 1
    assert torch.equal(ema.module[1].running_mean, module[1].running_mean)
    assert ema.module[1].running_mean is not module[1].running_mean
    assert module.training
    assert all(p.requires_grad for p in module.parameters())


def test_decay_zero_follows_the_weights():
    module = net()
    ema = EMA(module, 0.0)
    change(module, 3)
    ema.update()
    for a, w in zip(ema.module.parameters(), module.parameters(), strict=True):
        np.testing.assert_allclose(a.numpy(), w.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_another_decay_counts_from_the_next_update():
    module = net()
    ema = EMA(module, 0.9, warmup=False)
    ema.update()
    change(module, 3)
    ema.decay = 0.0
    ema.update()
    for a, w in zip(ema.module.parameters(), module.parameters(), strict=True):
        np.testing.assert_allclose(a.numpy(), w.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_state_resumes_bit_for_bit():
    module = net()
    ema = EMA(module, 0.9)
    for t in range(3):
        change(module, t)
        ema.update()
    saved = {k: v.clone() for k, v in ema.state_dict().items()}
    assert list(saved)[:2] == ["step", "module.0.weight"]
    resumed = EMA(module, 0.9)
    resumed.load_state_dict(saved)
    change(module, 7)
    ema.update()
    resumed.update()
    for k, v in ema.state_dict().items():
        assert torch.equal(v, resumed.state_dict()[k])
    with pytest.raises(RuntimeError, match="Missing key"):
        resumed.load_state_dict({"step": saved["step"]})


def test_misuse():
    with pytest.raises(ValueError, match="Invalid decay: 1, expected at least 0 and below 1"):
        EMA(net(), 1)
    with pytest.raises(ValueError, match="no parameters to average"):
        EMA(nn.ReLU())
