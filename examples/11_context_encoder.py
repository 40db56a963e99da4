"""What was in the hole? An encoder of the surroundings draws it, and a critic judges the hole.

Pathak et al., "Context encoders", 2016: |y - G(x)|^2 in the hole plus G's loss against a D that
sees what is in the hole alone (section 3.2). The square by itself gives the mean of all digits that
would fit, which is grey; D asks for one of them. Both are trained here from the same weights and
compared on new digits: the error in the hole, and how far the holes as a set are from real ones.

Run: python examples/11_context_encoder.py          (about a minute)
     python examples/11_context_encoder.py --quick  (about a quarter of one)
"""

import argparse

import numpy as np

import tinygan
from tinygan import nn, optim
from tinygan.autograd import grad
from tinygan.data import DataLoader, held_out, load, save_picture, to_uint8
from tinygan.data.dataset import to_float
from tinygan.losses import mse_loss, non_saturating
from tinygan.metrics import sliced_wasserstein
from tinygan.models import PatchDiscriminator, UNet
from tinygan.train import gan_step
from tinygan.train.inpainting import harmonic

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("--quick", action="store_true", help="fewer steps")
arguments.add_argument("--out", default="context_encoder.png", help="the picture to write")
options = arguments.parse_args()

STEPS = 600 if options.quick else 3000
WIDTH, WEIGHT = 16, 50.0  # of the squared error
NEW, SHOWN = 1000, 12
HOLE = (..., slice(7, 21), slice(7, 21))  # a quarter of the image, as in the paper


class Encoder(nn.Module):
    """G(z, x): what is in the hole of x; no noise, as in the paper, so z is not looked at."""

    def __init__(self):
        super().__init__()
        self.unet = UNet((1, 28, 28), 1, WIDTH)

    def forward(self, z, x):
        return self.unet(x)[HOLE].tanh()


class Critic(nn.Module):
    """D(y, x): what is in the hole y; x would show it the seam, so it is not looked at either."""

    def __init__(self):
        super().__init__()
        self.patches = PatchDiscriminator((1, 14, 14), 0, WIDTH)

    def forward(self, y, x):
        return self.patches(y)


def holed(images):
    """The images with -1 in the hole, and what was there."""
    x = images.clone()
    x[HOLE] = -1.0
    return x, images[HOLE].contiguous()


def trained(name, adversarial):
    """An encoder after STEPS steps, from the same weights and batches at each call."""
    tinygan.manual_seed(0)
    G, D = Encoder(), Critic()
    optimizer_G = optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.999))
    optimizer_D = optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))

    @tinygan.compile
    def step(x, y):
        if adversarial:
            return gan_step(
                G, D, optimizer_G, optimizer_D, [(y, x)], 1, non_saturating,
                reconstruction=lambda real, fake: WEIGHT * mse_loss(fake, real),
            )  # fmt: skip
        loss = mse_loss(G(None, x), y)
        optimizer_G.update(grad(loss, G.parameters()))
        return {"squared error": loss.detach()}

    batches = DataLoader(load("glyphs"), 32, shuffle=True, drop_last=True, generator=0).forever()
    for count in range(1, STEPS + 1):
        metrics = step(*holed(next(batches)[0]))
        if count % (STEPS // 5) == 0:
            print(f"{name}, step {count:5d}  "
                  + "  ".join(f"{k} {v.item():.3f}" for k, v in metrics.items()))  # fmt: skip
    return G.eval()


new = to_float(held_out("glyphs").images[: 2 * NEW]).transpose(0, 3, 1, 2)
new, others = new[:NEW], new[NEW:]  # others: as many real holes, for comparison
x, y = holed(tinygan.tensor(np.ascontiguousarray(new)))
encoders = {"L2": trained("L2", False), "L2 and D": trained("L2 and D", True)}
missing = np.zeros((28, 28), bool)
missing[HOLE] = True
filled = {"smoothest": np.stack([harmonic(image, missing) for image in new])[HOLE]}
with tinygan.no_grad():
    for name, G in encoders.items():
        filled[name] = G(None, x).numpy()
filled["other digits"] = others[HOLE]

print(f"{NEW} new digits, in the hole:  error (grey levels)   sliced Wasserstein   grey pixels")
real = y.numpy()
for name, drawn in filled.items():
    error = 127.5 * np.sqrt(np.mean((drawn - real) ** 2))
    grey = np.mean(np.abs(drawn) < 0.8)
    distance = sliced_wasserstein(drawn, real)
    print(f"  {name:27s} {error:18.1f} {distance:20.3f} {grey:13.1%}")
print(f"  {'the digits themselves':27s} {0:18.1f} {0:20.3f} {np.mean(np.abs(real) < 0.8):13.1%}")

shown = [x.numpy()[:SHOWN]]
for name in ("smoothest", "L2", "L2 and D"):
    image = new[:SHOWN].copy()
    image[HOLE] = filled[name][:SHOWN]
    shown.append(image)
shown.append(new[:SHOWN])
sheet = np.concatenate([np.concatenate(list(row), axis=2) for row in shown], axis=1)
save_picture(to_uint8(sheet).repeat(2, 0).repeat(2, 1), options.out)
print(f"known, smoothest, L2, L2 and D, as it was, from top to bottom: {options.out}")
