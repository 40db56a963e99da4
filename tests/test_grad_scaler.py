"""GradScaler: what it does is what PyTorch's does, and nothing is read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import strict_cupy
from recorded import python_steps

import tinygan
from tinygan import nn, optim
from tinygan.amp import GradScaler
from tinygan.autograd import Tensor, grad
from tinygan.backend import kernels
from tinygan.data import Images
from tinygan.train import Config, Training

random = np.random.default_rng(0)
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "Adam": {"lr": 0.1, "amsgrad": True},
    "SGD": {"lr": 0.01, "momentum": 0.9},
    "RMSprop": {"lr": 0.01, "centered": True},
    "Adagrad": {"lr": 0.1},
}
CHOICES: dict[str, Any] = {
    "init_scale": 8.0,
    "growth_factor": 4.0,
    "backoff_factor": 0.25,
    "growth_interval": 3,
}


def batches(count: int) -> list[np.ndarray]:
    x = random.standard_normal((count, 5, 3)).astype(np.float32)
    for i, value in ((0, np.nan), (5, np.inf), (6, -np.inf), (17, 1e30)):
        x[i, 2, 1] = value
    return list(x)


def test_the_gradient_of_a_parameter_that_is_there_twice_is_unscaled_once() -> None:
    x = nn.Parameter(tinygan.ones(3))
    with pytest.warns(UserWarning, match="more than once"):
        optimizer = optim.SGD([x, x], 1.0)
    scaler = GradScaler("cpu", init_scale=8.0)
    scaler.scale(x.sum()).backward()
    scaler.unscale_(optimizer)
    assert x.grad is not None and x.grad.tolist() == [1.0] * 3
    scaler.step(optimizer)
    assert x.tolist() == [-1.0] * 3


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_scales_skips_and_adapts_as_pytorch(
    name: str, reference: bool, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    if reference:
        monkeypatch.setattr(kernels, "enabled", False)
    start = random.standard_normal((4, 3)).astype(np.float32)
    bias = np.zeros(4, np.float32)
    ours = [nn.Parameter(tinygan.tensor(a, device=device)) for a in (start, bias)]
    theirs = [torch.nn.Parameter(torch.tensor(a.copy())) for a in (start, bias)]
    optimizer = getattr(optim, name)(ours, **OPTIMIZERS[name])
    expected = getattr(torch.optim, name)(theirs, **OPTIMIZERS[name])
    scaler, other = GradScaler(device, **CHOICES), torch.amp.GradScaler("cpu", **CHOICES)
    assert scaler.is_enabled()
    scales = set()
    for i, x in enumerate(batches(30)):
        optimizer.zero_grad()
        expected.zero_grad()
        y = tinygan.tensor(x, device=device) @ ours[0].T + ours[1]
        scaler.scale(y.square().mean()).backward()
        other.scale((torch.tensor(x) @ theirs[0].T + theirs[1]).square().mean()).backward()
        if i % 2:
            scaler.unscale_(optimizer)
            other.unscale_(expected)
        for p, q in zip(ours, theirs, strict=True):
            assert p.grad is not None
            np.testing.assert_allclose(p.grad.cpu().numpy(), q.grad.numpy(), rtol=1e-4, atol=1e-5)
        before = [p.detach().cpu().numpy().copy() for p in ours]
        with strict_cupy.no_synchronization():
            scaler.step(optimizer)
            scaler.update()
        other.step(expected)
        other.update()
        for p, q, old in zip(ours, theirs, before, strict=True):
            value = p.detach().cpu().numpy()
            np.testing.assert_allclose(value, q.detach().numpy(), rtol=1e-4, atol=1e-5)
            assert np.array_equal(value, old) == (i in (0, 5, 6, 17))
        assert scaler.state_dict() == other.state_dict()
        scales.add(scaler.get_scale())
    assert len(scales) > 3
    if name != "SGD":
        for p, q in zip(ours, theirs, strict=True):
            assert optimizer.state[p]["step"].item() == expected.state[q]["step"].item() == 26


def test_several_optimizers_share_a_scale(device: str) -> None:
    torch = pytest.importorskip("torch")
    ours = [nn.Parameter(tinygan.ones(3, device=device)) for _ in "12"]
    theirs = [torch.nn.Parameter(torch.ones(3)) for _ in "12"]
    optimizers = [optim.SGD([p], 0.1) for p in ours]
    expected = [torch.optim.SGD([p], 0.1) for p in theirs]
    scaler, other = GradScaler(device, 4.0), torch.amp.GradScaler("cpu", 4.0)
    factors = [(1.0, 1.0), (1.0, np.inf), (np.nan, 1.0), (2.0, 3.0)]
    for pair in factors:
        for i, factor in enumerate(pair):
            ours[i].grad = theirs[i].grad = None
            scaler.scale((ours[i] * factor).sum()).backward()
            other.scale((theirs[i] * factor).sum()).backward()
            scaler.step(optimizers[i])
            other.step(expected[i])
        scaler.update()
        other.update()
        assert scaler.get_scale() == other.get_scale()
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.detach().cpu().numpy(), q.detach().numpy(), rtol=1e-6)


def test_apply_does_for_given_gradients_what_step_does(device: str) -> None:
    w = random.standard_normal((4, 3)).astype(np.float32)
    one, two = (nn.Parameter(tinygan.tensor(w, device=device)) for _ in "12")
    idle = nn.Parameter(tinygan.ones(2, device=device))
    first, second = optim.Adam([one]), optim.Adam([idle, two])
    scalers = GradScaler(device, **CHOICES), GradScaler(device, **CHOICES)
    for x in batches(20):
        x = tinygan.tensor(x, device=device)
        first.zero_grad()
        scalers[0].scale((x @ one.T).square().mean()).backward()
        scalers[0].step(first)
        scalers[0].update()
        loss = scalers[1].scale((x @ two.T).square().mean())
        with strict_cupy.no_synchronization():
            found = scalers[1].apply(second, grad(loss, [idle, two], allow_unused=True))
        assert found[0] is None and found[1] is not None and one.grad is not None
        np.testing.assert_array_equal(found[1].cpu().numpy(), one.grad.cpu().numpy())
        np.testing.assert_array_equal(two.detach().cpu().numpy(), one.detach().cpu().numpy())
        assert scalers[0].state_dict() == scalers[1].state_dict()


def test_a_recorded_step_skips_and_adapts(device: str) -> None:
    w = random.standard_normal((4, 3)).astype(np.float32)

    def losses(compile: bool) -> tuple[list[np.ndarray], Any]:
        p = nn.Parameter(tinygan.tensor(w, device=device))
        optimizer = optim.Adam([p], 0.1)
        scaler = GradScaler(device, **CHOICES)

        def step(x: Tensor) -> Tensor:
            gradients = grad(scaler.scale((x @ p.T).square().mean()), [p])
            scaler.apply(optimizer, gradients)
            return scaler.current.clone()

        run = tinygan.compile(step) if compile else step
        seen = []
        for i, x in enumerate(data):
            scale = run(tinygan.tensor(x, device=device)).cpu().numpy()
            if i == 12:
                scaler.set_growth_interval(2)  # is read anew
            seen += [scale, p.detach().cpu().numpy().copy()]
        return seen, run

    data = batches(25)
    expected, _ = losses(False)
    found, run = losses(True)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    if device == "cuda":
        assert not python_steps(run)


def test_a_gradient_that_float16_has_no_number_for_survives_scaled(device: str) -> None:
    w = nn.Parameter(tinygan.ones((2, 2), device=device))
    x = tinygan.ones((2, 2), device=device)

    def gradient(scaler: GradScaler) -> float:
        with tinygan.autocast(device, tinygan.float16):
            y = x @ w
        (g,) = grad(scaler.scale((y * 1e-8).sum()), [w])  # float16 ends at 6e-8
        assert g is not None
        return float(g[0, 0].item()) / scaler.get_scale()

    assert gradient(GradScaler(enabled=False)) == 0
    assert gradient(GradScaler(device)) == pytest.approx(2e-8, rel=1e-3)


def test_a_step_written_by_hand_is_skipped_too(device: str) -> None:
    class Plain(optim.Optimizer):
        def step(self, closure: Any = None) -> None:
            for p in self.param_groups[0]["params"]:
                p.data.sub_(p.grad.data)

    p = nn.Parameter(tinygan.ones(2, device=device))
    optimizer, scaler = Plain([p], {}), GradScaler(device, init_scale=4.0)
    for value, expected in ((1.0, 0.0), (float("inf"), 0.0), (2.0, -2.0)):
        p.grad = None
        scaler.scale((p * value).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        assert (p == expected).all().item()


def test_disabled_it_does_nothing() -> None:
    p = nn.Parameter(tinygan.ones(3))
    scaler, optimizer = GradScaler(enabled=False), optim.SGD([p], 1.0)
    loss = p.sum()
    assert scaler.scale(loss) is loss and scaler.scale([loss]) == [loss]
    loss.backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    np.testing.assert_array_equal(p.detach().numpy(), 0)
    assert scaler.get_scale() == 1 and scaler.state_dict() == {}


def test_what_it_is_told_and_refuses(device: str) -> None:
    p = nn.Parameter(tinygan.ones(3, device=device))
    scaler, optimizer = GradScaler(device), optim.SGD([p], 1.0)
    scaled = scaler.scale((p.sum(), [p.sum()]))
    assert scaled[1][0].item() == 3 * 2**16
    scaled[0].backward()
    with pytest.raises(RuntimeError, match="no optimizer has taken a step"):
        scaler.update()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called on this optimizer"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="step\\(\\) has already been called"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="after step"):
        scaler.unscale_(optimizer)
    scaler.update(512.0)
    assert scaler.get_scale() == 512
    scaler.load_state_dict({**scaler.state_dict(), "scale": 32.0, "_growth_tracker": 7})
    assert scaler.state_dict()["scale"] == 32 and scaler.state_dict()["_growth_tracker"] == 7
    with pytest.raises(RuntimeError, match="state dict is empty"):
        scaler.load_state_dict({})
    for wrong in ({"growth_factor": 1.0}, {"backoff_factor": 1.0}):
        with pytest.raises(ValueError, match="expected"):
            GradScaler(device, **wrong)
    with pytest.raises(ValueError, match="expected Tensors"):
        scaler.scale(3.0)


# -- training -------------------------------------------------------------------------------------


def images() -> Images:
    return Images(np.random.default_rng(0).integers(0, 256, (64, 28, 28, 1), dtype=np.uint8))


def training(precision: str, model: str, device: str) -> Training:
    config = Config(
        model=model, width=4, latent=8, batch_size=8, steps=20, schedule="constant",
        diagnostics_every=0, precision=precision,
    )  # fmt: skip
    return Training(config, images(), device)


def advanced(own: Training, steps: int) -> list[dict[str, float]]:
    metrics = [own.advance() for _ in range(steps)]
    return [{name: x.item() for name, x in values.items()} for values in metrics]


@pytest.mark.parametrize("model", ["mlp", "dcgan"])
@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_training_stays_close_to_float32(precision: str, model: str, device: str) -> None:
    exact = advanced(training("float32", model, "cpu"), 8)
    own = training(precision, model, device)
    for scaler in own.scalers:
        scaler.update(2.0**12)  # at which nothing overflows
    rounded = advanced(own, 8)
    assert [x["d_loss"] for x in rounded] != [x["d_loss"] for x in exact]
    for n, (expected, metrics) in enumerate(zip(exact, rounded, strict=True)):
        for name in ("d_loss", "g_loss"):
            assert metrics[name] == pytest.approx(expected[name], rel=3e-2 if n else 5e-3)
        assert metrics["d_grad_norm"] == pytest.approx(expected["d_grad_norm"], rel=0.3)
        if precision == "float16":
            assert metrics["d_scale"] == metrics["g_scale"] == 2**12
    if device == "cuda":
        assert not python_steps(own._round)


def weights(own: Training) -> list[bytes]:
    networks = own.generator, own.discriminator
    return [p.detach().cpu().numpy().tobytes() for n in networks for p in n.parameters()]


def test_a_step_that_overflows_moves_nothing_and_the_next_is_smaller(device: str) -> None:
    own = training("float16", "mlp", device)
    for scaler in own.scalers:
        scaler.load_state_dict({**scaler.state_dict(), "scale": 2.0**60})
    before = weights(own)
    (first,) = advanced(own, 1)
    assert first["d_grad_norm"] == first["g_grad_norm"] == 0
    assert first["d_scale"] == first["g_scale"] == 2**59
    assert weights(own) == before
    last = advanced(own, 50)[-1]
    assert last["d_grad_norm"] > 0 and last["g_grad_norm"] > 0
    assert weights(own) != before


def test_a_resumed_run_has_the_scale_and_the_same_bits(device: str, tmp_path: Path) -> None:
    whole = training("float16", "mlp", device)
    for scaler in whole.scalers:
        scaler.set_growth_interval(3)
    advanced(whole, 5)
    tinygan.save(whole.state_dict(), tmp_path / "state")
    expected = advanced(whole, 6)
    half = training("float16", "mlp", device)
    half.load_state_dict(tinygan.load(tmp_path / "state"))
    assert half.scalers[1].get_scale() == 2**17
    assert advanced(half, 6) == expected
    assert half.fingerprint() == whole.fingerprint()
    assert half.scalers[0].state_dict() == whole.scalers[0].state_dict()
