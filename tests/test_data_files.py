"""tinygan.save and tinygan.load: what goes in comes out, and what is broken is named."""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from tinygan.autograd import Parameter, Tensor, wrap
from tinygan.backend.errors import UserError
from tinygan.backend.files import FileError, replacing
from tinygan.ops.files import load, save


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return type(b) is Tensor and same(a.numpy(), b.numpy())
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and (a == b or (math.isnan(a) and math.isnan(b)))


leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.builds(
        lambda shape, dtype: wrap(np.ones(shape, dtype)),
        st.lists(st.integers(0, 3), max_size=3),
        st.sampled_from(["f4", "f8", "i8", "u1", "?", "i4", "f2", "u8"]),
    )
)  # fmt: skip
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(trees)
def test_any_tree_comes_back(tmp_path_factory: pytest.TempPathFactory, tree: Any) -> None:
    path = tmp_path_factory.mktemp("tree") / "x.safetensors"
    save(tree, path)
    assert same(tree, load(path))


def test_transposed_views_keep_their_values(tmp_path: Path) -> None:
    """safetensors writes the raw memory of such a view, under the wrong shape."""
    x = np.arange(24.0).reshape(2, 3, 4, 1).transpose(0, 3, 1, 2)
    save({"x": wrap(x), "y": wrap(x.T), "z": wrap(x[:, :, ::-1])}, tmp_path / "x")
    loaded = load(tmp_path / "x")
    for name, expected in (("x", x), ("y", x.T), ("z", x[:, :, ::-1])):
        np.testing.assert_array_equal(loaded[name].numpy(), expected)


def test_a_flat_state_dict_is_plain_safetensors(tmp_path: Path) -> None:
    state = OrderedDict([("0.weight", Parameter(wrap(np.ones((2, 2))))), ("0.bias", Tensor([1.0]))])
    save(state, tmp_path / "x.safetensors")
    assert set(load_file(tmp_path / "x.safetensors")) == {"0.weight", "0.bias"}
    loaded = load(tmp_path / "x.safetensors")
    assert not loaded["0.weight"].requires_grad
    save_file({"w": np.ones(3, np.float32)}, tmp_path / "other.safetensors", {"format": "pt"})
    assert load(tmp_path / "other.safetensors")["w"].shape == (3,)


def test_optimizer_state(tmp_path: Path) -> None:
    state = {
        "state": {0: {"step": wrap(np.array(3)), "exp_avg": wrap(np.ones((2, 3)))}},
        "param_groups": [{"lr": 1e-3, "betas": (0.5, 0.999), "params": [0], "amsgrad": False}],
        "numpy": np.arange(3), "scalar": np.float64(0.1),
    }  # fmt: skip
    save(state, tmp_path / "x")
    loaded = load(tmp_path / "x")
    assert loaded["param_groups"][0]["betas"] == (0.5, 0.999)
    assert loaded["state"][0]["step"].item() == 3 and loaded["scalar"] == 0.1
    assert isinstance(loaded["numpy"], np.ndarray)


def test_names_that_collide(tmp_path: Path) -> None:
    tree = {"a": {"b": Tensor([1.0])}, "a.b": Tensor([2.0]), "": Tensor([3.0]), 0: 1, "0": 2}
    save(tree, tmp_path / "x")
    assert same(tree, load(tmp_path / "x"))


def test_devices(tmp_path: Path, device: str) -> None:
    x = wrap(np.arange(6.0).reshape(2, 3)).to(device)
    save({"x": x, "list": [x]}, tmp_path / "x")
    assert load(tmp_path / "x")["x"].device.type == "cpu"
    moved = load(tmp_path / "x", map_location=device)
    assert moved["list"][0].device.type == device
    np.testing.assert_array_equal(moved["x"].cpu().numpy(), x.cpu().numpy())
    for file in ({"x": x}, {"x": x, "list": [x]}):
        save(file, tmp_path / "x")
        kept = load(tmp_path / "x", map_location=lambda storage, loc: storage, weights_only=True)
        moved = load(tmp_path / "x", lambda storage, loc: storage.to(device), weights_only=False)
        assert kept["x"].device.type == "cpu" and moved["x"].device.type == device
        np.testing.assert_array_equal(kept["x"].numpy(), x.cpu().numpy())


def test_what_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"save: a\.0 is a object"):
        save({"a": [object()]}, tmp_path / "x")
    with pytest.raises(TypeError, match=r"the key \(1, 2\)"):
        save({(1, 2): 3}, tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_broken_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save({"x": wrap(np.arange(100.0)), "n": 3}, path)
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[-3] ^= 1
    for content in (whole[:-1], whole[:100], whole[:4], b"", b"PK\3\4garbage", bytes(damaged)):
        path.write_bytes(content)
        with pytest.raises(FileError) as caught:
            load(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(FileError, match="there is no such file"):
        load(tmp_path / "gone")
    assert issubclass(FileError, UserError) and issubclass(FileError, ValueError)


def test_a_file_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.safetensors"
    save({"x": Tensor([1.0])}, path)
    before = path.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr("tinygan.backend.files.os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            save({"x": Tensor([2.0])}, path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_the_systems_error_is_told_as_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        save({"x": Tensor([1.0])}, tmp_path / "gone" / "x")


def test_errors_hidden_in_a_text() -> None:
    from safetensors import SafetensorError

    from tinygan.backend import files

    error = files._as_os_error(SafetensorError("I/O error: No space left (os error 28)"), "x")
    assert error.errno == 28 and error.filename == "x"
    assert "odd" in str(files._as_os_error(SafetensorError("odd"), "x"))


def test_others_may_read_what_is_written(tmp_path: Path) -> None:
    (tmp_path / "reference").write_text("")
    save({"x": Tensor([1.0])}, tmp_path / "x")
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "reference").stat().st_mode
