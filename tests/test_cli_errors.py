"""Bad input: a message in a line or two, exit code 2, and nothing lost."""

from __future__ import annotations

import gzip
import json
import resource
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import SMALL, start, tinygan, train
from moved import ON_GPU
from PIL import Image

from tinygan.backend.errors import UserError
from tinygan.cli.options import configured, with_file
from tinygan.data.origin import read_picture
from tinygan.train.config import Config
from tinygan.train.run import Run


def refused(*arguments: Any, **options: Any) -> str:
    """The message of a refused command."""
    text = tinygan(*arguments, code=2, **options)
    assert "Traceback" not in text
    return " ".join(text.split())


def test_unknown_names_get_the_nearest_right_one(tmp_path: Path) -> None:
    assert "'wasserstein'" in refused("train", "--game", "waserstein")
    assert "'dcgan'" in refused("train", "--model", "dcgam")
    assert "--steps" in refused("train", "--step", 3)
    assert "'glyphs'" in refused("train", "--data", "glyph")
    assert "'r1'" in refused("train", "--penalty", "r11")
    (tmp_path / "c.toml").write_text("stepz = 3\n")
    assert "'steps'" in refused("train", "--config", tmp_path / "c.toml")
    assert "gradcheck" in refused("gradchek")


def test_config_files_that_are_none(tmp_path: Path) -> None:
    assert "nothing.toml" in refused("train", "--config", tmp_path / "nothing.toml")
    (tmp_path / "c.toml").write_text("steps = = 3\n")
    assert "TOML" in refused("train", "--config", tmp_path / "c.toml")
    for text, message in (
        ('steps = "many"', "steps must be int"),
        ('model = ["dcgan"]', "model must be str"),
        ("out = 3", "out must be str"),
        ("resume = 3", "resume must be str"),
        ('config = "d.toml"', "one file cannot name another"),
        ("latent = 9223372036854775808", "latent must be"),
    ):
        (tmp_path / "c.toml").write_text(text + "\n")
        with pytest.raises(UserError, match=message):
            configured({"config": str(tmp_path / "c.toml")})
    (tmp_path / "c.toml").write_bytes(b"\xef\xbb\xbfdata = '\xc3\xa9'\n")
    assert configured({"config": str(tmp_path / "c.toml")})[1].data == "\u00e9"
    (tmp_path / "c.toml").write_text('model = ["dcgan"]\n')
    assert "model must be" in refused("train", "--config", tmp_path / "c.toml")


@pytest.mark.parametrize(
    ("name", "value"),
    [("penalty_weight", 5.0), ("penalty_end", 0.1), ("codes", 5), ("class_weight", 2.0)],
)
def test_options_without_effect_are_refused(name: str, value: float, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"--{name.replace('_', '-')} {value} has no effect"):
        configured({name: value})
    (tmp_path / "c.toml").write_text(f"{name} = {value}\n")
    assert configured({"config": str(tmp_path / "c.toml")})[1] == Config(**{name: value})
    useful = {"penalty": "r1"} if "penalty" in name else {"conditional": "codes"}
    configured({**useful, name: value})


def test_paths_to_data_become_absolute_and_names_stay(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("Fashion_MNIST", "glyphs", "photos"):
        (tmp_path / name).mkdir()
    for given, kept in (
        *((name, name) for name in ("Fashion_MNIST", "glyphs", "glyph")),
        *((name, str(tmp_path / name)) for name in ("photos", "x.npz")),
    ):
        assert with_file({"data": given}) == {"data": kept}
    assert with_file({"data_dir": "photos"}) == {"data_dir": str(tmp_path / "photos")}


def test_schedules_and_normalisation_that_are_not_there() -> None:
    with pytest.raises(UserError, match="--lr-end"):
        configured({"lr_end": 0.1, "schedule": "constant"})
    with pytest.raises(UserError, match="--normalize yes has no effect"):
        configured({"normalize": "yes", "model": "mlp"})
    configured({"normalize": "auto", "model": "mlp", "lr_end": 0.1})
    assert "unknown device 'tpu'" in refused("reproduce", "dirac", "--device", "tpu")
    message = refused("train", "--data", "ring")
    assert "--model mlp" in message and "--size" not in message


@pytest.mark.parametrize(
    "option",
    ["--steps=-3", "--steps=0", "--batch-size=0", "--lr-g=nan", "--lr-d=inf", "--lr-d=0",
     "--beta1=1.5", "--ema=1", "--penalty-weight=nan", "--class-weight=inf",
     "--penalty-weight=-1", "--class-weight=-1", "--latent=0", "--size=0"],
)  # fmt: skip
def test_numbers_out_of_range_are_refused(option: str) -> None:
    name = option.partition("=")[0].strip("-").replace("-", "_")
    assert name in refused("train", option)


def test_a_warning_is_a_line(tmp_path: Path) -> None:
    images = np.arange(16, dtype=np.uint8).repeat(49).reshape(4, 14, 14)
    np.savez(tmp_path / "x.npz", images=images * 16, labels=np.ones((4, 3)))
    told = tinygan("data", tmp_path / "x.npz").splitlines()
    assert [line for line in told if line.startswith("warning: ") and "'labels'" in line]
    assert not any("UserWarning" in line or "warn(" in line for line in told)


def test_folders_without_images(tmp_path: Path) -> None:
    assert "missing" in refused("train", "--data", tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    assert "empty" in refused("train", "--data", tmp_path / "empty")
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("no image")
    assert "text" in refused("train", "--data", tmp_path / "text")


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    for i in range(3):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / f"{i}.png")
    whole = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(whole[: len(whole) // 2])
    assert "1.png" in refused("train", "--data", tmp_path, "--size", 28)


@pytest.mark.parametrize("damage", ["truncated", "garbage"])
def test_a_broken_idx_file_is_named(tmp_path: Path, damage: str) -> None:
    name = "train-images-idx3-ubyte.gz"
    content = gzip.compress(b"\0\0\x08\x03" + np.array([9, 28, 28], ">i4").tobytes() + bytes(7056))
    content = content[: len(content) // 2] if damage == "truncated" else b"garbage" * 50
    (tmp_path / name).write_bytes(content)
    assert name in refused("train", "--data", "mnist", "--data-dir", tmp_path)


def test_a_batch_larger_than_the_data_names_both_numbers(tmp_path: Path) -> None:
    np.save(tmp_path / "five.npy", np.zeros((5, 28, 28), np.uint8))
    message = refused("train", "--data", tmp_path / "five.npy", "--batch-size", 64)
    assert "64" in message and "5" in message


def test_an_out_that_holds_another_run_is_left_alone(tmp_path: Path) -> None:
    train(tmp_path / "run", "--steps", 1)
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    message = refused("train", *SMALL, "--out", tmp_path / "run")
    assert "another run" in message and "--resume" in message
    assert before == {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}


@pytest.mark.skipif(ON_GPU, reason="there is a GPU")
def test_cuda_without_a_gpu_says_what_is_missing() -> None:
    message = refused("train", "--device", "cuda")
    assert "CuPy" in message and ("install" in message or "driver" in message)


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    assert "config.json" in refused("train", "--resume", tmp_path)
    assert "config.json" in refused("sample", tmp_path)


def test_a_broken_checkpoint_is_named_and_the_one_before_offered(tmp_path: Path) -> None:
    train(tmp_path / "run", "--steps", 4, "--checkpoint-every", 2)
    newest = tmp_path / "run" / "checkpoints" / "step-000004.safetensors"
    newest.write_bytes(newest.read_bytes()[:1000])
    message = refused("train", "--resume", tmp_path / "run", "--steps", 6)
    assert newest.name in message and "step-000002.safetensors" in message
    newest.unlink()
    tinygan("train", "--resume", tmp_path / "run", "--steps", 6)


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    train(tmp_path / "a", "--steps", 1)
    train(tmp_path / "b", "--steps", 1, "--width", 12)
    name = "checkpoints/step-000001.safetensors"
    (tmp_path / "a" / name).write_bytes((tmp_path / "b" / name).read_bytes())
    assert name in refused("train", "--resume", tmp_path / "a", "--steps", 2)
    assert name in refused("sample", tmp_path / "a")


def test_resume_refuses_to_change_the_game_or_the_data(tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", np.zeros((50, 28, 28), np.uint8))
    train(tmp_path / "run", "--steps", 1, "--data", tmp_path / "data.npy")
    assert "--game" in refused("train", "--resume", tmp_path / "run", "--game", "hinge")
    np.save(tmp_path / "data.npy", np.ones((50, 28, 28), np.uint8))
    assert "changed" in refused("train", "--resume", tmp_path / "run", "--steps", 2)


def test_other_labels_are_other_data(tmp_path: Path) -> None:
    images, labels = np.zeros((50, 28, 28), np.uint8), np.arange(50) % 3
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    options = ("--steps", 1, "--conditional", "projection", "--data", tmp_path / "data.npz")
    train(tmp_path / "run", *options)
    np.savez(tmp_path / "data.npz", images=images, labels=labels[::-1])
    for command in (("train", "--steps", 2, "--resume"), ("evaluate",)):
        assert "the labels of" in refused(*command, tmp_path / "run")
    notes = json.loads((tmp_path / "run" / "config.json").read_text())
    del notes["labels"]  # as in runs of old
    (tmp_path / "run" / "config.json").write_text(json.dumps(notes))
    tinygan("train", "--steps", 2, "--resume", tmp_path / "run")


def test_a_full_disk_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    train(tmp_path / "run", "--steps", 2, "--width", 32)
    kept = tmp_path / "run" / "checkpoints" / "step-000002.safetensors"

    before = sorted(p.name for p in kept.parent.iterdir())

    def fill() -> None:
        """Files may grow to half of a checkpoint: writing one fails as on a full disk."""
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        size = kept.stat().st_size // 2
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    message = refused("train", "--resume", tmp_path / "run", "--steps", 4, preexec_fn=fill)
    assert "step-000004" in message and kept.name in message
    assert sorted(p.name for p in kept.parent.iterdir()) == before
    tinygan("train", "--resume", tmp_path / "run", "--steps", 4)


def test_a_run_that_diverges_says_where_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    text = train(
        tmp_path / "run", "--steps", 400, "--lr-d", 1e9, "--lr-g", 1e9, "--game", "least_squares",
        "--checkpoint-every", 1, code=1,
    )  # fmt: skip
    assert "not finite" in text and "first operation" in text and "--lr-d" in text
    tinygan("sample", tmp_path / "run")


def started(path: Path, *arguments: Any, steps: int = 100000) -> subprocess.Popen[str]:
    """A long training that has written metrics."""
    process = start("train", *arguments, "--steps", steps)
    metrics = path / "metrics.jsonl"
    before = metrics.stat().st_size if metrics.exists() else 0
    while not metrics.exists() or metrics.stat().st_size <= before:
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(process.communicate())
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_ctrl_c_saves_and_says_how_to_resume(tmp_path: Path, number: signal.Signals) -> None:
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip(f"{number.name} is ignored here, and so by what is started (nohup)")
    process = started(tmp_path / "run", *SMALL, "--out", tmp_path / "run")
    metrics = tmp_path / "run" / "metrics.jsonl"
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert f"--resume {tmp_path / 'run'}" in out
    last = json.loads(metrics.read_text().splitlines()[-1])["step"]
    tinygan("train", "--resume", tmp_path / "run", "--steps", last + 2)


def test_what_is_changed_at_a_resume_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a [run]"
    train(path, "--steps", 3, "--mark")
    name = read_picture(path / "samples" / "step-000003.png")[1]["Run"]
    text = tinygan("train", "--resume", path)
    assert "already at step 3 of 3, nothing was trained" in text
    assert f"--resume '{path}' --steps 6" in text and "done" not in text
    tinygan("train", "--resume", path, "--steps", 5)
    assert "already at step 5 of 5" in tinygan("train", "--resume", path)
    notes = json.loads((path / "config.json").read_text())
    assert notes["config"]["steps"] == 3 and notes["changed"] == {"steps": 5}
    assert read_picture(path / "samples" / "step-000005.png")[1]["Run"] == name
    process = started(path, "--resume", path)
    process.send_signal(signal.SIGINT)
    assert f"--resume '{path}'\n" in process.communicate(timeout=60)[0]
    assert Run.open(path).config().steps == 100000


def test_a_run_is_trained_by_one_process_and_saved_when_nobody_reads(tmp_path: Path) -> None:
    run = tmp_path / "run"
    rarely = ("--checkpoint-every", 100000, "--sample-every", 100000)
    process = started(run, *SMALL, *rarely, "--device", "cpu", "--out", run, steps=20000)
    assert "by another process" in refused("train", "--resume", run)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.wait(timeout=100) == 1  # it prints every 1000 steps
    with process.stderr:
        assert "nobody reads" in process.stderr.read()
    newest = Run.open(run).newest()
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["step"]
    assert newest is not None and newest.name == f"step-{last:06d}.safetensors" and last > 1


def test_a_damaged_run_goes_on(tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(run, "--steps", 6, "--sample-every", 2)
    lines = (run / "metrics.jsonl").read_text().splitlines()
    lines[1:3] = ["{broken", "5", '{"step": 5}', lines[2]]
    (run / "metrics.jsonl").write_text("\n".join(lines))
    assert "6 steps" in tinygan("diagnose", run)
    (run / "samples" / "step-000002.png").write_bytes(b"no picture")
    (run / ".samples.123.part.gif").touch()
    (run / "checkpoints" / ".step-000007.123.part.safetensors").touch()
    tinygan("train", "--resume", run, "--steps", 7)
    records = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    assert [record["step"] for record in records] == [1, 3, 4, 5, 6, 7]
    assert not list(run.rglob("*.part*"))
    shutil.rmtree(run / "samples")
    tinygan("train", "--resume", run)
    tinygan("train", "--resume", run, "--steps", 8)
    assert len(Run.open(run).pictures()) == 1
    notes = json.loads((run / "config.json").read_text())
    del notes["shape"]
    (run / "config.json").write_text(json.dumps(notes))
    assert "no shape" in refused("sample", run)
