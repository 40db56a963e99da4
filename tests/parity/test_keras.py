"""tinygan.keras beside Keras 3: the same programs, from the same weights, give the same numbers."""

from __future__ import annotations

import importlib.util
import os
import re
from typing import Any

import numpy as np
import pytest

if "KERAS_BACKEND" not in os.environ:
    found = [name for name in ("jax", "torch") if importlib.util.find_spec(name)]
    os.environ["KERAS_BACKEND"] = (found or ["numpy"])[0]

pytest.importorskip("keras")

import keras

import tinygan.keras as own

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras's own
CLOSE: Any = {"rtol": 2e-5, "atol": 2e-6}
LIBRARIES = (keras, own)


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def classes(n: int, count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, count, n)


def alike(models: list[Any]) -> None:
    """Give the second model the weights of the first."""
    models[1].set_weights(models[0].get_weights())


def both(program: Any) -> list[Any]:
    """What a program gives with Keras and with tinygan.keras."""
    for library in LIBRARIES:
        library.backend.clear_session()
        library.utils.set_random_seed(0)
    return [program(library) for library in LIBRARIES]


def same_weights(models: list[Any], **tolerance: Any) -> None:
    theirs, ours = (model.get_weights() for model in models)
    assert [w.shape for w in theirs] == [w.shape for w in ours]
    for a, b in zip(theirs, ours, strict=True):
        np.testing.assert_allclose(b, a, **(tolerance or CLOSE))


def same_history(histories: list[Any], **tolerance: Any) -> None:
    theirs, ours = (h.history for h in histories)
    assert list(ours) == list(theirs)
    for name in theirs:
        np.testing.assert_allclose(ours[name], theirs[name], **(tolerance or CLOSE), err_msg=name)


LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "dense": (lambda k: k.layers.Dense(5, activation="tanh"), (7,)),
    "dense of a sequence": (lambda k: k.layers.Dense(5, use_bias=False), (3, 7)),
    "conv": (lambda k: k.layers.Conv2D(6, 3), (8, 7, 2)),
    "conv same": (lambda k: k.layers.Conv2D(6, 3, padding="same"), (8, 7, 2)),
    "conv strided same": (lambda k: k.layers.Conv2D(6, 3, strides=2, padding="same"), (8, 7, 2)),
    "conv 4 same": (lambda k: k.layers.Conv2D(6, 4, strides=2, padding="same"), (8, 6, 3)),
    "conv 5 same": (lambda k: k.layers.Conv2D(6, (5, 2), (2, 3), padding="same"), (9, 8, 3)),
    "conv dilated": (lambda k: k.layers.Conv2D(4, 3, padding="same", dilation_rate=2), (9, 8, 3)),
    "conv groups": (lambda k: k.layers.Conv2D(6, 3, groups=2, activation="relu"), (6, 6, 4)),
    "transpose": (lambda k: k.layers.Conv2DTranspose(3, 3), (4, 5, 2)),
    "transpose strided": (lambda k: k.layers.Conv2DTranspose(3, 3, strides=2), (4, 5, 2)),
    "transpose 3 same": (lambda k: k.layers.Conv2DTranspose(3, 3, 2, padding="same"), (4, 5, 2)),
    "transpose 4 same": (lambda k: k.layers.Conv2DTranspose(3, 4, 2, padding="same"), (4, 5, 2)),
    "transpose 5 same": (lambda k: k.layers.Conv2DTranspose(3, 5, 2, padding="same"), (4, 5, 2)),
    "transpose 2 of 3": (lambda k: k.layers.Conv2DTranspose(3, 2, 3, padding="valid"), (4, 5, 2)),
    "batch norm": (lambda k: k.layers.BatchNormalization(), (7,)),
    "batch norm of images": (
        lambda k: k.layers.BatchNormalization(momentum=0.8, scale=False),
        (4, 5, 3),
    ),
    "layer norm": (lambda k: k.layers.LayerNormalization(), (7,)),
    "leaky relu": (lambda k: k.layers.LeakyReLU(), (7,)),
    "leaky relu 0.2": (lambda k: k.layers.LeakyReLU(negative_slope=0.2), (7,)),
    "relu": (lambda k: k.layers.ReLU(1.5, 0.1, 0.2), (7,)),
    "elu": (lambda k: k.layers.ELU(0.7), (7,)),
    "softmax": (lambda k: k.layers.Softmax(), (7,)),
    "flatten": (lambda k: k.layers.Flatten(), (3, 4, 2)),
    "reshape": (lambda k: k.layers.Reshape((2, -1, 3)), (4, 6)),
    "permute": (lambda k: k.layers.Permute((2, 1)), (4, 6)),
    "rescaling": (lambda k: k.layers.Rescaling(0.5, -1.0), (4, 6)),
    "zero padding": (lambda k: k.layers.ZeroPadding2D(((1, 0), (2, 3))), (4, 5, 2)),
    "upsampling": (lambda k: k.layers.UpSampling2D((2, 3)), (4, 5, 2)),
    "upsampling bilinear": (
        lambda k: k.layers.UpSampling2D(2, interpolation="bilinear"),
        (4, 5, 2),
    ),
    "max pooling": (lambda k: k.layers.MaxPooling2D(), (7, 6, 2)),
    "max pooling same": (lambda k: k.layers.MaxPooling2D(3, 2, padding="same"), (8, 7, 2)),
    "average pooling": (lambda k: k.layers.AveragePooling2D(2), (7, 6, 2)),
    "average pooling same": (lambda k: k.layers.AveragePooling2D(3, 2, padding="same"), (8, 7, 2)),
    "global average": (lambda k: k.layers.GlobalAveragePooling2D(), (4, 5, 3)),
    "global max": (lambda k: k.layers.GlobalMaxPooling2D(keepdims=True), (4, 5, 3)),
    **{
        name: (lambda k, name=name: k.layers.Activation(name), (7,))
        for name in (
            *("linear", "relu", "relu6", "sigmoid", "tanh", "softplus", "softsign", "elu", "selu"),
            *("gelu", "silu", "swish", "exponential", "hard_sigmoid", "leaky_relu", "log_softmax"),
        )
    },
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str) -> None:
    """Output, its shape known before, the gradient by the input and by the weights."""
    if name == "average pooling same" and keras.backend.backend() == "torch":
        pytest.skip("Keras on PyTorch counts the zeros of the padding there, on JAX it does not")
    make, shape = LAYERS[name]
    x, y = draw(4, *shape), draw(4, 3, seed=2)

    def program(k: Any) -> Any:
        inputs = k.Input(shape)
        hidden = k.layers.Dense(shape[-1], name="before")(inputs)  # its gradient goes through
        output = make(k)(hidden)
        model = k.Model(inputs, k.layers.Dense(3)(k.layers.Flatten()(output)))
        model.inner = k.Model(inputs, output)
        model.compile(k.optimizers.SGD(0.01), "mse")
        return model

    models = both(program)
    alike(models)
    shapes = [m.inner.output_shape for m in models]
    assert shapes[0] == shapes[1]
    before = [m.inner.predict(x, verbose=0) for m in models]
    assert before[1].shape[1:] == shapes[1][1:]
    np.testing.assert_allclose(before[1], before[0], **CLOSE)
    losses = [[m.train_on_batch(x, y) for _ in range(3)] for m in models]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    same_weights(models, rtol=2e-4, atol=2e-5)


def test_layers_of_several_inputs() -> None:
    a, b = draw(4, 5), draw(4, 5, seed=2)
    names = ("Add", "Subtract", "Multiply", "Maximum", "Minimum", "Average", "Concatenate")

    def program(k: Any) -> Any:
        x, y = k.Input((5,)), k.Input((5,))
        outputs = [getattr(k.layers, name)()([x, y]) for name in names]
        outputs += [x + y, x - y, x * y, 2 * x + 1, 1 - x, x / 4, -x]
        return k.Model([x, y], outputs).predict([a, b], verbose=0)

    for theirs, ours in zip(*both(program), strict=True):
        np.testing.assert_allclose(ours, theirs, **CLOSE)


LOSSES: dict[str, Any] = {
    "mse": None,
    "mae": None,
    "huber": None,
    "hinge": "signs",
    "squared_hinge": "signs",
    "log_cosh": None,
    "poisson": "positive",
    "kl_divergence": "simplex",
    "binary_crossentropy": "zero-one",
    "categorical_crossentropy": "one-hot",
    "sparse_categorical_crossentropy": "classes",
}


def targets(kind: str | None) -> tuple[np.ndarray, str]:
    """Targets of a kind, and the activation of an output that fits them."""
    numbers = classes(8, 4)
    one_hot = np.eye(4, dtype="float32")[numbers]
    return {
        None: (draw(8, 4, seed=3), "linear"),
        "signs": (np.sign(draw(8, 4, seed=3)), "tanh"),
        "positive": (np.abs(draw(8, 4, seed=3)), "softplus"),
        "simplex": (np.abs(draw(8, 4, seed=3)) / 4, "softmax"),
        "zero-one": (one_hot, "sigmoid"),
        "one-hot": (one_hot, "softmax"),
        "classes": (numbers, "softmax"),
    }[kind]


@pytest.mark.parametrize("scale", [1.0, 30.0])  # 30: probabilities that are cut off
@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str, weighted: bool, fused: bool, scale: float) -> None:
    y, activation = targets(LOSSES[name])
    x = draw(8, 6)
    weights = np.abs(draw(8, seed=4)) if weighted else None

    def program(k: Any) -> Any:
        # a Reshape after the activation hides the logits from the loss
        layers = [k.Input((6,)), k.layers.Dense(4), k.layers.Activation(activation)]
        model = k.Sequential(layers if fused else [*layers, k.layers.Reshape((4,))])
        model.compile(k.optimizers.SGD(0.1), name)
        return model

    models = both(program)
    start = models[0].get_weights()
    for model in models:
        model.set_weights([scale * w for w in start])
    losses = [m.train_on_batch(x, y, sample_weight=weights) for m in models]
    # far out Keras's own 1 - p has lost most of its digits
    tolerance = {"rtol": 2e-3, "atol": 1e-5} if scale > 1 else CLOSE
    np.testing.assert_allclose(losses[1], losses[0], **tolerance)
    same_weights(models, rtol=1e-3, atol=2e-4 * scale)


@pytest.mark.parametrize("options", [{"label_smoothing": 0.1}, {"from_logits": True}])
@pytest.mark.parametrize("name", ["BinaryCrossentropy", "CategoricalCrossentropy"])
def test_options_of_cross_entropy(name: str, options: dict[str, Any]) -> None:
    p = 1 / (1 + np.exp(-draw(8, 4)))
    y = np.eye(4, dtype="float32")[classes(8, 4)]
    for reduction in ("sum_over_batch_size", "sum"):
        values = [
            float(getattr(k.losses, name)(reduction=reduction, **options)(y, p)) for k in LIBRARIES
        ]
        np.testing.assert_allclose(values[1], values[0], **CLOSE)


OPTIMIZERS: dict[str, Any] = {
    "sgd": lambda o: "sgd",
    "momentum": lambda o: o.SGD(0.1, momentum=0.9),
    "nesterov": lambda o: o.SGD(0.1, momentum=0.9, nesterov=True),
    "adam": lambda o: "adam",
    "adam 0.5": lambda o: o.Adam(2e-3, beta_1=0.5),
    "amsgrad": lambda o: o.Adam(0.01, amsgrad=True),
    "adamw": lambda o: o.AdamW(0.01, weight_decay=0.1),
    "rmsprop": lambda o: "rmsprop",
    "rmsprop centered": lambda o: o.RMSprop(0.01, momentum=0.5, centered=True),
    "adagrad": lambda o: o.Adagrad(0.05),
    "clipnorm": lambda o: o.SGD(0.1, clipnorm=0.05),
    "clipvalue": lambda o: o.SGD(0.1, clipvalue=0.01),
    "global clipnorm": lambda o: o.Adam(0.01, global_clipnorm=0.05),
    "exponential": lambda o: o.SGD(o.schedules.ExponentialDecay(0.2, 4, 0.5), momentum=0.9),
    "cosine": lambda o: o.Adam(o.schedules.CosineDecay(0.02, 8, alpha=0.1)),
    "piecewise": lambda o: o.SGD(o.schedules.PiecewiseConstantDecay([3, 6], [0.1, 0.05, 0.01])),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name: str) -> None:
    x, y = draw(32, 6), 1e-3 * draw(32, 2, seed=5)  # small: epsilon counts

    def program(k: Any) -> Any:
        model = k.Sequential([k.Input((6,)), k.layers.Dense(8, "tanh"), k.layers.Dense(2)])
        model.compile(OPTIMIZERS[name](k.optimizers), "mse")
        return model

    models = both(program)
    alike(models)
    histories = [m.fit(x, y, 8, epochs=4, shuffle=False, verbose=0) for m in models]
    same_history(histories, rtol=2e-4)
    same_weights(models, rtol=1e-3, atol=2e-5)


def test_the_program_of_the_article() -> None:
    x, y = np.abs(draw(256, 784)), np.eye(10, dtype="float32")[classes(256, 10)]
    x_test, y_test = np.abs(draw(70, 784, seed=2)), np.eye(10)[classes(70, 10, seed=3)]

    def program(k: Any) -> Any:
        inputs = k.Input(shape=(784,))
        hidden = k.layers.Dense(128, activation="relu")(inputs)
        outputs = k.layers.Dense(10, activation="softmax")(hidden)
        model = k.Model(inputs, outputs)
        model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
        return model

    models = both(program)
    alike(models)
    histories = [
        m.fit(
            x,
            y,
            batch_size=32,
            epochs=3,
            shuffle=False,
            verbose=0,
            validation_data=(x_test, y_test),
        )
        for m in models
    ]
    same_history(histories, rtol=3e-4, atol=1e-4)
    found = [m.evaluate(x_test, y_test, verbose=0) for m in models]
    np.testing.assert_allclose(found[1], found[0], rtol=3e-4)
    predicted = [m.predict(x_test, verbose=0) for m in models]
    np.testing.assert_allclose(predicted[1], predicted[0], rtol=5e-3, atol=1e-4)


def test_a_convolutional_classifier() -> None:
    x, y = draw(50, 12, 12, 1), classes(50, 5)

    def program(k: Any) -> Any:
        model = k.models.Sequential(
            [
                k.layers.Input((12, 12, 1)),
                k.layers.Conv2D(8, 3, padding="same", use_bias=False),
                k.layers.BatchNormalization(),
                k.layers.LeakyReLU(),
                k.layers.MaxPooling2D(),
                k.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
                k.layers.Flatten(),
                k.layers.Dropout(0.0),
                k.layers.Dense(5, activation="softmax"),
            ]
        )
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    models = both(program)
    alike(models)
    keywords = {"epochs": 3, "validation_split": 0.2, "shuffle": False, "verbose": 0}
    histories = [m.fit(x, y, 16, **keywords) for m in models]
    same_history(histories, rtol=2e-3, atol=1e-3)
    same_weights(models, rtol=1e-2, atol=2e-3)


def test_weights_that_cost() -> None:
    x, y = draw(24, 6, 6, 2), draw(24, 3)

    def program(k: Any) -> Any:
        both = k.regularizers.L1L2(0.01, 0.02)
        layers = [
            k.layers.Conv2D(4, 3, kernel_regularizer=k.regularizers.l2(0.05)),
            k.layers.Flatten(),
            k.layers.Dense(
                3, kernel_regularizer="l1", bias_regularizer=both, bias_initializer="ones"
            ),  # at 0 the derivative of |b| is not one number
        ]
        model = k.Sequential([k.Input((6, 6, 2)), *layers])
        model.compile("sgd", "mse", metrics=["mse"])
        return model

    models = both(program)
    alike(models)
    keywords = {"epochs": 3, "shuffle": False, "verbose": 0, "validation_data": (x, y)}
    same_history([m.fit(x, y, 8, **keywords) for m in models], rtol=1e-4)
    same_weights(models, rtol=1e-3, atol=1e-5)


def test_several_inputs_and_outputs() -> None:
    numbers, image = classes(40, 6), draw(40, 4, 4, 1)
    targets = {"kind": classes(40, 3, seed=7), "size": draw(40, 1, seed=8)}

    def program(k: Any) -> Any:
        label = k.Input((), dtype="int32", name="label")
        picture = k.Input((4, 4, 1), name="picture")
        shared = k.layers.Dense(6, activation="relu", name="shared")
        a = k.layers.Flatten()(k.layers.Embedding(6, 5, name="table")(label))
        b = k.layers.Flatten()(picture)
        joined = k.layers.concatenate([shared(k.layers.Dense(16)(a)), shared(b)])
        kind = k.layers.Dense(3, activation="softmax", name="kind")(joined)
        size = k.layers.Dense(1, name="size")(joined)
        model = k.Model([label, picture], [kind, size])
        model.compile(
            "sgd",
            {"kind": "sparse_categorical_crossentropy", "size": "mse"},
            loss_weights={"kind": 0.3, "size": 2.0},
            metrics={"kind": ["accuracy"], "size": ["mae"]},
        )
        return model

    models = both(program)
    alike(models)
    keywords = {"batch_size": 8, "epochs": 3, "shuffle": False, "verbose": 0}
    histories = [m.fit([numbers, image], targets, **keywords) for m in models]
    same_history(histories, rtol=1e-4)
    same_weights(models, rtol=1e-3, atol=1e-5)
    inputs = {"label": numbers, "picture": image}
    found = [m.evaluate(inputs, targets, verbose=0) for m in models]
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4)
    names = [sorted(m.evaluate(inputs, targets, verbose=0, return_dict=True)) for m in models]
    assert names[0] == names[1]


def test_a_gan_of_train_on_batch() -> None:
    def program(k: Any) -> Any:
        generator = k.Sequential(
            [
                k.Input((4,)),
                k.layers.Dense(2 * 2 * 6),
                k.layers.Reshape((2, 2, 6)),
                k.layers.BatchNormalization(momentum=0.8),
                k.layers.LeakyReLU(negative_slope=0.2),
                k.layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="tanh"),
            ]
        )
        discriminator = k.Sequential(
            [
                k.Input((4, 4, 1)),
                k.layers.Conv2D(5, 3, strides=2, padding="same"),
                k.layers.LeakyReLU(negative_slope=0.2),
                k.layers.Flatten(),
                k.layers.Dense(1, activation="sigmoid"),
            ]
        )

        def adam() -> Any:
            return k.optimizers.Adam(2e-3, beta_1=0.5)

        discriminator.compile(adam(), "binary_crossentropy", metrics=["accuracy"])
        discriminator.trainable = False
        z = k.Input((4,))
        gan = k.Model(z, discriminator(generator(z)))
        gan.compile(adam(), "binary_crossentropy")
        return generator, discriminator, gan

    parts = both(program)
    for i in (0, 1):
        alike([part[i] for part in parts])
    found = []
    for generator, discriminator, gan in parts:
        losses = []
        for step in range(6):
            noise, real = draw(8, 4, seed=step), draw(8, 4, 4, 1, seed=50 + step)
            discriminator.trainable = True
            fake = generator.predict(noise, verbose=0)
            losses += discriminator.train_on_batch(real, np.ones((8, 1)))
            losses += discriminator.train_on_batch(fake, np.zeros((8, 1)))
            discriminator.trainable = False
            losses.append(gan.train_on_batch(noise, np.ones((8, 1))))
        found.append(losses)
    np.testing.assert_allclose(found[1], found[0], rtol=2e-3, atol=1e-4)
    for i in (0, 1):
        same_weights([part[i] for part in parts], rtol=1e-2, atol=2e-4)


def test_metrics() -> None:
    p = 1 / (1 + np.exp(-draw(20, 6)))
    numbers = classes(20, 6)
    one_hot = np.eye(6, dtype="float32")[numbers]
    weights = np.abs(draw(20, seed=5))
    cases = [
        ("CategoricalAccuracy", {}, one_hot),
        ("SparseCategoricalAccuracy", {}, numbers),
        ("BinaryAccuracy", {"threshold": 0.6}, one_hot),
        ("TopKCategoricalAccuracy", {"k": 2}, one_hot),
        ("SparseTopKCategoricalAccuracy", {"k": 3}, numbers),
        ("RootMeanSquaredError", {}, one_hot),
        ("MeanSquaredError", {}, one_hot),
        ("MeanAbsoluteError", {}, one_hot),
        ("CategoricalCrossentropy", {}, one_hot),
        ("SparseCategoricalCrossentropy", {}, numbers),
        ("BinaryCrossentropy", {}, one_hot),
        ("Precision", {}, one_hot),
        ("Recall", {}, one_hot),
    ]
    for name, options, y in cases:
        values = []
        for k in LIBRARIES:
            metric = getattr(k.metrics, name)(**options)
            metric.update_state(y[:8], p[:8])
            metric.update_state(y[8:], p[8:])
            values.append(float(metric.result()))
            metric.reset_state()
            if name not in ("Precision", "Recall", "BinaryAccuracy"):
                metric.update_state(y, p, sample_weight=weights)
                values.append(float(metric.result()))
            values.append(metric.name)  # type: ignore[arg-type]
        half = len(values) // 2
        assert values[half - 1] == values[-1]
        np.testing.assert_allclose(values[half:-1], values[: half - 1], rtol=1e-5, err_msg=name)


INITIALIZERS = (
    *("glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform"),
    *("lecun_normal", "random_normal", "random_uniform", "truncated_normal", "zeros", "ones"),
    "orthogonal",
)


@pytest.mark.parametrize("shape", [(300, 200), (3, 3, 40, 80)])
@pytest.mark.parametrize("name", INITIALIZERS)
def test_initial_weights_are_of_one_distribution(name: str, shape: tuple[int, ...]) -> None:
    theirs, ours = (
        np.sort(np.asarray(k.initializers.get(name)(shape)).reshape(-1)) for k in LIBRARIES
    )
    scale = max(theirs.std(), 1e-3)
    assert abs(ours.mean() - theirs.mean()) < 0.03 * scale
    assert abs(ours.std() - theirs.std()) < 0.02 * scale
    assert abs(ours - theirs).max() < 1.2 * scale
    assert abs(ours - theirs).mean() < 0.03 * scale


def test_summaries() -> None:
    def straight(k: Any) -> Any:
        inputs = k.Input((28, 28, 1))
        x = k.layers.Conv2D(32, 3, activation="relu")(inputs)
        x = k.layers.BatchNormalization()(x)
        x = k.layers.GlobalAveragePooling2D()(x)
        return k.Model(inputs, k.layers.Dense(10)(x))

    def branched(k: Any) -> Any:
        a, b = k.Input((4,)), k.Input((None, 4), name="other")
        x = k.layers.Dense(3)(a)
        y = k.layers.Flatten()(k.layers.Dense(3)(b))
        return k.Model([a, b], [k.layers.Add()([x, k.layers.Dense(3)(a)]), y], name="two")

    def stacked(k: Any) -> Any:
        inner = k.Sequential([k.Input((6,)), k.layers.Dense(4), k.layers.Dropout(0.1)])
        model = k.Sequential([k.Input((6,)), inner, k.layers.Dense(2)], name="outer")
        model.compile("adam", "mse")
        model.fit(draw(4, 6), draw(4, 2), verbose=0)
        return model

    def unbuilt(k: Any) -> Any:
        return k.Sequential([k.layers.Dense(4), k.layers.Dense(2)])

    for program in (straight, branched, stacked, unbuilt):
        models = both(program)
        for options in ({}, {"show_trainable": True, "expand_nested": True}, {"line_length": 70}):
            texts: list[list[str]] = [[], []]
            for model, lines in zip(models, texts, strict=True):
                model.summary(print_fn=lines.append, **options)
            assert "\n".join(texts[1]) == "\n".join(texts[0]), program.__name__


def test_the_line_of_an_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    x, y = draw(40, 6), draw(40, 2)

    def lines(k: Any, verbose: int) -> list[str]:
        model = k.Sequential([k.Input((6,)), k.layers.Dense(2, kernel_initializer="ones")])
        model.compile("sgd", "mse", metrics=["mae"])
        keywords = {"epochs": 2, "shuffle": False, "validation_data": (x, y), "verbose": verbose}
        model.fit(x, y, 8, **keywords)
        model.evaluate(x, y, verbose=verbose)
        model.predict(x, verbose=verbose)
        printed = capsys.readouterr().out
        for control in re.findall("\x1b\\[[0-9;]*m|\b", printed):
            printed = printed.replace(control, "")
        printed = re.sub(r"\b\d+[mu]?s\b(/step)?", "T", printed)
        # where no terminal is, Keras prints the bar of each step; what counts is the last
        kept = [line.strip() for line in re.split("[\r\n]", printed) if line.strip()]
        return [line for line in kept if line.startswith("Epoch") or "5/5" in line or "2/2" in line]

    def split(printed: list[str]) -> tuple[list[str], list[float]]:
        """The text without its figures, and the figures, whose last digit may differ."""
        figures = [float(x) for line in printed for x in re.findall(r"\d\.\d{4}", line)]
        return [re.sub(r"\d\.\d{4}", "F", line) for line in printed], figures

    for verbose in (1, 2):
        theirs, ours = (split(lines(k, verbose)) for k in LIBRARIES)
        # the bar that Keras draws while it goes on may read as a finished one's
        assert set(ours[0]) <= set(theirs[0])
        assert theirs[0][-1] == ours[0][-1]
        assert len(ours[1]) >= 8
        for figure in ours[1]:
            assert min(abs(figure - f) for f in theirs[1]) < 1.1e-4


def test_callbacks(capsys: pytest.CaptureFixture[str]) -> None:
    x, y = draw(32, 3), draw(32, 1, seed=9)

    def program(k: Any) -> Any:
        model = k.Sequential([k.Input((3,)), k.layers.Dense(1)])
        model.compile(k.optimizers.SGD(0.5), "mse")
        return model

    models = both(program)
    alike(models)
    printed, histories = [], []
    for k, model in zip(LIBRARIES, models, strict=True):
        stop = k.callbacks.EarlyStopping(
            "loss", patience=2, min_delta=1e-3, restore_best_weights=True, verbose=1
        )
        plateau = k.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1e-2)
        histories.append(
            model.fit(x, y, 8, 30, callbacks=[plateau, stop], shuffle=False, verbose=0)
        )
        printed.append(capsys.readouterr().out)
    same_history(histories, rtol=1e-4)
    assert printed[0] == printed[1]
    same_weights(models, rtol=1e-4)
