"""The value function of the GAN, exactly: L(G, D) = E[log D(x)] + E[log(1 - D(G(z)))].

The data is a mixture of two Gaussians p on a line, the generator a Gaussian q, so that all of the
paper's theory (Goodfellow et al., 2014, section 4) is an integral on a grid:
    the best discriminator      D*(x) = p(x) / (p(x) + q(x))
    what it reaches             L(G, D*) = 2 JSD(p, q) - log 4
beside a discriminator that was trained on samples and knows neither p nor q.

Run: python examples/07_value_function.py          (about a minute)
     python examples/07_value_function.py --quick  (some seconds)
"""

import argparse

import numpy as np
from matplotlib.figure import Figure

import tinygan
from tinygan import nn, optim
from tinygan.autograd import grad
from tinygan.data import save_figure
from tinygan.losses import minimax

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("--quick", action="store_true", help="fewer steps and generators")
arguments.add_argument("--out", default="value_function.png", help="the picture to write")
options = arguments.parse_args()

STEPS, GENERATORS = (1000, 5) if options.quick else (6000, 13)
BATCH, WIDTH = 512, 0.7  # the generator's: G(z) = shift + 0.7 z, z from N(0, 1)
MEANS, DEVIATIONS = (-1.0, 1.5), (0.4, 0.6)  # of the data's two halves

x = np.linspace(-12, 12, 24001)  # the grid that integrals are taken on
dx = x[1] - x[0]


def gaussian(mean: float, deviation: float) -> np.ndarray:
    """The density of N(mean, deviation^2) on the grid."""
    scaled = (x - mean) / deviation
    return np.exp(-scaled * scaled / 2) / (deviation * np.sqrt(2 * np.pi))


def integral(density: np.ndarray, f: np.ndarray) -> float:
    """The mean of f, which counts nothing where the density is 0."""
    with np.errstate(invalid="ignore"):
        return float(np.where(density > 0, density * f, 0).sum() * dx)


def value(p: np.ndarray, q: np.ndarray, logit: np.ndarray) -> float:
    """L(G, D) for the discriminator with these logits on the grid: D = 1 / (1 + exp(-logit))."""
    log_D, log_not_D = -np.logaddexp(0, -logit), -np.logaddexp(0, logit)
    return integral(p, log_D) + integral(q, log_not_D)


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    """The Jensen-Shannon divergence: the mean of KL(p, m) and KL(q, m), m = (p + q) / 2."""
    m = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return (integral(p, np.log(p / m)) + integral(q, np.log(q / m))) / 2


p = sum(gaussian(*half) / 2 for half in zip(MEANS, DEVIATIONS, strict=True))


def trained(shift: float) -> tuple[np.ndarray, float]:
    """The logits of a discriminator that learned from samples, and its mean loss at the end."""
    D = nn.Sequential(
        nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1)
    )  # fmt: skip
    optimizer = optim.Adam(D.parameters(), lr=3e-3)
    means, deviations = tinygan.tensor(MEANS), tinygan.tensor(DEVIATIONS)

    @tinygan.compile
    def step() -> tinygan.Tensor:
        half = tinygan.randint(2, (BATCH,))
        real = (means[half] + deviations[half] * tinygan.randn(BATCH)).unsqueeze(1)
        fake = shift + WIDTH * tinygan.randn(BATCH, 1)
        loss = minimax.discriminator(D(real), D(fake))  # -L(G, D), of samples
        optimizer.update(grad(loss, D.parameters()))
        return loss.detach()

    losses = []
    for number in range(STEPS):
        optimizer.param_groups[0]["lr"] = 3e-3 * (1 - number / STEPS)
        losses.append(step())
    last = np.mean([loss.item() for loss in losses[-STEPS // 5 :]])
    with tinygan.no_grad():
        grid = tinygan.tensor(x.astype(np.float32)).unsqueeze(1)
        return D(grid).numpy()[:, 0].astype(np.float64), -float(last)


tinygan.manual_seed(0)
shifts = np.linspace(-4, 4, GENERATORS)
rows = []
print("log 4 = 1.3863. L with the best D is 2 JSD - log 4; with any other it is less.\n")
print("G's mean     JSD   2 JSD - log 4   L(G, D*)   L(G, D trained)   the same of samples")
for shift in shifts:
    q = gaussian(shift, WIDTH)
    with np.errstate(divide="ignore"):
        best = np.log(p) - np.log(q)  # the logit of D*
    best = np.nan_to_num(best, nan=0.0)
    jsd = divergence(p, q)
    logits, of_samples = trained(float(shift))
    row = jsd, 2 * jsd - np.log(4), value(p, q, best), value(p, q, logits), of_samples
    rows.append((shift, q, best, logits, *row))
    print("{:8.2f}  {:6.4f}   {:13.4f} {:10.4f}   {:15.4f} {:21.4f}".format(shift, *row))
    assert abs(row[1] - row[2]) < 1e-6, "theory and integral"
    assert row[3] < row[2] + 1e-6, "no discriminator is better than D*"

gap = max(row[6] - row[7] for row in rows)
print(f"\nthe trained discriminators lack at most {gap:.4f} of the best value")

figure = Figure(figsize=(13, 4.6), layout="constrained")
density, opinion, curve = figure.subplots(1, 3)
shift, q, best, logits, *_ = rows[2 * len(rows) // 3]
for axes in (density, opinion):
    axes.set_xlim(-4, 5)
    axes.set_xlabel("x")
    axes.grid(alpha=0.3)
density.fill_between(x, p, color="tab:blue", alpha=0.4, label="data p")
density.fill_between(x, q, color="tab:orange", alpha=0.4, label=f"generator q, mean {shift:.2f}")
density.set_ylim(0)
density.set_title("densities")
opinion.plot(x, 1 / (1 + np.exp(-best.clip(-500, 500))), "k--", label="D* = p / (p + q)")
opinion.plot(x, 1 / (1 + np.exp(-logits)), color="tab:green", label="D, trained on samples")
opinion.set_title("how real it looks")
between = np.linspace(-4, 4, 161)
exact = [2 * divergence(p, gaussian(shift, WIDTH)) - np.log(4) for shift in between]
curve.plot(between, exact, "k--", label="2 JSD(p, q) - log 4, exact")
curve.plot(shifts, [row[7] for row in rows], "o", color="tab:green", label="L(G, D trained), exact")
curve.plot(shifts, [row[8] for row in rows], "x", color="tab:red", label="the same, of samples")
curve.axhline(-np.log(4), color="tab:gray", linewidth=0.8, label="-log 4: p and q are the same")
curve.set_xlabel("the generator's mean")
curve.set_title("the value function")
curve.grid(alpha=0.3)
for axes in (density, opinion, curve):
    axes.legend(fontsize=8)
save_figure(figure, options.out)
print(f"D* and the trained D, and the value function over generators: {options.out}")
