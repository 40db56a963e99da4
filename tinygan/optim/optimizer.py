"""Optimizer: parameter groups, their state, and one step over all of them."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from tinygan.autograd import (
    Tensor,
    before_replay,
    enable_grad,
    perform,
    replay_while,
    zero_gradient,
)
from tinygan.backend import Backend, backend_of
from tinygan.optim.rule import Numbers, Rule, Update
from tinygan.optim.saved import State, kept, loaded

Group = dict[str, Any]
Row = tuple[Tensor, tuple[Any, ...]]  # a parameter, and what its rule takes
Parameters = Iterable[Tensor] | Iterable[Group]


class Required:
    """In `defaults`, in place of a value that every group has to give."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = Required()


class Optimizer:
    """Steps over `param_groups`: dicts with "params" and the options that hold for them.

    The numbers among a group's options are read by the rules from an array (`_numbers`), which is
    refreshed when one of them changes: a recorded step that is replayed follows them too.

    A subclass names its rule and what the rule reads; or, as in scripts written for PyTorch, it
    has a `step` of its own, which changes `p.data` and keeps what it likes in `self.state[p]`. The
    numbers that such a step reads are those of the recorded call.
    """

    rule: Rule

    def __init__(self, params: Parameters, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params: expected an iterable of Tensors or of dicts, got one Tensor; pass [x]"
            )
        self.defaults = defaults
        self.state: dict[Tensor, State] = defaultdict(dict)
        self.param_groups: list[Group] = []
        self._repeated: set[int] = set()  # groups with a parameter more than once
        self._hyper: list[Numbers] = []
        self._updates: dict[Any, Update] = {}
        self._post_hooks: list[Callable[..., None]] = []
        self.found_inf: Tensor | None = None  # set by a GradScaler: where it is not 0, no update
        given: list[Any] = list(params)
        if not given:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(given[0], dict):
            given = [{"params": given}]
        for group in given:
            self.add_param_group(group)

    # -- what a subclass defines --------------------------------------------------------------

    def _numbers(self, group: Group) -> tuple[float, ...]:
        """The numbers of a group that its rule reads, in the rule's order; none without a rule."""
        return ()

    def _check(self, group: Group) -> None:
        """Raise ValueError for options outside of their range; without a rule all are good."""

    def _new_state(self, p: Tensor, group: Group) -> State:
        """The state of a parameter before its first update."""
        raise NotImplementedError

    def _static(self, group: Group) -> dict[str, Any]:
        """The keyword-only arguments of the rule."""
        raise NotImplementedError

    def _arguments(self, p: Tensor, state: State, group: Group) -> tuple[Any, ...]:
        """What the rule takes of a parameter between its gradient and `hyper`."""
        raise NotImplementedError

    # -- groups -------------------------------------------------------------------------------

    def add_param_group(self, param_group: Group) -> None:
        """Optimize more parameters, with options of their own."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, got {type(param_group).__name__}")
        params = param_group["params"]
        if isinstance(params, (set, frozenset)):
            raise TypeError(
                "optimizer parameters need an order that is the same in every run: "
                "pass a list, not a set"
            )
        params = [params] if isinstance(params, Tensor) else list(params)
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, got {type(p).__name__}")
            if not p.is_leaf:
                raise ValueError("can't optimize a non-leaf Tensor")
        known = {id(p) for p in self._all_parameters()}
        distinct = {id(p) for p in params}
        if known & distinct:
            raise ValueError("some parameters appear in two parameter groups")
        if len(distinct) < len(params):
            warnings.warn(
                "some parameters are there more than once, and each time a step updates them "
                "again; pass each once, as module.parameters() of a module that holds all of them",
                stacklevel=4,
            )
            self._repeated.add(len(self.param_groups))
        group = {**self.defaults, **param_group, "params": params}
        for name, value in group.items():
            if value is required:
                raise ValueError(
                    f"parameter group didn't specify a value of required optimization parameter "
                    f"{name}"
                )
        self._check(group)
        self.param_groups.append(group)
        self._hyper.append(Numbers())

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or fill them with zeros."""
        for p in self._all_parameters():
            zero_gradient(p, set_to_none)

    def _all_parameters(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    # -- the step -----------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update with the gradients in `.grad`; parameters without one are left alone.

        `closure`, if given, computes the loss and the gradients first; its loss is returned.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        self.update([p.grad for p in self._all_parameters()])
        return loss

    def update(self, gradients: Sequence[Tensor | None]) -> None:
        """One update with the gradients given, in the order of the parameters over all groups.

        A None leaves its parameter alone, as `.grad` None does in `step`.
        """
        parameters = self._all_parameters()
        if len(gradients) != len(parameters):
            raise ValueError(
                f"update: got {len(gradients)} gradients for {len(parameters)} parameters"
            )
        before_replay(self.refresh)
        replay_while(self._unchanged())
        remaining = iter(gradients)
        for number, group in enumerate(self.param_groups):
            found: dict[Backend, list[Row]] = {}
            for p in group["params"]:
                gradient = next(remaining)
                if gradient is None:
                    continue
                backend = _check_gradient(p, gradient)
                state = self.state.get(p)
                if state is None:
                    state = self.state[p] = self._new_state(p, group)
                row = (p.array, gradient.array, *self._arguments(p, state, group))
                found.setdefault(backend, []).append((p, row))
            for backend, rows in found.items():
                for turn, once in enumerate(_turns(rows) if number in self._repeated else [rows]):
                    self._update(number, group, backend, once, turn)
        for hook in self._post_hooks:
            hook(self, (), {})

    def register_step_post_hook(self, hook: Callable[..., None]) -> None:
        """Call `hook(optimizer, args, kwargs)` after every update, with nothing in the last two."""
        self._post_hooks.append(hook)

    def _update(
        self,
        number: int,
        group: Group,
        backend: Backend,
        rows: list[Row],
        turn: int,
    ) -> None:
        """Apply the rule to parameters of one group that are on one device."""
        static = self._static(group)
        guard = [] if self.found_inf is None else [self.found_inf.array]
        key = (number, turn, backend, bool(guard), *static.values())
        update = self._updates.get(key)
        if update is None:
            update = self._updates[key] = self.rule.on(bool(guard), **static)
        columns = map(list, zip(*[arguments for _, arguments in rows], strict=True))
        hyper = self._hyper[number].on(backend, self._numbers(group))
        perform(update, *columns, hyper, *guard, changed=[p for p, _ in rows])

    def refresh(self) -> None:
        """Bring the arrays that the rules read up to date with `param_groups`.

        `update` does it by itself; whoever replays a recorded update calls this before.
        """
        for numbers, group in zip(self._hyper, self.param_groups, strict=True):
            numbers.refresh(self._numbers(group))

    def _unchanged(self) -> Callable[[], bool]:
        """Whether all is as it is now that a recorded update has taken up for good."""

        def fixed() -> Any:
            groups = self.param_groups
            zeros = [tuple([n == 0 for n in self._numbers(group)]) for group in groups]
            return zeros, [self._static(group) for group in groups]

        then, places = fixed(), [(p, p.array) for p in self._all_parameters()]
        state = self.state  # another one since `load_state_dict`
        options = [dict(group) for group in self.param_groups]

        def unchanged() -> bool:
            if self.state is not state:
                return False
            for p, array in places:
                if p.array is not array:
                    return False
            if options != self.param_groups:
                options[:] = [dict(group) for group in self.param_groups]
                return bool(fixed() == then)
            return True

        return unchanged

    # -- saving -------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """{"state": {number: {name: tensor}}, "param_groups": [options, "params": numbers]}.

        Parameters are numbered in order over all groups; the tensors share memory.
        """
        numbers = {id(p): i for i, p in enumerate(self._all_parameters())}
        groups = [
            {**group, "params": [numbers[id(p)] for p in group["params"]]}
            for group in self.param_groups
        ]
        state = {numbers[id(p)]: dict(values) for p, values in self.state.items() if values}
        return {"state": dict(sorted(state.items())), "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned (here, or PyTorch's for the same parameters)."""
        saved = state_dict["param_groups"]
        if len(saved) != len(self.param_groups):
            raise ValueError(
                "loaded state dict has a different number of parameter groups: "
                f"{len(saved)}, expected {len(self.param_groups)}"
            )
        for i, (theirs, ours) in enumerate(zip(saved, self.param_groups, strict=True)):
            if len(theirs["params"]) != len(ours["params"]):
                raise ValueError(
                    f"loaded state dict contains a parameter group (number {i}) of "
                    f"{len(theirs['params'])} parameters, expected {len(ours['params'])}"
                )
        numbers = chain.from_iterable(group["params"] for group in saved)
        by_number = dict(zip(numbers, self._all_parameters(), strict=True))
        state: dict[Tensor, State] = defaultdict(dict)
        for number, values in state_dict["state"].items():
            p = by_number[int(number)]
            state[p] = {name: loaded(name, value, p) for name, value in values.items()}
        for p, values in state.items():
            values.update(kept(self.state.get(p, {}), values))
        self.state = state
        for theirs, ours in zip(saved, self.param_groups, strict=True):
            ours.update({name: value for name, value in theirs.items() if name != "params"})

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {k}: {group[k]}" for k in sorted(group) if k != "params"]
        return "\n".join([*lines, ")"])


def _turns(rows: list[Row]) -> list[list[Row]]:
    """Rows to be applied one list after the other, each parameter at most once in a list."""
    turns: list[list[Row]] = []
    times: dict[int, int] = {}
    for row in rows:
        time = times[id(row[0])] = times.get(id(row[0]), -1) + 1
        turns += [[] for _ in range(time + 1 - len(turns))]
        turns[time].append(row)
    return turns


def check_range(name: str, value: float, low: float, high: float = np.inf) -> None:
    """Raise ValueError unless low <= value < high."""
    if not low <= value < high:
        expected = f"at least {low}" + ("" if high == np.inf else f" and below {high}")
        raise ValueError(f"Invalid {name}: {value}, expected {expected}")


def _check_gradient(p: Tensor, gradient: Tensor) -> Backend:
    """Refuse a gradient that does not fit; the backend of both."""
    if gradient.array.shape != p.array.shape:
        raise ValueError(
            f"update: a gradient of shape {tuple(gradient.shape)} for a parameter of shape "
            f"{tuple(p.shape)}"
        )
    if gradient.array.dtype != p.array.dtype:
        raise TypeError(f"update: a {gradient.dtype} gradient for a {p.dtype} parameter")
    backend = backend_of(p.array)
    if backend_of(gradient.array) is not backend:
        raise RuntimeError(
            f"update: a gradient on {gradient.device} for a parameter on {p.device}; move one of "
            "them with x.to(device)"
        )
    return backend
