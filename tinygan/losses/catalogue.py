"""Every game by its name."""

from __future__ import annotations

from tinygan.backend.errors import choose
from tinygan.losses.equilibrium import BoundaryEquilibrium, boundary_equilibrium
from tinygan.losses.games import Game, hinge, least_squares, minimax, non_saturating, wasserstein
from tinygan.losses.pairs import relativistic, relativistic_average, softmax_game

__all__ = ["GAMES", "game"]

GAMES: dict[str, Game | BoundaryEquilibrium] = {
    g.name: g
    for g in (
        *(minimax, non_saturating, least_squares, hinge, wasserstein),
        *(relativistic, relativistic_average, softmax_game, boundary_equilibrium),
    )
}


def game(name: str) -> Game | BoundaryEquilibrium:
    """The game of that name; an unknown name is a ValueError with the nearest right one."""
    return choose("game", name, GAMES)
