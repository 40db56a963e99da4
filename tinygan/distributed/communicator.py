"""Communicator: the processes that train together, and what they tell each other."""

from __future__ import annotations

from typing import Any

from tinygan.backend.cpu.threads import usable_cores


class Communicator:
    """A group of processes, of which this one is number `rank`; until others join it is alone.

    All ranks call the same methods in the same order: a rank that does not come is waited for.
    Arrays are of any backend, changed in place, of one shape and type on all ranks.
    """

    rank = 0
    size = 1

    def all_reduce(self, array: Any) -> None:
        """array = the sum of the ranks' arrays, with the same bits on every rank."""

    def broadcast(self, array: Any, root: int = 0) -> None:
        """array = the array of rank `root`."""

    def barrier(self) -> None:
        """Wait until all ranks are here."""

    def share(self, value: Any, root: int = 0) -> Any:
        """The value that rank `root` has, any Python object."""
        return value

    def gather(self, value: Any) -> list[Any]:
        """The values of all ranks, on every rank."""
        return [value]

    def abort(self, code: int) -> None:
        """End all ranks at once: of these only one knows that something went wrong."""
        raise SystemExit(code)

    def cores(self) -> int:
        """How many threads this rank may use, if the ranks of a machine share its cores evenly."""
        return usable_cores()
