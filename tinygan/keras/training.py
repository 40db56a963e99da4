"""fit, evaluate and predict: the loops over batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

import tinygan
from tinygan.autograd import Tensor, no_grad
from tinygan.backend import Device
from tinygan.data.shuffle import seed_of
from tinygan.keras import feed
from tinygan.keras.callbacks import CallbackList, History
from tinygan.keras.feed import Feed
from tinygan.keras.progress import Progress
from tinygan.keras.stepping import Stepper


class Trainer(Stepper):
    """What a model can do with data once it is compiled."""

    # -- fit ----------------------------------------------------------------------------------

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
    ) -> History:
        """Train on arrays, or on an iterable of batches (x, y) or (x, y, weights).

        Arrays are lists of samples, of which every epoch has its own order if `shuffle`: from
        Philox, by a seed that this call draws, and the epoch. `validation_split` takes the last
        share of them away, before. Returns the History.
        """
        objective, _ = self._compiled_parts()
        self.stop_training = False
        if class_weight is not None:
            sample_weight = feed.weighted_by_class(y, class_weight, sample_weight)
        source = _source(x, y, sample_weight, self._device())
        if validation_split:
            if not isinstance(source, Feed):
                raise ValueError("validation_split needs arrays; pass validation_data")
            source, validation = source.split(validation_split)
        elif validation_data is not None:
            validation = self._validation(validation_data)
        else:
            validation = None
        batch_size = batch_size or 32
        if isinstance(source, Feed):
            whole = -(-len(source) // batch_size)
            steps: int | None = min(whole, steps_per_epoch or whole)
        else:
            steps = steps_per_epoch or (len(source) if hasattr(source, "__len__") else None)
        verbose = 1 if verbose == "auto" else int(verbose)
        history = History()
        params = {"verbose": verbose, "epochs": epochs, "steps": steps}
        given = callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
        told = CallbackList([*[c for c in given if c is not None], history], self, params)
        run = self._runner(source, "train")
        check = None if validation is None else self._runner(validation, "test")
        self.history = history
        told.call("on_train_begin", {})
        logs: dict[str, float] = {}
        seed = seed_of(None)
        for epoch in range(initial_epoch, epochs):
            told.call("on_epoch_begin", epoch, {})
            objective.reset()
            if verbose and epochs > 1:
                print(f"Epoch {epoch + 1}/{epochs}", flush=True)
            bar = Progress(steps, verbose) if verbose else None
            order = None
            if shuffle and isinstance(source, Feed):
                order = feed.shuffled(len(source), seed, epoch)
            done = self._epoch(run(batch_size, order), steps, bar, told)
            steps = done if steps is None else steps
            logs = objective.results()
            if check is not None and (epoch + 1) % validation_freq == 0:
                told.call("on_test_begin", {})
                found = self._evaluated(
                    check, validation_batch_size or batch_size, validation_steps
                )
                told.call("on_test_end", found)
                logs |= {f"val_{name}": value for name, value in found.items()}
            logs = dict(sorted(logs.items(), key=lambda item: _place(item[0])))
            told.call("on_epoch_end", epoch, logs)
            if bar is not None:
                bar.draw(done, logs, last=True)
            if self.stop_training:
                break
        told.call("on_train_end", logs)
        return history

    def _epoch(
        self, batches: Iterable[Any], steps: int | None, bar: Progress | None, told: CallbackList
    ) -> int:
        """The training steps of an epoch; how many they were."""
        objective, _ = self._compiled_parts()
        done = 0
        for step in batches:
            if told.wants_begins:
                told.call("on_train_batch_begin", done, {})
            self._begin_step()
            step()
            done += 1
            if told.wants_batches:
                told.call("on_train_batch_end", done - 1, objective.results())
            if bar is not None:
                bar.stepped(done)
                if bar.due() and done != steps:
                    bar.draw(done, dict(sorted(objective.results().items())), last=False)
            if done == steps or self.stop_training:
                break
        return done

    def _validation(self, data: Any) -> Any:
        if isinstance(data, (list, tuple)):
            x, y, *weight = data
            return Feed(x, y, weight[0] if weight else None, self._device())
        return _source(data, None, None, self._device())

    def _runner(self, source: Any, kind: str) -> Callable[..., Iterator[Callable[[], None]]]:
        """A function of batch size and order that gives a call for each step of an epoch."""
        work = self._train if kind == "train" else self._test

        if isinstance(source, Feed):

            def rows(indices: Tensor) -> None:
                work(*source.rows(indices))

            step = self._recorded(rows)

            def over_rows(
                batch_size: int, order: np.ndarray | None = None
            ) -> Iterator[Callable[[], None]]:
                for number, indices in enumerate(source.indices(batch_size, order)):
                    if not number:
                        x, y, _ = source.rows(indices)
                        self._ready(x, y)
                    yield partial(step, indices)

            return over_rows
        step = self._recorded(work)

        def over_batches(
            batch_size: int, order: np.ndarray | None = None
        ) -> Iterator[Callable[[], None]]:
            for number, batch in enumerate(source):
                x, y, weight = _batch(batch, self._device())
                if not number:
                    self._ready(x, y)
                yield partial(step, x, y, weight)

        return over_batches

    # -- evaluate and predict -----------------------------------------------------------------

    def _evaluated(
        self, run: Callable[..., Any], batch_size: int, steps: int | None, bar: Any = None
    ) -> dict[str, float]:
        objective, _ = self._compiled_parts()
        objective.reset()
        done = 0
        for step in run(batch_size):
            step()
            done += 1
            if bar is not None:
                bar.stepped(done)
                if bar.due() and done != bar.target:
                    bar.draw(done, dict(sorted(objective.results().items())), last=False)
            if done == steps:
                break
        results = objective.results()
        if bar is not None:
            bar.draw(done, dict(sorted(results.items())), last=True)
        return results

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        return_dict: bool = False,
    ) -> Any:
        """[loss, metrics, ...] on the data, or the loss alone, or a dict by name."""
        source = _source(x, y, sample_weight, self._device())
        verbose = 1 if verbose == "auto" else int(verbose)
        target = -(-len(source) // (batch_size or 32)) if isinstance(source, Feed) else steps
        bar = Progress(min(target, steps) if target and steps else target, verbose)
        run = self._runner(source, "test")
        found = self._evaluated(run, batch_size or 32, steps, bar if verbose else None)
        if return_dict:
            return found
        values = list(found.values())
        return values[0] if len(values) == 1 else values

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
    ) -> Any:
        """The outputs for the samples x, as arrays on the host."""
        source = _source(x, None, None, self._device())
        verbose = 1 if verbose == "auto" else int(verbose)
        call = no_grad()(lambda x: self(x, training=False))
        step: Any = tinygan.compile(call)
        parts: list[Any] = []
        size = batch_size or 32
        if isinstance(source, Feed):
            batches: Iterable[Any] = (source.rows(i)[0] for i in source.indices(size))
            target: int | None = -(-len(source) // size)
        else:
            batches, target = (_batch(batch, self._device())[0] for batch in source), steps
        bar = Progress(target, verbose)
        for batch in batches:
            parts.append(step(batch))
            bar.stepped(len(parts))
            if bar.due() and len(parts) != target:
                bar.draw(len(parts), {}, last=False)
            if len(parts) == steps:
                break
        if verbose:
            bar.draw(len(parts), {}, last=True)
        return feed.joined(parts)


def _source(x: Any, y: Any, weight: Any, device: Device) -> Any:
    """Samples in memory as a Feed; an iterable of batches as it is."""
    is_data = isinstance(x, (np.ndarray, Tensor, list, tuple, dict))
    if is_data or y is not None:
        return Feed(x, y, weight, device)
    if not hasattr(x, "__iter__") and not hasattr(x, "__next__"):
        raise TypeError(f"expected arrays, or an iterable of batches, got {type(x).__name__}")
    return x


def _batch(batch: Any, device: Device) -> list[Any]:
    """x, y and weights of a batch of an iterable."""
    parts = list(batch) if isinstance(batch, (tuple, list)) else [batch]
    if len(parts) > 3:
        raise ValueError(f"a batch is (x, y) or (x, y, weights), got {len(parts)} parts")
    return [feed.as_tensors(p, device) for p in [*parts, *[None] * (3 - len(parts))]]


def _place(name: str) -> tuple[bool, str]:
    """Logs by name, those of validation after the others."""
    return name.startswith("val_"), name
