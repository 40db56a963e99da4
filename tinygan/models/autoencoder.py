"""The discriminator of an energy game: an autoencoder, judged by its error."""

from __future__ import annotations

from tinygan import nn
from tinygan.autograd import Tensor


class Autoencoder(nn.Module):
    """(N, *shape) -> (N,) energies L(x): the mean of |x - decoder(encoder(x))| over a sample.

    `encoder` maps samples to codes (N, code), `decoder` codes to samples. Source: Berthelot et al.,
    "BEGAN", 2017, section 3.1 and figure 1, where the decoder is built as the generator is.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, x: Tensor) -> Tensor:
        code = self.encoder(x).reshape(len(x), -1)
        error = x - self.decoder(code)
        return error.abs().reshape(len(x), -1).mean(1)
