"""What is seen of a step: each figure against NumPy, and that looking changes nothing."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import strict_cupy
from command import SMALL, tinygan
from rich.console import Console

import tinygan as torch
from tinygan import nn
from tinygan.autograd import Tensor, grad
from tinygan.cli.diagnosing import layers_table
from tinygan.data import Images, Points
from tinygan.data.toys import Grid, Ring
from tinygan.losses import GAMES, BoundaryEquilibrium, PairGame
from tinygan.metrics import mode_scores
from tinygan.nn.utils import spectral_norm
from tinygan.train import Config, Training
from tinygan.train import figures as F
from tinygan.train.diagnostics import Diagnostics, Looked
from tinygan.train.metrics import Metrics

RING = Config(
    data="ring", model="mlp", width=16, latent=4, batch_size=32, steps=40, diagnostics_every=4
)
DCGAN = Config(width=4, latent=8, batch_size=8, steps=20, diagnostics_every=3)


def ring(count: int = 512) -> Points:
    return Ring().dataset(count)


def images(count: int = 64) -> Images:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (count, 28, 28, 1), dtype=np.uint8)
    return Images(pixels, np.arange(count) % 4)


def look(training: Training) -> dict[str, Any]:
    """The figures of the next step that is looked at."""
    while True:
        step = training.advance()
        if "diagnostics" in step:
            found: dict[str, Any] = Metrics([step]).arrived()[0]["diagnostics"]
            return found


def values(figures: dict[str, Tensor]) -> dict[str, float]:
    return {name: x.item() for name, x in figures.items()}


# -- logits and samples -----------------------------------------------------------------------

LINES = {"minimax": 0, "non_saturating": 0, "hinge": 0, "least_squares": 0.5}


@pytest.mark.parametrize("name", GAMES)
def test_the_figures_of_logits(name: str) -> None:
    random = np.random.default_rng(1)
    real, fake = (random.standard_normal(48).astype(np.float32) + m for m in (0.8, -0.3))
    game = GAMES[name]
    found = values(F.logit_figures(game, torch.tensor(real), torch.tensor(fake)))
    sign = -1 if isinstance(game, BoundaryEquilibrium) else 1
    line = LINES.get(name, (real.mean() + fake.mean()) / 2)
    expected = {
        "real_logit": real.mean(),
        "real_logit_std": real.std(),
        "fake_logit": fake.mean(),
        "fake_logit_std": fake.std(),
        "real_accuracy": np.mean(sign * real > sign * line),
        "fake_accuracy": np.mean(sign * fake <= sign * line),
        "critic_gap": sign * (real.mean() - fake.mean()),
    }
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, abs=1e-6), key


@pytest.mark.parametrize("name", [n for n in GAMES if n != "boundary_equilibrium"])
def test_the_slopes_are_what_the_losses_have(name: str) -> None:
    real, fake = (torch.randn(16, dtype=torch.float64, requires_grad=True) for _ in range(2))
    game: Any = GAMES[name]
    found = values(F.logit_figures(game, real.detach(), fake.detach()))
    d = grad(game.discriminator(real, fake), [real, fake])
    sides = [real, fake] if isinstance(game, PairGame) else [fake]
    (g,) = grad(game.generator(*sides), [fake])
    for key, gradient in zip(("d_real_slope", "d_fake_slope", "g_slope"), (*d, g), strict=True):
        assert gradient is not None
        assert found[key] == pytest.approx(np.abs(gradient.numpy()).sum(), rel=1e-9), key


def test_the_figures_of_samples() -> None:
    random = np.random.default_rng(2)
    real, fake = (s * random.standard_normal((20, 3, 4, 4)) for s in (0.5, 0.9))
    found = values(F.sample_figures(torch.tensor(real), torch.tensor(fake)))
    expected = np.sqrt(fake.var(axis=0).sum() / real.var(axis=0).sum())
    assert found["spread"] == pytest.approx(expected, rel=1e-6)
    assert found["out_of_range"] == pytest.approx(np.mean(np.abs(fake) > 1))
    # as the docstring says: the mean square distance of pairs
    pairs = [((x[:, None] - x[None]) ** 2).sum() for x in (fake, real)]
    assert found["spread"] == pytest.approx(np.sqrt(pairs[0] / pairs[1]), rel=1e-6)
    assert set(F.sample_figures(torch.randn(5, 2), torch.zeros(5, 2))) == {"spread"}


@pytest.mark.parametrize("toy", [Ring(), Grid()])
def test_modes_are_those_of_the_metric(toy: Any) -> None:
    judge = F.Modes(toy.modes(), toy.sigma, "cpu")
    points = toy.sample(60, seed=3).astype(np.float32)
    points[::3] += 0.2  # beside the modes
    found = values(judge(torch.tensor(points)))
    expected = mode_scores(points, toy.modes(), toy.sigma)
    assert found["modes"] == expected.covered
    assert found["high_quality"] == pytest.approx(expected.high_quality)
    nearest = ((points[:, None] - toy.modes()) ** 2).sum(2).argmin(1)
    assert found["modes_near"] == len(np.unique(nearest)) > expected.covered - 1


def test_what_real_samples_show_on_average() -> None:
    toy = Grid()
    judge = F.Modes(toy.modes(), toy.sigma, "cpu")
    draws = [values(judge(torch.tensor(toy.sample(40, seed=s)))) for s in range(300)]
    mean = np.mean([found["modes_near"] for found in draws])
    assert draws[0]["modes_real"] == pytest.approx(mean, abs=0.3)  # 5 standard errors


def test_classes_are_counted() -> None:
    class First(nn.Module):
        """The first pixels as scores."""

        def forward(self, x: Tensor) -> Tensor:
            return x[:, 0, 0, :4]

    x = torch.zeros(6, 1, 28, 28)
    for sample, label in enumerate([0, 2, 2, 0, 2, 0]):
        x[sample, 0, 0, label] = 1.0
    labels = np.array([0, 0, 1, 2, 3])
    found = values(F.Classes(First(), labels, "cpu")(x))
    shares = np.array([0.4, 0.2, 0.2, 0.2])
    assert found["classes"] == 2
    assert found["classes_real"] == pytest.approx(np.sum(1 - (1 - shares) ** 6))


def test_dead_and_saturated_units() -> None:
    random = np.random.default_rng(4)
    for shape in ((9, 5), (9, 5, 3, 3)):
        x = random.standard_normal(shape).astype(np.float32) - 1.2
        x[:, 1] = -abs(x[:, 1])
        x[:, 3] = -1.0
        expected = np.mean([(x[:, unit] <= 0).all() for unit in range(5)])
        assert 0.4 <= expected < 1
        for activation in (nn.ReLU(), nn.LeakyReLU(0.2)):
            assert F.dead(activation(torch.tensor(x))).item() == pytest.approx(expected)
    x = 3 * random.standard_normal((50, 7)).astype(np.float32)
    y = np.tanh(x)
    assert F.saturated_tanh(torch.tensor(y)).item() == pytest.approx(np.mean(np.abs(y) > 0.98))
    y = 1 / (1 + np.exp(-x))
    expected = np.mean((y < 0.01) | (y > 0.99))
    assert expected > 0.01
    assert F.saturated_sigmoid(torch.tensor(y)).item() == pytest.approx(expected)


# -- layers, from a whole step ----------------------------------------------------------------


def weights(training: Training) -> dict[str, list[np.ndarray]]:
    modules = training.diagnostics.modules
    return {
        name: [p.detach().cpu().numpy().copy() for p in module.parameters(recurse=False)]
        for name, module in modules.items()
    }


def length(arrays: Any) -> float:
    return float(np.sqrt(sum((np.asarray(a, np.float64) ** 2).sum() for a in arrays)))


@pytest.mark.parametrize("replayed", [False, True])
def test_the_figures_of_layers(replayed: bool) -> None:
    config = Config(**{**RING.as_dict(), "penalty": "r1", "diagnostics_every": 4})
    training = Training(config, ring(), "cpu")
    gradients: dict[str, list[np.ndarray]] = {}
    for _ in range(16 if replayed else 0):
        training.advance()
    for _ in range(3):
        training.advance()
    before = weights(training)
    if not replayed:  # a replayed step calls no optimizer
        for network in "GD":
            optimizer: Any = vars(training)[
                {"G": "generator_optimizer", "D": "discriminator_optimizer"}[network]
            ]
            update = optimizer.update

            def keep(found: Any, update: Any = update, network: str = network) -> None:
                gradients[network] = [g.numpy().copy() for g in found]
                update(found)

            optimizer.update = keep
    step = training.advance()
    found = Metrics([step]).arrived()[0]
    layers = found["diagnostics"]["layers"]
    after = weights(training)
    for name in ("G.layers.0", "G.layers.4", "D.layers.1", "D.head"):
        moved = [a - b for a, b in zip(after[name], before[name], strict=True)]
        expected = length(moved) / length(before[name])
        assert layers[name]["update"] == pytest.approx(expected, rel=1e-4), name
        values = np.linalg.svd(after[name][0], compute_uv=False)
        assert layers[name]["singular_value"] == pytest.approx(values[0], rel=0.03), name
        assert layers[name]["singular_value"] <= values[0] * (1 + 1e-5)
    for network, key in (("G", "g_grad_norm"), ("D", "d_grad_norm")):
        parts = [x["gradient"] for n, x in layers.items() if n[0] == network and "gradient" in x]
        assert length(parts) == pytest.approx(found[key], rel=1e-5)
        if not replayed:
            assert parts[0] == pytest.approx(length(gradients[network][:2]), rel=1e-5)
    assert 0 <= layers["G.layers.1"]["dead"] < 1
    assert found["diagnostics"]["penalty"] > 0


def test_the_penalty_is_that_of_d_and_not_of_the_d_to_come() -> None:
    options = {"penalty": "r1", "n_critic": 2, "lr_d": 0.1, "diagnostics_every": 1}
    plain, unrolled = (
        look(Training(Config(**{**RING.as_dict(), **options, "unroll": steps}), ring(), "cpu"))
        for steps in (0, 3)
    )
    assert plain["penalty"] == unrolled["penalty"] > 0


def test_power_iterations_go_on_from_look_to_look() -> None:
    training = Training(Config(**{**DCGAN.as_dict(), "steps": 200}), images(), "cpu")
    for _ in range(10):
        layers = look(training)["layers"]
    names = [name for name, figures in layers.items() if "singular_value" in figures]
    assert len(names) == len(training.diagnostics.vectors) > 6
    for name in names:
        module = training.diagnostics.modules[name]
        weight = next(iter(module.parameters(recurse=False))).detach().numpy()
        if isinstance(module, nn.ConvTranspose2d):
            weight = weight.swapaxes(0, 1)
        value = np.linalg.svd(weight.reshape(len(weight), -1), compute_uv=False)[0]
        assert layers[name]["singular_value"] == pytest.approx(value, rel=0.05), name


def test_a_normalised_layer_shows_the_weight_that_it_computes_with() -> None:
    training = Training(RING, ring(), "cpu")
    spectral_norm(training.discriminator.layers[1], n_power_iterations=30)
    training.diagnostics = Diagnostics(
        training.generator, training.discriminator, training.game, [], "cpu"
    )
    training.config = Config(**{**RING.as_dict(), "diagnostics_every": 1})
    training.discriminator_optimizer = torch.optim.Adam(training.discriminator.parameters(), 1e-4)
    for _ in range(4):
        found = look(training)
    assert found["layers"]["D.layers.1"]["singular_value"] == pytest.approx(1, rel=0.02)


# -- looking changes nothing ------------------------------------------------------------------

VARIANTS: list[dict[str, Any]] = [
    {"penalty": "gradient_penalty", "game": "wasserstein", "n_critic": 2},
    {"instance_noise": 0.1, "packing": 4},
    {"game": "relativistic", "penalty": "r1", "minibatch_std": True},
    {"game": "boundary_equilibrium"},
    {"unroll": 2},
    {"conditional": "auxiliary"},
    {"conditional": "codes", "codes": 3},
    {"conditional": "projection"},
]


def trained(config: Config, every: int, dataset: Any, steps: int = 14) -> tuple[str, list[float]]:
    training = Training(Config(**{**config.as_dict(), "diagnostics_every": every}), dataset, "cpu")
    losses = [training.advance()["d_loss"].item() for _ in range(steps)]
    return training.fingerprint(), losses


@pytest.mark.parametrize("options", VARIANTS, ids=lambda options: "-".join(map(str, options)))
def test_a_run_with_looks_is_the_run_without(options: dict[str, Any]) -> None:
    config = Config(**{**RING.as_dict(), **options})
    assert trained(config, 3, ring()) == trained(config, 0, ring())


def test_a_run_of_images_with_looks_is_the_run_without() -> None:
    for options in ({}, {"augment": "color,cutout"}, {"conditional": "projection"}):
        config = Config(**{**DCGAN.as_dict(), **options})
        assert trained(config, 3, images()) == trained(config, 0, images())


@pytest.mark.parametrize("config", [RING, DCGAN], ids=["mlp", "dcgan"])
def test_a_look_on_the_device_reads_nothing_back(config: Config) -> None:
    dataset = ring() if config.data == "ring" else images()
    config = Config(**{**config.as_dict(), "diagnostics_every": 1, "penalty": "r1"})
    on_host, on_device = Training(config, dataset, "cpu"), Training(config, dataset, "cuda")
    expected = look(on_host)
    if torch.backend.backend_for("cuda").name == "stand-in":
        with strict_cupy.no_synchronization():
            step = on_device.advance()
    else:
        step = on_device.advance()
    found = Metrics([step]).arrived()[0]["diagnostics"]
    assert found.keys() == expected.keys() and found["layers"].keys() == expected["layers"].keys()
    for name in ("real_logit", "critic_gap", "spread", "penalty"):
        assert found[name] == pytest.approx(expected[name], rel=1e-3, abs=1e-5), name


def test_figures_that_are_not_finite_are_none_in_a_record() -> None:
    step = {"diagnostics": Looked([("a",), ("L", "b")], torch.tensor([float("inf"), 2.0]))}
    (record,) = Metrics([{**step, "d_loss": torch.tensor(1.0)}]).arrived()
    assert record == {"d_loss": 1.0, "diagnostics": {"a": None, "layers": {"L": {"b": 2.0}}}}


# -- in runs ----------------------------------------------------------------------------------


def test_a_run_keeps_its_looks_and_diagnose_shows_them(tmp_path: Path) -> None:
    path = tmp_path / "run"
    options = [*SMALL, "--data", "ring", "--steps", 24, "--diagnostics-every", 6]
    tinygan("train", *options, "--out", path)
    records = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    looked = [record["step"] for record in records if "diagnostics" in record]
    assert looked == [6, 12, 18, 24]
    assert records[-1]["diagnostics"]["memory"] > 2**20
    text = tinygan("diagnose", path, "--json", tmp_path / "report.json")
    for word in ("critic_gap", "modes", "singular_value", "G.layers.0", "D.head", "memory"):
        assert word in text
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["last_look"]["step"] == 24 and report["events"] == []
    assert report["steps_per_second"] > 1


def test_no_number_is_cut_where_a_terminal_is_narrow() -> None:
    figures = dict.fromkeys(("gradient", "update", "singular_value", "dead", "saturated"), 0.123)
    layers = {f"D.{3 * 'discriminator.'}layers.{i}": figures for i in range(2)}
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(layers_table(100, layers))
    text = console.export_text()
    assert text.count("0.123") == 10 and "singular_value" in text and "\u2026" not in text


def test_a_run_without_looks_is_diagnosed_by_its_losses(tmp_path: Path) -> None:
    tinygan("train", *SMALL, "--steps", 3, "--diagnostics-every", 0, "--out", tmp_path / "run")
    assert "not looked at" in tinygan("diagnose", tmp_path / "run")
    assert "no config.json" in tinygan("diagnose", tmp_path, code=2)
