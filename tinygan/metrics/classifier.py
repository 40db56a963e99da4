"""A classifier of the real images: its classes name what was drawn, its features compare sets."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import numpy as np

from tinygan import nn
from tinygan.autograd import Tensor, compile, grad, no_grad
from tinygan.backend import host_array
from tinygan.backend.files import FileError, cache_directory
from tinygan.data import DataLoader, Images
from tinygan.data.cache import key_of
from tinygan.losses import cross_entropy
from tinygan.metrics.errors import MetricError, expect_enough
from tinygan.metrics.matrices import spread
from tinygan.ops import as_tensor, get_rng_state, manual_seed, ones, set_rng_state
from tinygan.ops.files import load, save
from tinygan.optim import Adam
from tinygan.optim.lr_scheduler import LambdaLR

VERSION = 1  # of the network and its training; raise it when the same data gives other weights
FEATURES = 128
BATCH, LEARNING_RATE, EPOCHS = 100, 3e-3, 2
LEAST_STEPS = 600  # small sets are gone through more often
SCALED_BY = 2000  # training images
CHUNK = 500  # images classified at a time

Progress = Callable[[int, int], None]


class Classifier(nn.Module):
    """(N, C, S, S) in [-1, 1] -> (N, classes) logits; `hidden` gives the (N, 128) before.

    Convolutions 3 x 3 of 16, 32, 64 channels with batch normalisation and ReLU, each behind the
    halving of the one before by a maximum over 2 x 2; the last map, 7 x 7 for 28 pixels, goes
    through a linear layer of 128 units with ReLU to the logits. These units divided by `scale`,
    their root mean square over training images, are the features that sets are compared by: their
    distances do not depend on how large the training happened to make them.
    """

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.shape = tuple(shape)
        channels, side = shape[0], shape[1]
        layers: list[nn.Module] = []
        for n in (16, 32, 64):
            layers += [nn.Conv2d(channels, n, 3, padding=1, bias=False), nn.BatchNorm2d(n)]
            layers += [nn.ReLU()]
            channels = n
            if side > 7:
                layers += [nn.MaxPool2d(2)]
                side //= 2
        layers += [nn.Flatten(), nn.Linear(channels * side * side, FEATURES), nn.ReLU()]
        self.hidden = nn.Sequential(*layers)
        self.register_buffer("scale", ones(1))
        self.head = nn.Linear(FEATURES, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.hidden(x))
        return logits


def train_classifier(
    dataset: Images, seed: int = 0, progress: Progress | None = None
) -> Classifier:
    """A classifier of the data's labels, trained by Adam on a learning rate that falls to 0.

    The step is recorded and replayed. Neither the weights nor the order of the data draw from the
    default random numbers, which are left as they were. `progress` gets the steps done and to do.
    """
    labels = labels_of(dataset)
    batch = min(BATCH, len(dataset))
    loader = DataLoader(dataset, batch, shuffle=True, drop_last=True, generator=seed)
    epochs = max(EPOCHS, -(-LEAST_STEPS // len(loader)))
    steps = epochs * len(loader)
    before = get_rng_state()
    manual_seed(seed)
    classifier = Classifier(dataset.shape, int(labels.max()) + 1)
    set_rng_state(before)
    optimizer = Adam(classifier.parameters(), LEARNING_RATE)
    schedule = LambdaLR(optimizer, lambda step: 1 - min(step, steps) / steps)

    @compile
    def step(images: Tensor, labels: Tensor) -> None:
        loss = cross_entropy(classifier(images), labels)
        optimizer.update(grad(loss, classifier.parameters()))

    batches = loader.forever()
    for done in range(steps):
        step(*next(batches))
        schedule.step()
        if progress is not None:
            progress(done + 1, steps)
    batches.close()
    classifier.eval()
    some = dataset.images[spread(len(dataset), SCALED_BY)]
    features, _ = classify(classifier, Images(some))
    classifier.scale.copy_(as_tensor([float(np.sqrt((features**2).mean()))]))
    return classifier


def classifier_for(dataset: Images, seed: int = 0, progress: Progress | None = None) -> Classifier:
    """The classifier of this data: from the cache, or trained now and kept there.

    It is found by the checksum of the images. A file that is broken is made again; one that holds
    the classifier of other data (under a name that it should not have) is refused.
    """
    path = cached_at(dataset, seed)
    with suppress(FileError):
        return load_classifier(path, dataset, seed)
    classifier = train_classifier(dataset, seed, progress)
    with suppress(OSError):  # a disk that refuses costs the next run its time, no more
        path.parent.mkdir(parents=True, exist_ok=True)
        save({**_made_from(dataset, seed), "weights": classifier.state_dict()}, path)
    return classifier


def cached_at(dataset: Images, seed: int = 0) -> Path:
    """Where the classifier of this data is kept."""
    return cache_directory() / "classifiers" / f"{key_of(_made_from(dataset, seed))}.safetensors"


def load_classifier(path: Path, dataset: Images, seed: int = 0) -> Classifier:
    """The classifier in a file, if this data and this seed made it; MetricError otherwise."""
    state = load(path)
    wanted = _made_from(dataset, seed)
    if not isinstance(state, dict) or "weights" not in state:
        raise FileError(f"{path} holds no classifier")
    other = {name: state.get(name) for name in wanted if state.get(name) != wanted[name]}
    if other:
        what = ", ".join(
            f"{k} {str(v)[:12]} and not {str(wanted[k])[:12]}" for k, v in other.items()
        )
        raise MetricError(
            f"{path} holds the classifier of other data than {dataset.name}: {what}; delete the "
            "file, and a classifier of this data is trained"
        )
    classifier = Classifier(dataset.shape, int(labels_of(dataset).max()) + 1)
    try:
        classifier.load_state_dict(state["weights"])
    except (KeyError, RuntimeError, ValueError) as error:
        raise FileError(f"{path} does not hold the weights of this classifier") from error
    return classifier.eval()


def labels_of(dataset: Images) -> np.ndarray:
    """The labels that a classifier can learn: of two classes or more."""
    if dataset.labels is None or len(np.unique(dataset.labels)) < 2:
        raise MetricError(
            f"the data {dataset.name} has no labels of two classes or more to train a classifier "
            "on; folders want a subfolder for each class, .npz files an array 'labels'"
        )
    expect_enough("classifier", len(dataset), 10, "or there is nothing to learn from")
    if dataset.shape[1] != dataset.shape[2] or dataset.shape[1] < 4:
        raise MetricError(f"a classifier wants square images of 4 pixels or more: {dataset.shape}")
    return dataset.labels


def classify(classifier: Classifier, images: Images) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, 128) and classes (N,) of the images, in evaluation mode."""
    expect_enough("classify", len(images), 1, "or there is nothing to look at")
    if images.shape != classifier.shape:
        raise MetricError(
            f"classify: the classifier was trained on images of shape {classifier.shape}, these "
            f"have {images.shape}; give images of that shape, or train one on images like these"
        )
    features, classes = [], []
    with no_grad():
        for start in range(0, len(images), CHUNK):
            x = images.batch(np.arange(start, min(start + CHUNK, len(images))))[0]
            y = classifier.hidden(x)
            features.append(host_array((y / classifier.scale).array))
            classes.append(host_array(classifier.head(y).array).argmax(axis=1))
    return np.concatenate(features), np.concatenate(classes)


def stacked_classes(classifier: Classifier, images: np.ndarray) -> np.ndarray:
    """100 a + 10 b + c for digits a, b, c in the channels of images (N, H, W, 3) uint8.

    The 1,000 modes of Stacked MNIST, each channel judged by itself; a mode counts as covered as
    soon as one image falls into it, however unsure the classifier is, as in Metz et al., "Unrolled
    GANs" (2017), section 3.3.1, and Lin et al., "PacGAN" (2018), section 4.2.
    """
    a, b, c = (classify(classifier, Images(images[..., i : i + 1]))[1] for i in range(3))
    return 100 * a + 10 * b + c


def _made_from(dataset: Images, seed: int) -> dict[str, object]:
    """All that decides the weights."""
    labels = sha256(labels_of(dataset).tobytes()).hexdigest()
    return {"data": dataset.checksum, "labels": labels, "seed": seed, "version": VERSION}
