"""Games with a classifier at the discriminator's side: ACGAN and InfoGAN."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tinygan.autograd import Tensor
from tinygan.backend.errors import UserError
from tinygan.losses.games import Game

__all__ = ["verdict", "with_classes"]


def with_classes(game: Game, weight: float = 1.0, labelled: bool = True) -> Any:
    """D: L_D - w (E[log p(c | x)] + E[log p(c | G(z, c))]);  G: L_G - w E[log p(c | G(z, c))].

    A game of pairs (logit, log p), (N, 2), as an `AuxiliaryDiscriminator` gives them; L_D and L_G
    are those of `game` on the logits. Unless `labelled` the term of real samples is left out: the
    c are then codes that were drawn, and w times the last term bounds their mutual information
    with G's samples from below, up to the constant H(c). Sources: Odena, Olah and Shlens,
    "Conditional Image Synthesis with Auxiliary Classifier GANs", 2017, equations 2 and 3, and for
    codes Chen et al., "InfoGAN", 2016, equation 6.
    """

    def seen(y: Tensor) -> Tensor:
        return weight * y[:, 1].mean()

    def discriminator(real: Tensor, fake: Tensor) -> Tensor:
        loss = game.discriminator(real[:, 0], fake[:, 0]) - seen(fake)
        return loss - seen(real) if labelled else loss

    def generator(*sides: Tensor) -> Tensor:
        return game.generator(*(y[:, 0] for y in sides)) - seen(sides[-1])

    return replace(game, discriminator=discriminator, generator=generator, classed=True)


def verdict(y: Tensor) -> Tensor:
    """The logits (N,) of what a discriminator gave, which may be pairs (logit, log p)."""
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 2 else y


def expect_logits(game: Any, y: Tensor, samples: int) -> None:
    """Refuse what a discriminator gave for so many samples if the game cannot be played with it.

    A game takes logits (N,) or (N, 1), a number of packs that divides the samples in place of N, or
    maps of logits (N, h, w) or (N, 1, h, w), over which it takes the mean; one of `with_classes`
    takes pairs (N, 2).
    """
    classed, pairs = isinstance(game, Game) and game.classed, y.ndim == 2 and y.shape[1] == 2
    plain = y.ndim in (1, 3) or (y.ndim in (2, 4) and y.shape[1] == 1)
    whole = y.ndim > 0 and len(y) > 0 and samples % len(y) == 0
    if whole and (pairs if classed else plain):
        return
    given = f"the discriminator gave {tuple(y.shape)} for {samples} samples"
    if classed:
        raise UserError(
            f"{given}, and the game {game.name} with classes takes pairs (logit, log p), ({samples}"
            ", 2): it needs a discriminator with a classifier at its side, an "
            "AuxiliaryDiscriminator, or to be played without with_classes"
        )
    if pairs:
        raise UserError(
            f"{given}, which look like pairs (logit, log p): with_classes({game.name}) plays with "
            f"those, {game.name} itself with logits ({samples},)"
        )
    raise UserError(
        f"{given}, and the game {game.name} takes a logit for each, ({samples},), for each of some "
        f"packs that divide them, or a map of logits for each, ({samples}, h, w)"
    )
