"""BEGAN, the game of energies: the discriminator is an autoencoder, and a controller balances."""

from __future__ import annotations

from typing import Any

from tinygan.autograd import Tensor, no_grad
from tinygan.backend import Device
from tinygan.distributed import mean_over_ranks
from tinygan.ops import full_like, ones_like, tensor

__all__ = ["BoundaryEquilibrium", "boundary_equilibrium"]


class BoundaryEquilibrium:
    """D: E[L(x)] - k E[L(G(z))];  G: E[L(G(z))];  k <- k + rate (gamma E[L(x)] - E[L(G(z))]).

    L(x) >= 0 is the energy of a sample, the error |x - D(x)| with which an autoencoder gives it
    back; it stands where other games have a logit, turned: low is real. k begins at 0, stays in
    [0, 1], and moves by `balance`, once in a round; it rests where E[L(G(z))] = gamma E[L(x)]. A
    larger `gamma` asks for more diversity. `convergence` falls as training goes well. In the paper
    k moves by samples of G's step, in `gan_step` by those of D's, whose energies are known already.
    Source: Berthelot, Schumm and Metz, "BEGAN: Boundary Equilibrium Generative Adversarial
    Networks", 2017, sections 3.3 and 3.4.
    """

    name = "boundary_equilibrium"

    def __init__(self, gamma: float = 0.5, rate: float = 0.001) -> None:
        if not 0 < gamma <= 1:
            raise ValueError(f"gamma is {gamma}, expected a number above 0 and up to 1")
        self.gamma = gamma
        self.rate = rate
        self.k = tensor(0.0)
        self.slopes = (ones_like, lambda x: full_like(x, 1.0) * -self.k, ones_like)

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """E[L(x)] - k E[L(G(z))] of energies; slopes 1 and -k."""
        return real.mean() - self.k.to(real.dtype) * fake.mean()

    def generator(self, fake: Tensor) -> Tensor:
        """E[L(G(z))]; slope 1."""
        return fake.mean()

    @no_grad()
    def balance(self, real: Tensor, fake: Tensor) -> None:
        """k <- k + rate (gamma E[L(x)] - E[L(G(z))]), kept in [0, 1]."""
        excess = mean_over_ranks(self.gamma * real.mean() - fake.mean())
        self.k.copy_((self.k + self.rate * excess).clamp(0.0, 1.0))

    def convergence(self, real: Tensor, fake: Tensor) -> Tensor:
        """E[L(x)] + |gamma E[L(x)] - E[L(G(z))]|, equation 8."""
        return real.mean() + (self.gamma * real.mean() - fake.mean()).abs()

    def to(self, device: str | Device) -> BoundaryEquilibrium:
        """A game of its own on a device, with the same k."""
        other = BoundaryEquilibrium(self.gamma, self.rate)
        other.k = self.k.detach().clone().to(device)
        return other

    def state_dict(self) -> dict[str, Any]:
        return {"k": self.k}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.k.copy_(state["k"])


boundary_equilibrium = BoundaryEquilibrium()
