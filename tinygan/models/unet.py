"""From image to image: a U-Net that draws, and a critic that looks at patches.

Source: Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks" (pix2pix),
2017, sections 3.1 and 3.2 and its appendix on the networks. Both are told an image in place of a
class, so they play as conditional networks do: `gan_step` takes batches (y, x) of results y and
what they are made from, x, and |y - G(z, x)| is its `reconstruction`, 100 times as heavy as the
game in the paper.
"""

from __future__ import annotations

from itertools import pairwise

from tinygan import nn
from tinygan.autograd import Tensor
from tinygan.backend.errors import UserError
from tinygan.models.weights import draw_weights
from tinygan.ops import cat

LEAST = 2  # of the sides of the smallest map
MOST = 8  # times `width`: the most channels
PATCHES = {16: 1, 34: 2, 70: 3}  # side of the patch that a logit judges: convolutions of stride 2


class UNet(nn.Module):
    """U(x): images (N, given, H, W) -> maps (N, C, H, W), of any values; shape is C x H x W.

    Convolutions 4 x 4 of stride 2 halve x, from `width` channels on doubling them, until a side
    is 2 or 3; transposed ones go back, each reading the map of its own size on the way down
    beside its input. An uneven side is halved rounding down, and the way back adds the row that is
    missing. Batch normalisation behind all but the first and the last. A vector (N, `deepest`),
    where given, is added to the smallest map at all its pixels.

    Source of the shape: Ronneberger, Fischer and Brox, "U-Net", 2015; with a softmax over the C
    maps it tells each pixel's class, as there.
    """

    def __init__(self, shape: tuple[int, ...], given: int = 1, width: int = 32) -> None:
        super().__init__()
        if len(shape) != 3 or min(shape[1:]) < 2 * LEAST:
            raise UserError(
                f"{type(self).__name__} draws images C x H x W of {2 * LEAST} pixels or more in "
                f"both directions, not of shape {shape}"
            )
        sizes, channels = [shape[1:]], [given]
        while min(sizes[-1]) >= 2 * LEAST:
            channels.append(width * min(2 ** (len(channels) - 1), MOST))
            sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
        self.deepest = channels[-1]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for i, (n, wanted) in enumerate(pairwise(channels)):
            layers: list[nn.Module] = [nn.Conv2d(n, wanted, 4, 2, 1, bias=i == 0)]
            layers += [nn.BatchNorm2d(wanted)] if i else []
            self.down.append(nn.Sequential(*layers, nn.LeakyReLU(0.2)))
        for i in reversed(range(len(self.down))):
            n = channels[i + 1] * (2 if self.up else 1)  # the way down beside it
            wanted = channels[i] if i else shape[0]
            missing = (sizes[i][0] % 2, sizes[i][1] % 2)
            layers = [nn.ConvTranspose2d(n, wanted, 4, 2, 1, missing, bias=i == 0)]
            layers += [nn.BatchNorm2d(wanted), nn.ReLU()] if i else []
            self.up.append(nn.Sequential(*layers))
        self.apply(draw_weights)

    def forward(self, x: Tensor, vector: Tensor | None = None) -> Tensor:
        maps = []
        for step in self.down:
            x = step(x)
            maps.append(x)
        first, *others = self.up
        smallest = maps.pop()
        y: Tensor = first(smallest if vector is None else smallest + vector[:, :, None, None])
        for step in others:
            y = step(cat([y, maps.pop()], 1))
        return y


class UNetGenerator(nn.Module):
    """G(z, x): noise (N, latent) and images (N, given, H, W) -> images (N, C, H, W) in (-1, 1).

    tanh of a U-Net of x. z is added to the smallest map, by a linear map to its channels; the
    paper's noise is dropout alone.
    """

    def __init__(
        self, shape: tuple[int, ...], given: int = 1, latent: int = 100, width: int = 32
    ) -> None:
        super().__init__()
        self.unet = UNet(shape, given, width)
        self.noise = nn.Linear(latent, self.unet.deepest)

    def forward(self, z: Tensor, x: Tensor) -> Tensor:
        y: Tensor = self.unet(x, self.noise(z))
        return y.tanh()


class PatchDiscriminator(nn.Module):
    """D(y, x): images (N, C, H, W), told images (N, given, H, W) -> logits (N, H', W').

    Each logit judges one patch of `patch` x `patch` pixels (PatchGAN; 70 in the paper, for images
    of 256): convolutions 4 x 4, of stride 2 from `width` channels on, one of stride 1, one to a
    logit, with LeakyReLU(0.2) and, behind all but the first if `normalize`, batch normalisation.
    It keeps no running statistics. Games take the mean over patches. Without `given` it is D(y).
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        given: int = 1,
        width: int = 32,
        normalize: bool = True,
        patch: int = 16,
    ) -> None:
        super().__init__()
        if patch not in PATCHES:
            raise UserError(f"patch is {patch}, expected {', '.join(map(str, PATCHES))}")
        halvings = PATCHES[patch]
        least = 3 << halvings
        if len(shape) != 3 or min(shape[1:]) < least:
            raise UserError(
                f"PatchDiscriminator with patches of {patch} judges images C x H x W of {least} "
                f"pixels or more in both directions, not of shape {shape}"
            )
        n = width
        layers: list[nn.Module] = [nn.Conv2d(shape[0] + given, n, 4, 2, 1), nn.LeakyReLU(0.2)]
        for stride in (*[2] * (halvings - 1), 1):
            wanted = min(2 * n, MOST * width)
            layers += [nn.Conv2d(n, wanted, 4, stride, 1, bias=not normalize)]
            if normalize:
                layers += [nn.BatchNorm2d(wanted, track_running_stats=False)]
            layers += [nn.LeakyReLU(0.2)]
            n = wanted
        self.layers = nn.Sequential(*layers, nn.Conv2d(n, 1, 4, 1, 1))
        self.apply(draw_weights)

    def forward(self, y: Tensor, *given: Tensor) -> Tensor:
        logits: Tensor = self.layers(cat([y, *given], 1) if given else y)
        return logits.squeeze(1)
