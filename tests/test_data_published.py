"""MNIST and its kin: found wherever they lie, read whole or refused, downloaded or absent."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import idx, real, write_pair

from tinygan.data import CIFAR10, MNIST, DataError, FashionMNIST, load
from tinygan.data import published as module
from tinygan.data.catalogue import CATALOGUE
from tinygan.data.download import Remote, fetch
from tinygan.data.idx import read_idx

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No mirror answers, and no test asks the real ones."""
    for name, collection in CATALOGUE.items():
        monkeypatch.setitem(CATALOGUE, name, replace(collection, mirrors=()))


# -- IDX ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(7,), (3, 4, 5), (2, 3, 4, 1)])
def test_an_idx_file_is_read(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    (tmp_path / "plain").write_bytes(idx(array))
    (tmp_path / "packed.gz").write_bytes(gzip.compress(idx(array)))
    np.testing.assert_array_equal(read_idx(tmp_path / "plain"), array)
    np.testing.assert_array_equal(read_idx(tmp_path / "packed.gz"), array)


WHOLE = idx(np.zeros((5, 28, 28)))
PACKED = gzip.compress(np.random.default_rng(0).bytes(9000))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (WHOLE[:-1], "truncated: its header promises 3920 bytes, it holds 3919"),
        (WHOLE + b"\0", "corrupt: its header promises 3920 bytes, it holds 3921"),
        (WHOLE[:10], "truncated"),
        (b"", "no IDX file"),
        (b"<html>not found</html>", "no IDX file"),
        (b"\0\0\x0d\x01" + bytes(8), "type 0xd"),
        (gzip.compress(WHOLE)[:-9], "truncated (gzip ends too early)"),
        (PACKED[:5000], "truncated (gzip ends too early)"),
        (PACKED[:5000] + b"????" + PACKED[5004:], "corrupt"),
        (gzip.compress(WHOLE[:-5]), "truncated"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_idx_file_is_named(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_idx(path)
    message = str(caught.value)
    assert str(path) in message and expected in message and "\n" not in message
    if "type" not in expected:
        assert "delete train-images-idx3-ubyte.gz" in message


def test_a_header_that_promises_the_world(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\0\0\x08\x04" + b"\xff" * 16 + bytes(9))
    with pytest.raises(DataError, match=r"x is (truncated|corrupt)"):
        read_idx(tmp_path / "x")


# -- finding --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("place", ["mnist", "MNIST/raw", ""])
def test_places_where_people_keep_them(tmp_path: Path, place: str, packed: bool) -> None:
    write_pair(tmp_path / place, packed=packed)
    data = load("mnist", tmp_path)
    assert data.images.shape == (5, 28, 28, 1) and data.labels.tolist() == [0, 1, 2, 3, 4]
    assert data.source == str(tmp_path / place)
    write_pair(tmp_path / place, "t10k", count=3, packed=packed)
    assert len(MNIST(tmp_path, train=False)) == 3


@pytest.mark.usefixtures("offline")
def test_the_order_of_the_places(
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_pair(cache / "published" / "mnist", count=1)
    assert len(load("mnist")) == 1
    monkeypatch.setenv("TINYGAN_DATA", str(tmp_path / "environment"))
    assert len(load("mnist")) == 1
    write_pair(tmp_path / "environment" / "mnist", count=2)
    assert len(load("mnist")) == 2
    write_pair(tmp_path / "given", count=3)
    assert len(load("mnist", tmp_path / "given")) == 3
    assert len(load("mnist", tmp_path / "elsewhere")) == 2


@pytest.mark.usefixtures("offline")
def test_images_without_labels_will_do(tmp_path: Path) -> None:
    write_pair(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    data = load("mnist", tmp_path)
    assert data.labels is None and len(data[0]) == 1


@pytest.mark.usefixtures("offline")
def test_a_found_file_that_is_broken_is_told_not_replaced(tmp_path: Path) -> None:
    write_pair(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz is truncated"):
        load("mnist", tmp_path)
    write_pair(tmp_path, count=4)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(3))))
    with pytest.raises(DataError, match="expected images N H W and labels N"):
        load("mnist", tmp_path)


@pytest.mark.usefixtures("offline")
def test_a_sister_is_not_taken_for_the_collection(tmp_path: Path) -> None:
    """The files of MNIST and Fashion-MNIST have the same names."""
    fashion = real("fashion-mnist")
    for name in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"):
        (tmp_path / name).symlink_to(fashion / name)
    assert FashionMNIST(tmp_path).classes[0] == "T-shirt/top"
    with pytest.raises(DataError, match="cannot download"):
        load("mnist", tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="cannot download"):
        load("mnist", tmp_path)


@pytest.mark.usefixtures("offline")
def test_without_download_it_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"MNIST is not in .*; use download=True"):
        MNIST(tmp_path)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_real_collections(name: str) -> None:
    folder = real(name)
    for data_dir in (folder, folder.parent):
        data = load(name, data_dir)
        assert data.images.shape == (60_000, 28, 28, 1) and data.channels == 1
        assert np.bincount(data.labels).min() > 5000 and len(data.classes) == 10
    for remote in (*CATALOGUE[name].train, *CATALOGUE[name].test):
        content = (folder / remote.name).read_bytes()
        assert len(content) == remote.size
        assert hashlib.sha256(content).hexdigest() == remote.digest.removeprefix("sha256:")
    assert len(load(name, folder, size=32).images[0]) == 32
    assert module.published(name, folder, train=False, download=False).images.shape[0] == 10_000


# -- CIFAR-10 -------------------------------------------------------------------------------------


def cifar(folder: Path, archive: bool, records: int = 3) -> None:
    """Record i of a batch has label i, red 10 i, green 10 i + 1, blue 10 i + 2."""
    plane = np.ones(1024, np.uint8)
    record = [
        np.concatenate([[i], *((10 * i + c) * plane for c in range(3))]) for i in range(records)
    ]
    content = np.concatenate(record).astype(np.uint8).tobytes()
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    folder.mkdir(parents=True, exist_ok=True)
    if not archive:
        for name in names:
            (folder / name).write_bytes(content)
        return
    with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz") as tar:
        for name in names:
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("archive", [True, False])
def test_cifar_is_read_from_its_binary_form(tmp_path: Path, archive: bool) -> None:
    cifar(tmp_path / ("cifar10" if archive else "cifar-10-batches-bin"), archive)
    for _ in range(2):  # decoded, then from the cache
        data = load("cifar10", tmp_path)
        assert data.images.shape == (15, 32, 32, 3)
        assert data.images[4, 9, 9].tolist() == [10, 11, 12] and data.labels[4] == 1
    assert len(CIFAR10(tmp_path, train=False)) == 3


@pytest.mark.usefixtures("offline")
def test_broken_cifar_is_named(tmp_path: Path) -> None:
    cifar(tmp_path, archive=True)
    path = tmp_path / "cifar-10-binary.tar.gz"
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"garbage"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"cifar-10-binary.tar.gz (is|does)"):
            load("cifar10", tmp_path)
    path.unlink()
    cifar(tmp_path, archive=False)
    (tmp_path / "data_batch_3.bin").write_bytes(bytes(100))
    with pytest.raises(DataError, match=r"data_batch_3.bin is truncated: 100 bytes"):
        load("cifar10", tmp_path)


# -- downloading ----------------------------------------------------------------------------------

CONTENT = np.random.default_rng(1).bytes(300_000)
FILE = Remote("file.gz", "sha256:" + hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


class Mirror(BaseHTTPRequestHandler):
    """/good/ gives the file, /wrong/ another one, /short/ breaks off, /long/ does not end."""

    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        if kind == "absent":
            self.send_error(404)
            return
        served: dict[str, bytes] = self.server.files  # type: ignore[attr-defined]
        content = served.get(self.path.rsplit("/", 1)[1], b"")
        content = {
            "wrong": content[:-1] + b"?",
            "short": content[: len(content) // 2],
            "long": content * 2,
        }.get(kind, content)
        self.send_response(200)
        if kind != "unsized":
            self.send_header("Content-Length", str(max(len(content), len(CONTENT))))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        server.files = {FILE.name: CONTENT}  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def mirror(server: Any, kind: str) -> str:
    return f"http://127.0.0.1:{server.server_port}/{kind}/"


@pytest.mark.parametrize("first", ["absent", "wrong", "short", "long", "dead", "unsized"])
def test_the_second_mirror_helps_out(tmp_path: Path, server: Any, first: str) -> None:
    calls: list[tuple[str, int, int]] = []
    dead = "http://127.0.0.1:9/"
    mirrors = [dead if first == "dead" else mirror(server, first), mirror(server, "good")]
    path = fetch(FILE, mirrors, tmp_path / "new" / "place", lambda *call: calls.append(call))
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]
    assert calls[-1] == ("file.gz", len(CONTENT), len(CONTENT))


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("absent", "HTTP 404"),
        ("wrong", "not the published file (sha256"),
        ("short", "broke off after 150000"),
        ("long", "not the published file (more than 300000 bytes)"),
    ],
)
def test_a_failed_download_leaves_nothing(
    tmp_path: Path, server: Any, kind: str, reason: str
) -> None:
    with pytest.raises(DataError) as caught:
        fetch(FILE, [mirror(server, kind)], tmp_path / "place")
    message = str(caught.value)
    assert reason in message and "file.gz" in message and "glyphs needs no download" in message
    assert not list(tmp_path.iterdir())


def test_an_interrupted_download_leaves_nothing(tmp_path: Path, server: Any) -> None:
    def interrupt(name: str, done: int, total: int) -> None:
        if done > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(FILE, [mirror(server, "good")], tmp_path, interrupt)
    assert not list(tmp_path.iterdir())


def test_md5_and_no_size(tmp_path: Path, server: Any) -> None:
    remote = Remote(FILE.name, "md5:" + hashlib.md5(CONTENT).hexdigest())
    assert fetch(remote, [mirror(server, "good")], tmp_path).read_bytes() == CONTENT
    with pytest.raises(DataError, match="broke off after 150000 of 300000"):
        fetch(remote, [mirror(server, "short")], tmp_path / "b")


def test_a_full_disk_is_told(tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tinygan.backend.files.os.fsync", full)
    with pytest.raises(DataError, match=r"cannot write .*file.gz: No space left on device"):
        fetch(FILE, [mirror(server, "good"), mirror(server, "good")], tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def small_mnist(tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalogue whose MNIST is five images on the server above."""
    write_pair(tmp_path / "origin")
    remotes = []
    for remote in CATALOGUE["mnist"].train:
        content = (tmp_path / "origin" / remote.name).read_bytes()
        server.files[remote.name] = content + bytes(0)
        remotes.append(Remote(remote.name, "sha256:" + hashlib.sha256(content).hexdigest()))
    monkeypatch.setattr(f"{__name__}.CONTENT", b"")  # lengths are those of the files
    collection = replace(
        CATALOGUE["mnist"], mirrors=(mirror(server, "good"),), train=tuple(remotes)
    )
    monkeypatch.setitem(CATALOGUE, "mnist", collection)


@pytest.mark.usefixtures("small_mnist")
def test_a_collection_is_downloaded_once(
    tmp_path: Path,
    cache: Path,
    server: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = load("mnist")
    assert len(data) == 5 and data.source == str(cache / "published" / "mnist")
    server.files.clear()
    assert load("mnist").checksum == data.checksum


@pytest.mark.usefixtures("small_mnist")
def test_a_download_goes_where_the_user_points(tmp_path: Path) -> None:
    load("mnist", tmp_path / "mine")
    assert len(list((tmp_path / "mine" / "mnist").iterdir())) == 2
    (tmp_path / "mine" / "mnist" / "train-images-idx3-ubyte.gz").unlink()
    assert len(load("mnist", tmp_path / "mine")) == 5  # what was missing is fetched


@pytest.mark.usefixtures("small_mnist")
def test_a_place_that_cannot_be_written_to_is_passed_over(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert load("mnist", tmp_path / "file").source == str(cache / "published" / "mnist")


@pytest.mark.usefixtures("small_mnist")
def test_labels_come_first(tmp_path: Path, server: Any) -> None:
    """Or a download that broke off would look like a set without labels."""
    del server.files["train-images-idx3-ubyte.gz"]
    with pytest.raises(DataError, match="train-images"):
        load("mnist", tmp_path / "mine")
    assert [p.name for p in (tmp_path / "mine" / "mnist").iterdir()] == [
        "train-labels-idx1-ubyte.gz"
    ]
