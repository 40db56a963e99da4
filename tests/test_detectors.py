"""Detectors of failing training: on series that are known, and on a real run with a failure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import tinygan

from tinygan.backend.errors import UserError
from tinygan.train import Config, Detectors, Event
from tinygan.train.detectors import (
    Collapse,
    Detector,
    DiscriminatorWon,
    Divergence,
    Jump,
    Oscillation,
    detrended,
    wave,
)

GOOD = {
    "d_loss": 1.3, "g_loss": 0.8, "d_real": 0.6, "d_fake": 0.4,
    "d_grad_norm": 0.5, "g_grad_norm": 0.4,
}  # fmt: skip
LOOK = {
    "spread": 1.0,
    "modes_near": 8.0,
    "modes_real": 8.0,
    "d_real_slope": 0.4,
    "d_fake_slope": 0.4,
}


def records(steps: int, every: int = 0, **series: Any) -> list[dict[str, Any]]:
    """Records of a good run, in which some figures are functions of the step."""
    found = []
    for step in range(1, steps + 1):
        record: dict[str, Any] = {"step": step, **GOOD}
        if every and step % every == 0:
            record["diagnostics"] = dict(LOOK)
        for name, function in series.items():
            if name in GOOD:
                record[name] = function(step)
            elif "diagnostics" in record:
                record["diagnostics"][name] = function(step)
        found.append(record)
    return found


def heard(detector: Detector, stream: list[dict[str, Any]]) -> list[Event]:
    return [event for record in stream if (event := detector.update(record)) is not None]


def noisy(sigma: float, seed: int = 0) -> Any:
    values = np.random.default_rng(seed).standard_normal(20_000)
    return lambda step: 0.8 + sigma * float(values[step])


# -- each detector ----------------------------------------------------------------------------


def test_d_has_won_when_it_is_sure_for_a_hundred_steps() -> None:
    sure = records(
        900,
        d_real=lambda t: 0.999 if t > 500 else 0.6,
        d_fake=lambda t: 0.001 if t > 500 else 0.4,
    )
    (event,) = heard(DiscriminatorWon(True), sure)
    assert event.since == 501 and event.step == pytest.approx(501 + 0.9 * 100, abs=2)
    assert "--lr-d" in event.says and "D(x) > 0.99" in event.says
    for side, value in (("d_real", 0.985), ("d_fake", 0.015)):
        other = {"d_real": lambda t: 0.999, "d_fake": lambda t: 0.001, side: lambda t, v=value: v}
        assert heard(DiscriminatorWon(True), records(900, **other)) == []


def test_d_has_won_is_told_by_slopes_where_there_are_no_probabilities() -> None:
    slopes = {f"d_{side}_slope": lambda t: 0.001 for side in ("real", "fake")}
    assert heard(DiscriminatorWon(False), records(400)) == []  # no looks: it cannot tell
    assert heard(DiscriminatorWon(False), records(400, every=20)) == []
    (event,) = heard(DiscriminatorWon(False), records(400, every=20, **slopes))
    assert "slopes" in event.says


def test_collapse_is_told_by_spread_and_by_modes() -> None:
    for name, value, word in (("spread", 0.05, "vary 5%"), ("modes_near", 2.0, "show 25%")):
        stream = records(
            3000, every=50, **{name: lambda t, n=name, v=value: v if t > 1000 else LOOK[n]}
        )
        (event,) = heard(Collapse(), stream)
        assert 1000 < event.step <= 1000 + Collapse.SPAN + 50
        assert word.split()[0] in event.says and "--packing" in event.says
    assert heard(Collapse(), records(3000, every=50)) == []
    assert heard(Collapse(), records(3000)) == []
    # one bad look among good ones is none
    stream = records(3000, every=50, spread=lambda t: 0.0 if t == 2000 else 1.0)
    assert heard(Collapse(), stream) == []


def test_a_detector_speaks_again_after_it_was_silent() -> None:
    stream = records(6000, every=50, spread=lambda t: 0.01 if (t // 1500) % 2 else 1.0)
    assert len(heard(Collapse(), stream)) == 2


@pytest.mark.parametrize("network", ["d", "g"])
def test_divergence_is_a_large_gradient_that_stays(network: str) -> None:
    name = f"{network}_grad_norm"
    (event,) = heard(Divergence(), records(400, **{name: lambda t: 500.0 if t > 300 else 0.5}))
    assert 300 < event.step <= 350
    assert f"--lr-{network}" in event.says
    spikes = records(400, **{name: lambda t: 1e6 if t % 5 == 0 else 0.5})
    assert heard(Divergence(), spikes) == []


def test_oscillation_is_a_wave_and_not_noise() -> None:
    def waves(period: float, height: float, sigma: float = 0.0) -> Any:
        noise = noisy(sigma)
        return lambda t: noise(t) + height * np.sin(2 * np.pi * t / period)

    for period in (60, 130, 300):
        (event,) = heard(Oscillation(), records(2500, g_loss=waves(period, 1.0, 0.3)))
        assert event.step <= 1300
        told = int(event.says.partition("back every ")[2].split()[0])
        assert told == pytest.approx(period, rel=0.1)
    assert heard(Oscillation(), records(2500, g_loss=waves(100, 0.05))) == []  # too small
    assert heard(Oscillation(), records(4000, g_loss=noisy(1.0))) == []
    walk = np.cumsum(np.random.default_rng(1).standard_normal(4001)) / 20
    assert heard(Oscillation(), records(4000, g_loss=lambda t: float(walk[t]))) == []


def test_the_autocorrelation_is_that_of_its_definition() -> None:
    x = np.random.default_rng(2).standard_normal(120) / 2 + np.sin(np.arange(120) / 4)
    line = np.polyfit(np.arange(120), x, 1)
    y = x - np.polyval(line, np.arange(120))
    np.testing.assert_allclose(detrended(x), y, atol=1e-10)
    r = np.array([(y[: 120 - k] * y[k:]).mean() / (y * y).mean() for k in range(41)])
    first = int(np.flatnonzero(r < 0)[0])
    top = first + int(r[first:].argmax())
    height, lag = wave(x)
    assert height == pytest.approx((r[top] - r[first : top + 1].min()) / 2, rel=1e-9)
    assert wave(np.sin(np.arange(2000) / 4))[0] == pytest.approx(1, abs=0.01)
    assert abs(lag - 25) <= 3  # 8 pi
    assert wave(np.ones(60)) == (0.0, 0) and wave(np.arange(60.0)) == (0.0, 0)


def test_weights_that_jump_are_told_by_their_singular_values() -> None:
    def layers(at: int, factor: float) -> Any:
        return lambda t: {
            "D.head": {"singular_value": 2.0 * (factor if t >= at else 1)},
            "G.layers.1": {"dead": 0.5},
            "G.layers.2": {"singular_value": None},
        }

    (event,) = heard(Jump(), records(2000, every=50, layers=layers(1000, 9.0)))
    assert event.step == 1000 and "D.head" in event.says and "9 times" in event.says
    (event,) = heard(Jump(), records(200, every=50, layers=layers(100, 9.0)))
    assert event.step == 100  # the first two looks are compared already
    assert heard(Jump(), records(2000, every=50, layers=layers(1000, 3.5))) == []
    assert heard(Jump(), records(2000, every=200, layers=layers(1000, 9.0))) == []  # too far apart
    assert heard(Jump(), records(2000)) == []


# -- together ---------------------------------------------------------------------------------


def test_a_good_run_is_met_with_silence_and_a_look_of_none_with_patience() -> None:
    detectors = Detectors(Config())
    stream = records(3000, every=50, g_loss=noisy(0.2), spread=lambda t: None if t == 500 else 1.0)
    assert [event for record in stream for event in detectors.update(record)] == []
    assert not detectors.ask_to_stop


def test_label_smoothing_moves_what_d_is_sure_of() -> None:
    """With targets 0.9 D(x) stays there, and its slopes tell what D(x) cannot."""
    config = Config(label_smoothing=0.1)
    detectors = Detectors(config)
    slopes = {f"d_{side}_slope": lambda t: 0.001 for side in ("real", "fake")}
    stream = records(400, every=20, d_real=lambda t: 0.9, d_fake=lambda t: 0.001, **slopes)
    events = [event for record in stream for event in detectors.update(record)]
    assert [event.detector for event in events] == ["discriminator_won"]


def test_stop_on_names_detectors() -> None:
    assert Config(stop_on="collapse,divergence").stop_on
    with pytest.raises(UserError, match="did you mean 'collapse'"):
        Config(stop_on="colapse")
    stream = records(400, d_grad_norm=lambda t: 1e4)
    for stop_on, stops in (("any", True), ("collapse", False), ("collapse,divergence", True)):
        detectors = Detectors(Config(stop_on=stop_on))
        for record in stream:
            detectors.update(record)
        assert detectors.ask_to_stop is stops


# -- a real run -------------------------------------------------------------------------------

LOST = [
    *("--data", "ring", "--model", "mlp", "--width", 32, "--latent", 4, "--batch-size", 64),
    *("--game", "wasserstein", "--lr-d", 0.05, "--steps", 600, "--schedule", "constant"),
]


def test_a_run_that_fails_says_so_and_stops_if_asked(tmp_path: Path) -> None:
    """A critic without a bound and with 100 times the usual rate: its loss runs away."""
    run = tmp_path / "run"
    text = tinygan("train", *LOST, "--stop-on", "divergence", "--out", run, code=1)
    assert "diverges since step" in text and "tinygan train --resume" in text
    kept = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    events = [event for record in kept for event in record.get("events", [])]
    assert "divergence" in [event["detector"] for event in events]
    assert kept[-1]["step"] < 600
    assert "diverges since step" in tinygan("diagnose", run)
    # what is said of the kept metrics is what was said while they were made
    detectors = Detectors(Config(game="wasserstein"))
    again = [event._asdict() for record in kept for event in detectors.update(record)]
    assert again == events
    # it was stopped for that once, and goes on when it is resumed
    tinygan("train", "--resume", run, "--steps", kept[-1]["step"] + 30)
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(1, kept[-1]["step"] + 31))
