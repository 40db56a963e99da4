"""Generators and discriminators that are told a class: G(z, y) and D(x, y), y (N,) integers."""

from __future__ import annotations

from tinygan import nn
from tinygan.autograd import Tensor
from tinygan.ops import cat, log_softmax, one_hot, stack

__all__ = [
    "AuxiliaryDiscriminator",
    "ConcatenatedDiscriminator",
    "ConcatenatedGenerator",
    "ProjectionDiscriminator",
]


class ConcatenatedGenerator(nn.Module):
    """G([z, e_y]): a generator of noise and, behind it, the class as a unit vector.

    Mirza and Osindero, "Conditional Generative Adversarial Nets", 2014, section 3.2.
    """

    def __init__(self, generator: nn.Module, classes: int) -> None:
        super().__init__()
        self.generator = generator
        self.classes = classes

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        x: Tensor = self.generator(cat([z, one_hot(y, self.classes).to(z.dtype)], 1))
        return x


class ConcatenatedDiscriminator(nn.Module):
    """D([x, e_y]): a discriminator of samples and, as further channels, the class.

    Of images (N, C, H, W) every pixel has the unit vector e_y behind its C numbers. Source as
    above.
    """

    def __init__(self, discriminator: nn.Module, classes: int) -> None:
        super().__init__()
        self.discriminator = discriminator
        self.classes = classes

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        unit = one_hot(y, self.classes).to(x.dtype)
        unit = unit.reshape(*unit.shape, *(1,) * (x.ndim - 2)).expand(-1, -1, *x.shape[2:])
        logits: Tensor = self.discriminator(cat([x, unit], 1))
        return logits


class ProjectionDiscriminator(nn.Module):
    """D(x, y) = h(f(x)) + <v_y, f(x)>, f the features of a discriminator and h its head.

    Miyato and Koyama, "cGANs with Projection Discriminator", 2018, equation 3. The v_y start at 0.
    """

    def __init__(self, discriminator: nn.Module, classes: int) -> None:
        super().__init__()
        self.discriminator = discriminator
        self.vectors = nn.Embedding(classes, discriminator.features)
        nn.init.zeros_(self.vectors.weight)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        f = self.discriminator.layers(x)
        logits: Tensor = self.discriminator.head(f).squeeze(1)
        return logits + (self.vectors(y) * f).sum(1)


class AuxiliaryDiscriminator(nn.Module):
    """D(x, y) = (h(f(x)), log p(y | x)), shape (N, 2): a logit, and how well the class is seen.

    p = softmax(W f(x) + b), f the features of a discriminator and h its head; for the games that
    `losses.with_classes` makes. Odena, Olah and Shlens, "Conditional Image Synthesis with Auxiliary
    Classifier GANs", 2017, section 3; Chen et al., "InfoGAN", 2016, section 4.
    """

    def __init__(self, discriminator: nn.Module, classes: int) -> None:
        super().__init__()
        self.discriminator = discriminator
        self.classify = nn.Linear(discriminator.features, classes)

    def scores(self, x: Tensor) -> Tensor:
        """log p(. | x), (N, classes)."""
        return log_softmax(self.classify(self.discriminator.layers(x)), 1)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        f = self.discriminator.layers(x)
        logits = self.discriminator.head(f).squeeze(1)
        seen = log_softmax(self.classify(f), 1).gather(1, y.reshape(-1, 1)).squeeze(1)
        return stack([logits, seen], 1)
