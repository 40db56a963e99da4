"""DataLoader: batches in a seeded order, prepared ahead in one thread, resumable anywhere."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygan.autograd import Tensor, wrap
from tinygan.autograd.tensor import to_device
from tinygan.backend import Device, enter_thread
from tinygan.data.chance import of_batch
from tinygan.data.collate import default_collate
from tinygan.data.errors import DataError
from tinygan.data.shuffle import permutation, seed_of

AHEAD = 2  # batches that wait; more only takes memory


class DataLoader:
    """Batches of a dataset; `for x, label in loader` is one epoch, `loader.forever()` all of them.

    The order of epoch e is a function of (seed, e) alone, the seed being that of `generator` (a
    Generator or an int; by default it is drawn from the default generator when the first epoch
    begins, so that loaders are independent and `manual_seed` decides); random transforms draw from
    it too, for each batch anew. With `num_workers` above 0 one background thread prepares batches
    ahead of their use; a number above 1 is not more, for the work is done by NumPy and Pillow
    outside of the interpreter's lock. `collate_fn` turns a list of items into a batch. Tensors of
    a batch are moved to `device`. `pin_memory` and `persistent_workers` are there for scripts
    written for PyTorch and change nothing.

    `shard` is (rank, ranks), for processes that train together: each has its own part of
    `ranks` x `batch_size` items of one common order, which need `drop_last`.

    `state_dict()` tells where the batches delivered so far end; a loader with the same arguments
    and `load_state_dict` of it gives exactly the batches that would have come.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        num_workers: int = 1,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        generator: Any = None,
        persistent_workers: bool = False,
        device: str | Device | None = None,
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        count = len(dataset)
        if batch_size < 1:
            raise DataError(f"DataLoader: batch_size is {batch_size}, expected 1 or more")
        if num_workers < 0:
            raise DataError(f"DataLoader: num_workers is {num_workers}, expected 0 or more")
        if not count:
            raise DataError("DataLoader: the dataset is empty")
        rank, ranks = shard
        if not 0 <= rank < ranks:
            raise DataError(f"DataLoader: shard is {shard}, expected (rank, ranks)")
        if ranks > 1 and not drop_last:
            raise DataError("DataLoader: shards are equally large, which needs drop_last=True")
        if drop_last and ranks * batch_size > count:
            raise too_large(ranks * batch_size, count)
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.num_workers = num_workers
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.generator = generator
        self.device = device
        self.shard = shard
        self._seed: int | None = None
        self._delivered = (0, 0)  # epoch, and how many of its items were given out
        self._next_epoch = 0
        self._resuming = False

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-self._last() // self._together)

    def __iter__(self) -> Batches:
        return Batches(self, endless=False)

    def forever(self) -> Batches:
        """Batches epoch after epoch without end; close() it, or let go of it, to stop."""
        if self._together > len(self.dataset):
            raise too_large(self._together, len(self.dataset))
        return Batches(self, endless=True)

    def state_dict(self) -> dict[str, int]:
        epoch, position = self._delivered
        return {"seed": self.seed, "epoch": epoch, "position": position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where `state` was taken; iterators made before keep going as they were."""
        missing = {"seed", "epoch", "position"} - set(state)
        if missing:
            raise DataError(f"DataLoader: the state has no {', '.join(sorted(missing))}")
        if not 0 <= int(state["position"]) <= len(self.dataset):
            raise DataError(
                f"DataLoader: the state stands at item {state['position']} of an epoch, but the "
                f"dataset has {len(self.dataset)} items; it belongs to other data"
            )
        self._seed = int(state["seed"])
        self._delivered = (int(state["epoch"]), int(state["position"]))
        self._resuming = True

    @property
    def seed(self) -> int:
        if self._seed is None:
            self._seed = seed_of(self.generator)
        return self._seed

    @property
    def _together(self) -> int:
        """How many items the ranks take at once."""
        return self.batch_size * self.shard[1]

    def _last(self) -> int:
        """Where an epoch ends: after the last item that is given out."""
        count = len(self.dataset)
        return count - count % self._together if self.drop_last else count

    def _start(self) -> tuple[int, int]:
        """Where the next iterator begins."""
        start = self._delivered if self._resuming else (self._next_epoch, 0)
        self._resuming = False
        self._delivered = start
        self._next_epoch = start[0] + 1
        return start

    def _plan(self, start: tuple[int, int], endless: bool) -> Iterator[tuple[np.ndarray, Any]]:
        """Indices of the batches to come, each with the place where it ends."""
        epoch, position = start
        count, last = len(self.dataset), self._last()
        first = self.shard[0] * self.batch_size
        while True:
            order = permutation(count, self.seed, epoch) if self.shuffle else np.arange(count)
            while position < last:
                end = min(position + self._together, last)
                mine = order[position:end][first : first + self.batch_size]
                yield mine, (epoch, end)
                position = end
            if not endless:
                return
            epoch, position = epoch + 1, 0


def fetcher(dataset: Any, collate_fn: Any, seed: int, rank: int) -> Callable[[Any, Any], Any]:
    """What makes the batch of some indices that ends at a place, with that batch's chances."""
    gather = gatherer(dataset, collate_fn)

    def fetch(indices: np.ndarray, place: tuple[int, int]) -> Any:
        with of_batch(seed, *place, rank):
            return gather(indices)

    return fetch


def gatherer(dataset: Any, collate_fn: Any) -> Callable[[np.ndarray], Any]:
    """What makes a batch of indices: the dataset's own gathering where it has one."""
    if collate_fn is None:
        gather: Callable[[np.ndarray], Any] | None = getattr(dataset, "batch", None)
        if gather is not None:
            return gather
        collate_fn = default_collate
    together = getattr(dataset, "__getitems__", None)
    if together is not None:
        return lambda indices: collate_fn(together(indices.tolist()))
    return lambda indices: collate_fn([dataset[i] for i in indices.tolist()])


class Batches:
    """An iterator over batches. `close()`, the end, or losing it stops its thread."""

    def __init__(self, loader: DataLoader, endless: bool) -> None:
        self._loader = loader
        self._device = loader.device
        start = loader._start()
        fetch = fetcher(loader.dataset, loader.collate_fn, loader.seed, loader.shard[0])
        self._plan = loader._plan(start, endless)
        self._endless = endless
        self._ahead: Ahead | None = None
        if loader.num_workers:
            self._ahead = Ahead(self._plan, fetch)
            weakref.finalize(self, self._ahead.close)
        else:
            self._fetch = fetch

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> Any:
        if self._ahead is not None:
            batch, place = self._ahead.next()
        else:
            indices, place = next(self._plan)
            batch = self._fetch(indices, place)
        batch = batch if self._device is None else moved(batch, self._device)
        loader = self._loader
        loader._delivered = place
        loader._next_epoch = max(loader._next_epoch, place[0] + 1)
        return batch

    def close(self) -> None:
        """Stop the thread and wait for it."""
        self._plan = iter(())
        if self._ahead is not None:
            self._ahead.close()

    def __enter__(self) -> Batches:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class Ahead:
    """A thread that makes what a plan lists, at most AHEAD + 1 before they are asked for."""

    def __init__(self, plan: Iterator[tuple[Any, Any]], fetch: Callable[[Any, Any], Any]) -> None:
        self.results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.room = threading.Semaphore(AHEAD)
        self.stopped = threading.Event()
        self.finished = False
        self.thread = threading.Thread(
            target=_work,
            args=(plan, fetch, self.results, self.room, self.stopped),
            name="tinygan-data",
            daemon=True,
        )
        self.thread.start()

    def next(self) -> Any:
        if self.finished or self.stopped.is_set():
            raise StopIteration
        result, error = self.results.get()
        if error is not None:
            self.finished = True
            self.close()
            raise error
        self.room.release()
        return result

    def close(self) -> None:
        self.stopped.set()
        self.room.release()
        if self.thread is not threading.current_thread():
            self.thread.join()


def _work(
    plan: Iterator[tuple[Any, Any]],
    fetch: Callable[[Any, Any], Any],
    results: queue.SimpleQueue[Any],
    room: threading.Semaphore,
    stopped: threading.Event,
) -> None:
    """A function of its own, so that the thread keeps no reference to the iterator it serves."""
    try:
        enter_thread()
        for what, place in plan:
            room.acquire()
            if stopped.is_set():
                return
            results.put(((fetch(what, place), place), None))
        results.put((None, StopIteration()))
    except BaseException as error:  # handed to the thread that waits
        results.put((None, error))


def moved(batch: Any, device: str | Device) -> Any:
    """The batch with its tensors on a device."""
    if isinstance(batch, Tensor):
        return wrap(to_device(batch, device))
    if isinstance(batch, dict):
        return {name: moved(x, device) for name, x in batch.items()}
    if isinstance(batch, (list, tuple)):
        items = [moved(x, device) for x in batch]
        return type(batch)(*items) if hasattr(batch, "_fields") else type(batch)(items)
    return batch


def too_large(batch_size: int, count: int) -> DataError:
    """The error for a batch that the data cannot fill."""
    return DataError(
        f"a batch of {batch_size} is larger than the data, which has {count} items; choose a batch "
        f"size of {count} or less"
    )
