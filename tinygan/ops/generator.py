"""Generators of random numbers, whose state is an array, and the default one of each device."""

from __future__ import annotations

import secrets

import numpy as np

from tinygan.autograd import Tensor, add_to, assign, perform, wrap
from tinygan.autograd.tensor import to_device
from tinygan.backend import Backend, Device, backend_for, cuda, host_array
from tinygan.ops.conversion import clone

__all__ = [
    "Generator",
    "default_generator",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
]

DEFAULT_SEED = 67280421310721  # of a new Generator, as in PyTorch; the default ones start unseen


class Generator:
    """A stream of random numbers on a device; its whole state is one array, [key, counter].

    The key is the seed. Equal seeds give equal numbers on every device.

    `share` is (rank, ranks): of every draw this is the part of one rank, the others' parts are
    passed over. The ranks' numbers together are those that one would draw in their place, where
    each rank's fill whole blocks of 16 bytes; the state is the same on all ranks.
    """

    share = (0, 1)

    def __init__(self, device: str | Device = "cpu") -> None:
        self._backend = backend_for(device)
        self._state = wrap(self._backend.from_host(np.zeros(2, dtype=np.uint64)))
        self.manual_seed(DEFAULT_SEED)

    @property
    def device(self) -> Device:
        return self._backend.device

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of `seed`, any integer; only its lower 64 bits count."""
        start = np.array([int(seed) % (1 << 64), 0], dtype=np.uint64)
        perform(assign, self._state.array, self._backend.from_host(start))
        return self

    def seed(self) -> int:
        """Start a stream that nobody has seen, and return its seed."""
        seed = secrets.randbits(64)
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed of this stream."""
        return int(host_array(self._state.array)[0])

    def get_state(self) -> Tensor:
        """A copy of [key, counter], a uint64 tensor on the generator's device."""
        return clone(self._state)

    def set_state(self, state: Tensor) -> None:
        """Go on from a state that `get_state` returned, on this device or another."""
        if not isinstance(state, Tensor) or state.dtype != np.uint64 or state.shape != (2,):
            given = f"{state.dtype} {tuple(state.shape)}" if isinstance(state, Tensor) else state
            raise TypeError(
                f"Generator.set_state: expected a uint64 tensor of shape (2,), got {given}"
            )
        perform(assign, self._state.array, to_device(state, self.device))

    def skip(self, blocks: int) -> None:
        """Pass over so many blocks of 16 bytes."""
        perform(add_to, self._state.array[1:], blocks)

    def __repr__(self) -> str:
        return f"Generator(device={str(self.device)!r})"


_defaults: dict[Backend, Generator] = {}
_seed: int | None = None


def default_generator(device: str | Device = "cpu") -> Generator:
    """The generator that is drawn from on a device when none is passed."""
    backend = backend_for(device)
    if backend not in _defaults:
        _defaults[backend] = Generator(device).manual_seed(initial_seed())
    return _defaults[backend]


def manual_seed(seed: int) -> Generator:
    """Seed the default generators of all devices, also of those that are used only later."""
    global _seed
    _seed = int(seed) % (1 << 64)
    for generator in _defaults.values():
        generator.manual_seed(_seed)
    return default_generator()


def _seed_gpu(seed: int) -> None:
    """Seed the default generator of the GPU, where there is one."""
    if cuda.is_available():
        default_generator("cuda").manual_seed(seed)


for _name in ("manual_seed", "manual_seed_all"):  # of tinygan.cuda, for scripts that seed both
    setattr(cuda, _name, _seed_gpu)


def seed() -> int:
    """Seed the default generators with a number that nobody has seen, and return it."""
    return manual_seed(secrets.randbits(64)).initial_seed()


def initial_seed() -> int:
    """The seed of the default generators."""
    global _seed
    if _seed is None:
        _seed = secrets.randbits(64)
    return _seed


def get_rng_state(device: str | Device = "cpu") -> Tensor:
    """The state of the default generator of a device."""
    return default_generator(device).get_state()


def set_rng_state(new_state: Tensor, device: str | Device = "cpu") -> None:
    """Set the state of the default generator of a device."""
    default_generator(device).set_state(new_state)
