"""Which pixel belongs to what: a U-Net finds circles, squares and triangles on textures.

Cross-entropy at every pixel (Ronneberger et al., 2015), judged on new images by the intersection
over union of each class. Beside it, trained in the same way, a single convolution: what a window
of 7 x 7 pixels tells by itself.

Run: python examples/10_segmentation.py          (about a minute)
     python examples/10_segmentation.py --quick  (about half a minute)
"""

import argparse

import numpy as np
from shapes import CLASSES, SIDE, draw_shapes

import tinygan
from tinygan import nn, optim
from tinygan.autograd import grad
from tinygan.data import save_picture
from tinygan.data.dataset import to_float
from tinygan.losses import cross_entropy
from tinygan.metrics import intersection_over_union
from tinygan.models import UNet

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("--quick", action="store_true", help="fewer steps")
arguments.add_argument("--out", default="segmentation.png", help="the picture to write")
options = arguments.parse_args()

STEPS = 2000 if options.quick else 5000
BATCH, WIDTH, NEW, SHOWN = 32, 16, 256, 8
COLOURS = np.array([[40, 40, 40], [240, 180, 60], [80, 160, 240], [230, 90, 110]], np.uint8)


def tensors(count, seed):
    """Images (N, 3, 32, 32) in -1 .. 1 and the class of each pixel (N, 32, 32)."""
    images, masks = draw_shapes(count, seed)
    x = np.ascontiguousarray(to_float(images).transpose(0, 3, 1, 2))
    return tinygan.tensor(x), tinygan.tensor(masks.astype(np.int64))


def trained(name, network):
    """The network after STEPS steps of Adam on shapes of seed 0."""
    optimizer = optim.Adam(network.parameters(), lr=2e-3)

    @tinygan.compile
    def step(x, y):
        loss = cross_entropy(network(x), y)
        optimizer.update(grad(loss, network.parameters()))
        return loss.detach()

    for count in range(1, STEPS + 1):
        chosen = random.integers(0, len(images), BATCH)
        loss = step(images[chosen].contiguous(), masks[chosen].contiguous())
        if count % (STEPS // 5) == 0:
            print(f"{name}, step {count:5d}  loss {loss.item():.3f}")
    return network.eval()


tinygan.manual_seed(0)
random = np.random.default_rng(0)
images, masks = tensors(16_000, seed=0)
unet = trained("U-Net", UNet((len(CLASSES), SIDE, SIDE), 3, WIDTH))
window = trained("one convolution", nn.Conv2d(3, len(CLASSES), 7, padding=3))

x, y = tensors(NEW, seed=1)
with tinygan.no_grad():
    found = {
        "U-Net": unet(x).argmax(1),
        "one convolution": window(x).argmax(1),
        "background everywhere": tinygan.zeros_like(y),
    }
print(f"intersection over union, {NEW} new images:")
print(" " * 22 + "".join(f"{name:>12s}" for name in (*CLASSES, "mean")))
for name, predicted in found.items():
    scores = intersection_over_union(predicted, y, len(CLASSES))
    print(f"{name:22s}" + "".join(f"{score:12.3f}" for score in (*scores, scores.mean())))

pictures = draw_shapes(SHOWN, seed=1)[0]
rows = [pictures, *(COLOURS[classes[:SHOWN].numpy()] for classes in (y, found["U-Net"]))]
sheet = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])
save_picture(sheet.repeat(3, 0).repeat(3, 1), options.out)
print(f"images, truth and what the U-Net says, from top to bottom: {options.out}")
