"""Training N steps equals k steps, kill -9, resume, N - k steps: bit for bit."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest
from command import SMALL, start, tinygan

STEPS = ["--steps", 60, "--checkpoint-every", 7, "--sample-every", 20]
DCGAN = ["--model", "dcgan", "--width", "4", "--latent", "8", "--batch-size", "8"]


def weights(text: str) -> str:
    found = re.search(r"weights (\w+)", text)
    assert found, text
    return found.group(1)


@pytest.mark.parametrize(
    "options",
    [
        [*SMALL, "--schedule", "cosine", "--n-critic", "2"],
        [*DCGAN, "--penalty", "r1", "--normalize", "yes"],
    ],
    ids=["mlp", "dcgan"],
)
def test_killed_and_resumed_equals_uninterrupted(tmp_path: Path, options: list[str]) -> None:
    whole = weights(tinygan("train", *options, *STEPS, "--out", tmp_path / "whole"))

    process = start("train", *options, *STEPS, "--out", tmp_path / "killed")
    checkpoints = tmp_path / "killed" / "checkpoints"
    while process.poll() is None and len(list(checkpoints.glob("step-00000[1-9]*"))) < 1:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "killed" / "samples.gif").exists()

    resumed = weights(tinygan("train", "--resume", tmp_path / "killed"))
    assert resumed == whole
    for name in ("metrics.jsonl", "samples"):
        a, b = tmp_path / "whole" / name, tmp_path / "killed" / name
        if a.is_dir():
            assert {p.name: p.read_bytes() for p in a.iterdir()} == {
                p.name: p.read_bytes() for p in b.iterdir()
            }
        else:
            measured = r'"(time|memory)": [\d.]+'  # of the machine, not of the training
            kept = [re.sub(measured, "", p.read_text()) for p in (a, b)]
            assert kept[0] == kept[1]
            assert '"diagnostics"' in kept[0]
