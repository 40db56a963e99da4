"""The GAN step and what surrounds it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import strict_cupy

import tinygan
from tinygan import nn, optim
from tinygan.autograd import Tensor
from tinygan.backend.errors import UserError
from tinygan.data import Images, TensorDataset
from tinygan.losses import non_saturating, r1
from tinygan.models import build
from tinygan.train import Config, Training, gan_step
from tinygan.train.config import config_from
from tinygan.train.finite import locate
from tinygan.train.run import Run


def images(count: int = 64) -> Images:
    random = np.random.default_rng(0)
    return Images(random.integers(0, 256, (count, 28, 28, 1), dtype=np.uint8))


SMALL = Config(model="dcgan", width=4, latent=8, batch_size=8, steps=20)


def bits(network: nn.Module) -> list[bytes]:
    return [x.cpu().numpy().tobytes() for x in network.state_dict().values()]


def test_the_generators_step_leaves_the_discriminator_bit_for_bit_as_it_was() -> None:
    training = Training(SMALL, images(), "cpu")
    recorded: list[list[bytes]] = []

    class Watched(optim.Adam):
        def update(self, gradients: object) -> None:
            super().update(gradients)  # type: ignore[arg-type]
            recorded.append(bits(training.discriminator))

    D, G = training.discriminator, training.generator
    gan_step(
        G, D, Watched(G.parameters()), Watched(D.parameters()), [next(training.batches)[0]], 8,
        non_saturating,
    )  # fmt: skip
    after_d, after_g = recorded
    assert after_d == after_g == bits(D)
    assert all(p.grad is None for p in D.parameters())


def test_both_networks_move_and_the_metrics_are_what_they_say() -> None:
    training = Training(SMALL, images(), "cpu")
    before = bits(training.generator), bits(training.discriminator)
    metrics = {name: x.item() for name, x in training.advance().items()}
    assert bits(training.generator) != before[0] and bits(training.discriminator) != before[1]
    assert set(metrics) == {"d_loss", "g_loss", "d_real", "d_fake", "d_grad_norm", "g_grad_norm"}
    assert 0 < metrics["d_real"] < 1 and 0 < metrics["d_fake"] < 1
    assert metrics["d_loss"] == pytest.approx(2 * math.log(2), rel=0.3)  # D knows nothing yet
    assert metrics["g_loss"] == pytest.approx(math.log(2), rel=0.5)


def test_n_critic_takes_as_many_batches() -> None:
    training = Training(Config(**{**SMALL.as_dict(), "n_critic": 3}), images(), "cpu")
    training.advance()
    assert training.loader.state_dict()["position"] == 3 * 8


@pytest.mark.parametrize("penalty", ["none", "gradient_penalty", "r1", "r1_r2"])
@pytest.mark.parametrize("model", ["mlp", "dcgan", "resnet"])
def test_a_step_on_the_device_reads_nothing_back(penalty: str, model: str) -> None:
    config = Config(**{**SMALL.as_dict(), "penalty": penalty, "model": model})
    on_host, on_device = Training(config, images(), "cpu"), Training(config, images(), "cuda")
    expected = on_host.advance()
    if tinygan.backend.backend_for("cuda").name == "stand-in":
        with strict_cupy.no_synchronization():
            metrics = on_device.advance()
    else:
        metrics = on_device.advance()
    for name, x in expected.items():
        assert metrics[name].item() == pytest.approx(x.item(), rel=1e-3), name


def test_the_same_seed_gives_the_same_weights_and_another_one_others() -> None:
    def weights(seed: int) -> str:
        training = Training(Config(**{**SMALL.as_dict(), "seed": seed}), images(), "cpu")
        for _ in range(3):
            training.advance()
        return training.fingerprint()

    assert weights(0) == weights(0) != weights(1)


def test_a_state_that_was_saved_goes_on_bit_for_bit(tmp_path: Path) -> None:
    one = Training(SMALL, images(), "cpu")
    for _ in range(3):
        one.advance()
    tinygan.save(one.state_dict(), tmp_path / "state.safetensors")
    for _ in range(3):
        one.advance()
    two = Training(SMALL, images(), "cpu")
    two.load_state_dict(tinygan.load(tmp_path / "state.safetensors"))
    for _ in range(3):
        two.advance()
    assert two.fingerprint() == one.fingerprint()


def test_the_newest_checkpoint_is_that_of_the_last_step_beyond_a_million_too(
    tmp_path: Path,
) -> None:
    run = Run.create(tmp_path / "run", SMALL, {})
    (run.checkpoints / "step-copy.safetensors").touch()
    for step in (999_750, 1_000_000, 1_000_250):
        run.checkpoint({"step": step, "x": tinygan.ones(1)})
        (run.samples / f"step-{step:06d}.png").touch()
    newest = run.newest()
    assert newest is not None and newest.name == "step-1000250.safetensors"
    assert int(run.restore()["step"]) == 1_000_250
    assert not (run.checkpoints / "step-999750.safetensors").exists()
    names = ["step-999750.png", "step-1000000.png", "step-1000250.png"]
    assert [path.name for path in run.pictures()] == names
    run.rewind(1_000_000)
    assert [path.name for path in run.pictures()] == names[:2]


def test_a_non_finite_number_is_traced_to_its_layer() -> None:
    training = Training(SMALL, images(), "cpu")
    layer = training.discriminator.get_submodule("layers.2")
    with tinygan.no_grad():
        next(iter(layer.parameters())).fill_(float("inf"))
    message = locate(training, training.step + 1)
    assert "of D, layer layers.2" in message and "conv2d" in message


def test_every_model_has_the_shapes_it_says() -> None:
    for model, shape in [
        ("dcgan", (1, 28, 28)), ("dcgan", (3, 32, 32)), ("dcgan", (3, 64, 64)),
        ("mlp", (3, 20, 20)), ("mlp", (2,)), ("resnet", (1, 28, 28)), ("resnet", (3, 64, 64)),
    ]:  # fmt: skip
        generator, discriminator = build(model, shape, 5, 4)
        samples = generator(tinygan.randn(3, 5))
        assert samples.shape == (3, *shape)
        assert discriminator(samples).shape == (3,)


def test_the_dcgan_of_28_pixels_has_the_weights_that_its_description_says() -> None:
    generator, discriminator = build("dcgan", (1, 28, 28), 100, 64)
    # linear, then three times batch norm and (transposed) convolution, the last with bias
    expected = 100 * 6272 + 2 * 128 + 128 * 64 * 16 + 2 * 64 + 64 * 32 * 16 + 2 * 32 + 32 * 9 + 1
    assert sum(p.numel() for p in generator.parameters()) == expected
    # convolution with bias, twice convolution and batch norm, linear
    expected = 64 * 16 + 64 + 64 * 128 * 16 + 2 * 128 + 128 * 256 * 16 + 2 * 256 + 256 * 9 + 1
    assert sum(p.numel() for p in discriminator.parameters()) == expected


def test_a_gan_learns_a_gaussian() -> None:
    """The mean and spread of a Gaussian far from the start are found by both networks."""
    tinygan.manual_seed(0)
    real = TensorDataset(tinygan.randn(4096, 1) * 0.5 + 3.0)
    G, D = nn.Linear(4, 1), nn.Sequential(nn.Linear(1, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
    optimizer_G = optim.Adam(G.parameters(), 5e-3, (0.5, 0.9))
    optimizer_D = optim.Adam(D.parameters(), 5e-3, (0.5, 0.9))

    def batches() -> Iterator[Tensor]:
        while True:
            yield real.tensors[0][tinygan.randint(4096, (128,))]

    def penalty(critic: nn.Module, x: Tensor, fake: Tensor) -> Tensor:
        return 0.2 * r1(critic, x)  # without it the two circle around the solution

    reals = batches()
    for _ in range(1500):
        gan_step(G, D, optimizer_G, optimizer_D, [next(reals)], 4, non_saturating, penalty)
    samples = G(tinygan.randn(4096, 4))
    assert samples.mean().item() == pytest.approx(3.0, abs=0.15)
    assert samples.std().item() == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("given", ["tf32", "tf32x3", "float32", "bfloat16"])
def test_a_precision_says_whether_tf32_is_allowed(given: str) -> None:
    try:
        Training(replace(SMALL, precision=given), images(), "cpu")
        assert tinygan.allow_tf32() == {"tf32": True, "tf32x3": "x3"}.get(given, False)
    finally:
        tinygan.allow_tf32(False)


def test_runs_that_had_a_switch_for_tf32_go_on() -> None:
    earlier = {"steps": 20, "precision": "float32"}
    assert config_from({**earlier, "tf32": True}, "config.json").precision == "tf32"
    assert config_from({**earlier, "tf32": False}, "config.json") == Config(steps=20)
    halves = {"precision": "bfloat16", "tf32": True}
    assert config_from(halves, "config.json").precision == "bfloat16"


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:12"])
def test_devices_that_may_be_asked_for(device: str) -> None:
    assert Config(device=device).device == device
    for wrong in (f"{device}x", "cuda:", "cpu:0"):
        with pytest.raises(UserError, match=f"unknown device '{wrong}'"):
            Config(device=wrong)
