"""A trained network, read out as the formula that it is: y = sum_i alpha_i phi(x; beta_i) + b.

phi(x; beta_i) = max(beta_i . x + c_i, 0) is how much an image has of what term i looks for, and
alpha_i, ten numbers, what that says for or against each digit. Nothing else is in the network:
the terms, added up by hand, are its output.

Run: python examples/06_mlp_is_a_sum.py          (MNIST; some seconds)
     python examples/06_mlp_is_a_sum.py --quick  (digits that are drawn, no download)
"""

import argparse
import os

import numpy as np
from matplotlib.figure import Figure

from tinygan.data import held_out, load, save_figure
from tinygan.keras import Input, Model
from tinygan.keras.layers import Activation, Dense
from tinygan.keras.utils import set_random_seed, to_categorical

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("--quick", action="store_true", help="fewer epochs, on drawn digits")
arguments.add_argument("--data-dir", help="where MNIST lies, if it is there already")
arguments.add_argument("--digit", type=int, default=3, help="the digit that is explained")
arguments.add_argument("--out", default="mlp_is_a_sum.png", help="the picture to write")
options = arguments.parse_args()
if options.data_dir:
    os.environ["TINYGAN_DATA"] = options.data_dir

TERMS = 24
name = "glyphs" if options.quick else "mnist"


def pixels(images: np.ndarray) -> np.ndarray:
    """(N, 784), from 0 to 1."""
    return images.reshape(-1, 784).astype("float32") / 255


set_random_seed(0)
train, test = load(name), held_out(name)
x, labels = pixels(test.images), test.labels

inputs = Input(shape=(784,))
hidden = Dense(TERMS, activation="relu")(inputs)
y = Dense(10)(hidden)
network = Model(inputs, y)  # up to the ten sums; a softmax makes probabilities of them
model = Model(inputs, Activation("softmax")(y))
model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
model.fit(
    pixels(train.images),
    to_categorical(train.labels, 10),
    batch_size=32,
    epochs=2 if options.quick else 6,
    validation_data=(x, to_categorical(labels, 10)),
    verbose=2,
)

# everything that the network has learned: 24 terms of a beta, a c and an alpha, and b
beta, c, alpha, b = (weight.astype(np.float64) for weight in network.get_weights())


def phi(x: np.ndarray, i: int) -> np.ndarray:
    """How much each image has of what term i looks for."""
    return np.maximum(x @ beta[:, i] + c[i], 0)


total = b + sum(phi(x, i)[:, None] * alpha[i] for i in range(TERMS))
difference = abs(total - network.predict(x, verbose=0)).max()
print(f"\nsum_i alpha_i phi(x; beta_i) + b, and the network's output on {len(x)} images:")
print(f"they differ by at most {difference:.1e}, of values up to {abs(total).max():.0f}")

shown = int(np.flatnonzero((labels == options.digit) & (total.argmax(1) == options.digit))[0])
image, digit = x[shown : shown + 1], options.digit
found = np.array([phi(image, i)[0] for i in range(TERMS)])
parts = found * alpha[:, digit] + 0  # no -0
order = np.argsort(-abs(parts))
print(f"\nan image of a {digit}: the sum for {digit}, largest terms first")
print("term      phi    alpha     product      sum")
running = b[digit]
print(f"   b                        {b[digit]:+8.3f} {running:+8.3f}")
for i in order[: np.count_nonzero(found)]:
    running += parts[i]
    print(f"{i:4d} {found[i]:8.3f} {alpha[i, digit]:+8.3f}    {parts[i]:+8.3f} {running:+8.3f}")
silent = ", ".join(map(str, np.flatnonzero(found == 0)))
print(f"beta . x + c is below 0, and phi 0, in the terms {silent}")
print(f"the network says {network.predict(image, verbose=0)[0, digit]:+.3f}")

figure = Figure(figsize=(13, 9), layout="constrained")
upper, lower = figure.subfigures(2, 1, height_ratios=[1.15, 1])
upper.suptitle(
    f"the {TERMS} terms: beta as an image (blue: should be dark, red: should be bright), "
    f"and its product for the {digit} below"
)
for place, i in zip(upper.subplots(3, 8).flat, order, strict=True):
    reach = np.quantile(abs(beta[:, i]), 0.995)
    place.imshow(beta[:, i].reshape(28, 28), cmap="RdBu_r", vmin=-reach, vmax=reach)
    place.set_title(f"term {i}: {parts[i]:+.2f}", fontsize=9)
    place.axis("off")

seen, bars, table = lower.subplots(1, 3, width_ratios=[0.8, 1.5, 1.2])
seen.imshow(image.reshape(28, 28), cmap="gray")
seen.set_title("the image x")
seen.axis("off")
values = [b[digit], *parts[order]]
ends = np.cumsum(values)
colours = ["tab:gray", *np.where(parts[order] > 0, "tab:red", "tab:blue")]
bars.bar(range(TERMS + 1), values, bottom=ends - values, color=colours)
bars.step(np.arange(TERMS + 1) + 0.5, ends, color="black", linewidth=0.8, where="pre")
bars.margins(y=0.06)
bars.use_sticky_edges = False
bars.axhline(0, color="black", linewidth=0.5)
bars.set_xticks(range(TERMS + 1), ["b", *map(str, order)], fontsize=7)
bars.set_xlabel("term, in the order of its size")
bars.set_title(f"from b to the sum for {digit}: {total[shown, digit]:+.2f}")
table.bar(range(10), total[shown], color=["tab:red" if k == digit else "0.6" for k in range(10)])
table.axhline(0, color="black", linewidth=0.5)
table.set_xticks(range(10))
table.set_xlabel("digit")
table.set_title("the sums for all ten digits")
save_figure(figure, options.out)
print(f"the terms and the sum, drawn: {options.out}")
