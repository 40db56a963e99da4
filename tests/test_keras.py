"""tinygan.keras alone: exact values, files, callbacks, errors, and steps that are recorded."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded import python_steps

import tinygan
from tinygan.backend.files import FileError
from tinygan.data import load
from tinygan.data.shuffle import permutation
from tinygan.keras import Input, Model, Sequential, callbacks, layers, losses, models, optimizers
from tinygan.keras.layers import Dense
from tinygan.keras.utils import clear_session, set_random_seed, to_categorical


@pytest.fixture(autouse=True)
def seeded() -> None:
    clear_session()
    set_random_seed(0)


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def classifier(inputs: int = 6, dropout: float = 0.0) -> Model:
    x = Input(shape=(inputs,))
    hidden = layers.Dropout(dropout)(Dense(16, activation="relu")(x))
    model = Model(x, Dense(3, activation="softmax")(hidden))
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return model


def labelled(n: int, inputs: int = 6) -> tuple[np.ndarray, np.ndarray]:
    x = draw(n, inputs)
    return x, to_categorical((x @ draw(inputs, 3, seed=1)).argmax(1), 3)


def test_importing_tinygan_does_not_load_it_and_it_loads_nothing_heavy() -> None:
    code = (
        "import sys, tinygan; a = 'tinygan.keras' in sys.modules; import tinygan.keras;"
        "from tinygan.keras.layers import Dense; import tinygan.keras as keras; keras.Model;"
        "heavy = ['numba', 'cupy', 'matplotlib', 'PIL', 'rich', 'typer', 'keras'];"
        "print(a, [m for m in heavy if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False []"


def test_the_programs_way_of_writing_learns_glyphs() -> None:
    data = load("glyphs", size=14)
    x = data.images.reshape(len(data), -1).astype("float32") / 255
    y = to_categorical(data.labels)
    model = Sequential([Input((196,)), Dense(64, activation="relu"), Dense(y.shape[1], "softmax")])
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=6, validation_split=0.1, verbose=0)
    assert list(history.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert history.epoch == list(range(6))
    assert history.history["val_accuracy"][-1] > 0.9
    loss, accuracy = model.evaluate(x, y, verbose=0)
    shares = model.predict(x, verbose=0)
    assert accuracy == pytest.approx((shares.argmax(1) == y.argmax(1)).mean(), abs=1e-9)
    assert loss == pytest.approx(-np.log(shares[y == 1]).mean(), rel=1e-4)


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_probabilities_are_cut_off(loss: str) -> None:
    """A class whose probability is below 1e-7 costs -log(1e-7), and has no gradient."""
    model = Sequential([Input((3,)), layers.Activation("softmax")])
    x = np.array([[0, 40, 0], [40, 0, 0], [1, 0, 0]], "float32")
    y: Any = np.zeros(3, "int64")
    y = to_categorical(y, 3) if loss[0] == "c" else y
    inputs = tinygan.tensor(x, requires_grad=True)
    values = getattr(losses, loss)(tinygan.tensor(y), model(inputs))
    expected = [-math.log(1e-7), 1.2e-7, math.log(1 + 2 / math.e)]
    np.testing.assert_allclose(values.tolist(), expected, rtol=1e-5, atol=1e-8)
    (slope,) = tinygan.autograd.grad(values.sum(), inputs)
    p = np.exp(x[2]) / np.exp(x[2]).sum()
    np.testing.assert_allclose(slope.tolist(), [[0] * 3, [0] * 3, p - [1, 0, 0]], atol=1e-6)


def test_moving_moments() -> None:
    layer = layers.BatchNormalization(momentum=0.9)
    x = draw(50, 4) * 3 + 1
    layer(x, training=True)
    mean, variance = layer.get_weights()[2:]
    np.testing.assert_allclose(mean, 0.1 * x.mean(0), rtol=1e-5)
    np.testing.assert_allclose(variance, 0.9 + 0.1 * x.var(0), rtol=1e-5)
    layer.trainable = False
    y = layer(x, training=True).detach().numpy()
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + 1e-3), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(layer.get_weights()[2], mean)


def test_the_first_step_of_adam() -> None:
    """p - lr g / (|g| + eps / sqrt(1 - b2)): where g is small, epsilon is what counts."""
    parameter = tinygan.tensor(np.zeros(4, "float32"), requires_grad=True)
    gradient = np.array([1, 1e-5, 1e-7, -1e-6], "float32")
    optimizers.Adam(0.1).apply([tinygan.tensor(gradient)], [parameter])
    expected = -0.1 * gradient / (abs(gradient) + 1e-7 / math.sqrt(1 - 0.999))
    np.testing.assert_allclose(parameter.tolist(), expected, rtol=1e-5)


def test_one_order_of_the_data_for_a_seed() -> None:
    x, y = labelled(64)
    found = []
    for seed in (1, 1, 2):
        set_random_seed(seed)
        found.append(classifier(dropout=0.3).fit(x, y, epochs=3, verbose=0).history["loss"])
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_every_call_of_fit_has_orders_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = labelled(64)
    orders = []
    kept = lambda *place: orders.append(permutation(*place)) or orders[-1]  # noqa: E731
    monkeypatch.setattr("tinygan.keras.feed.permutation", kept)
    model = classifier()
    for _ in range(2):
        model.fit(x, y, epochs=2, verbose=0)
    assert len(np.unique(orders, axis=0)) == 4


def test_a_step_is_recorded_and_all_of_it_is_replayed(device: str) -> None:
    x, y = labelled(70)
    histories = []
    for eager in (True, False):
        set_random_seed(3)
        model = classifier(dropout=0.2).to(device)
        model.compile("adam", "categorical_crossentropy", metrics=["accuracy"], run_eagerly=eager)
        fitted = model.fit(x, y, 32, epochs=4, validation_data=(x, y), verbose=0)
        histories.append(fitted.history)
        assert model.weights[0].tensor.device.type == device
    assert histories[0] == histories[1]  # bit for bit


def test_nothing_of_a_step_is_left_to_python() -> None:
    model = classifier(dropout=0.2)
    x, y = labelled(32)
    for _ in range(3):
        model.train_on_batch(x, y)
    assert python_steps(model._batch_steps["train"]) == []


def test_trainable_is_taken_down_by_compile() -> None:
    discriminator = Sequential([Input((2,)), Dense(8, "tanh"), Dense(1, "sigmoid")])
    discriminator.compile("sgd", "binary_crossentropy")
    discriminator.trainable = False
    generator = Sequential([Input((3,)), Dense(2)])
    z = Input((3,))
    gan = Model(z, discriminator(generator(z)))
    gan.compile("sgd", "binary_crossentropy")
    assert discriminator.trainable_weights == []
    kept, moved = discriminator.get_weights(), generator.get_weights()
    gan.train_on_batch(draw(4, 3), np.ones((4, 1)))
    for a, b in zip(kept, discriminator.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(moved, generator.get_weights(), strict=True))
    discriminator.train_on_batch(draw(4, 2), np.ones((4, 1)))
    assert any((a != b).any() for a, b in zip(kept, discriminator.get_weights(), strict=True))


def branched() -> Model:
    label, picture = Input((), dtype="int32", name="label"), Input((4, 4, 1))
    a = layers.Embedding(5, 8)(label)
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(picture)
    x = layers.LeakyReLU(0.2)(layers.BatchNormalization()(x))
    joined = layers.Concatenate()([a, layers.Flatten()(x) * 0.5])
    return Model([label, picture], [Dense(2, name="one")(joined), Dense(1)(joined)])


def test_a_saved_model_goes_on_as_it_was(tmp_path: Path) -> None:
    x, y = [np.arange(20) % 5, draw(20, 4, 4, 1)], [draw(20, 2), draw(20, 1)]
    model = branched()
    model.compile(optimizers.Adam(0.01, beta_1=0.5), "mse", metrics=[["mae"], []])
    model.fit(x, y, 5, verbose=0)
    model.save(tmp_path / "model.keras")
    twin = models.load_model(tmp_path / "model.keras")
    assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
    for a, b in zip(model.predict(x, verbose=0), twin.predict(x, verbose=0), strict=True):
        np.testing.assert_array_equal(a, b)
    after = [m.fit(x, y, 5, epochs=2, verbose=0, shuffle=False).history for m in (model, twin)]
    assert after[0] == after[1]
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    again = models.model_from_json(model.to_json())
    again.load_weights(tmp_path / "model.keras")
    assert again.output_shape == [(None, 2), (None, 1)]


def test_files_that_are_others(tmp_path: Path) -> None:
    model = classifier()
    model.save_weights(tmp_path / "own.weights.h5")
    with pytest.raises(FileError, match="weights only"):
        models.load_model(tmp_path / "own.weights.h5")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        model.save(tmp_path / "own.weights.h5", overwrite=False)
    (tmp_path / "theirs.keras").write_bytes(b"PK\x03\x04 more of a zip archive")
    with pytest.raises(FileError, match="written by Keras itself"):
        models.load_model(tmp_path / "theirs.keras")
    with pytest.raises(ValueError, match="does not fit"):
        classifier(7).load_weights(tmp_path / "own.weights.h5")


class Scaled(layers.Layer):
    """A layer as users write them."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape: Any) -> None:
        self.w = self.add_weight((input_shape[-1], self.units), name="w")

    def call(self, inputs: Any, training: bool = False) -> Any:
        return inputs @ self.w * (2.0 if training else 1.0)


def test_layers_of_ones_own(tmp_path: Path) -> None:
    model = Sequential([Input((4,)), Scaled(3), Dense(1)])
    assert model.layers[0].output.shape == (None, 3)
    model.compile("sgd", "mse")
    model.train_on_batch(draw(5, 4), draw(5, 1))
    x = draw(5, 4)
    w, kernel, bias = model.get_weights()
    expected = x @ w @ kernel + bias
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        model(x, training=True).detach().numpy(), 2 * x @ w @ kernel + bias, rtol=1e-4, atol=1e-5
    )
    model.save(tmp_path / "own.safetensors")
    twin = models.load_model(tmp_path / "own.safetensors")
    np.testing.assert_array_equal(twin.predict(x, verbose=0), model.predict(x, verbose=0))


class Autoencoder(Model):
    """A model as users write them."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = Dense(2), Dense(5)

    def call(self, inputs: Any) -> Any:
        return self.decode(self.encode(inputs))


def test_models_of_ones_own() -> None:
    model = Autoencoder()
    model.compile(optimizers.Adam(0.01), "mse")
    x = draw(40, 2) @ draw(2, 5, seed=4)
    history = model.fit(x, x, epochs=60, verbose=0)
    assert history.history["loss"][-1] < 0.1 * history.history["loss"][0]
    assert [w.path for w in model.weights] == [
        *("dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias")
    ]


class Deep(Model):
    """A model whose layers are in a list that grows, and in a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[Any] = []
        for _ in range(2):
            self.blocks.append(Dense(4, activation="tanh"))
        self.ends = {"last": Dense(1)}

    def call(self, inputs: Any) -> Any:
        for block in self.blocks:
            inputs = block(inputs)
        return self.ends["last"](inputs)


def test_layers_in_lists_are_trained_and_moved() -> None:
    model = Deep()
    model.compile("sgd", "mse")
    model.train_on_batch(draw(6, 3), draw(6, 1))
    before = model.get_weights()
    assert len(before) == 6
    model.train_on_batch(draw(6, 3), draw(6, 1))
    for a, b in zip(before, model.get_weights(), strict=True):
        assert (a != b).any()
    model.trainable = False
    assert model.trainable_weights == [] and not model.blocks[0].trainable
    assert {w.tensor.device.type for w in model.to("cuda").weights} == {"cuda"}


def test_batches_from_a_generator() -> None:
    model = classifier()

    def batches() -> Any:
        for i in range(6):
            x, y = labelled(16)
            yield x + i / 100, y

    class Again:
        def __iter__(self) -> Any:
            return batches()

    history = model.fit(Again(), epochs=2, verbose=0, validation_data=Again())
    assert len(history.history["val_loss"]) == 2
    assert model.optimizer is not None and model.optimizer.iterations == 12


def test_weights_of_classes_and_samples() -> None:
    x, y = labelled(60)
    own = np.where(y.argmax(1) == 0, 2.0, 0.5)
    found = []
    for options in ({"class_weight": {0: 2.0, 1: 0.5, 2: 0.5}}, {"sample_weight": own}):
        set_random_seed(0)
        found.append(classifier().fit(x, y, epochs=2, verbose=0, **options).history["loss"])
    assert found[0] == found[1]


def test_checkpoints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = labelled(60)
    model = classifier()
    best = callbacks.ModelCheckpoint(
        tmp_path / "best.keras", "val_accuracy", save_best_only=True, verbose=1
    )
    each = callbacks.ModelCheckpoint(
        tmp_path / "w" / "{epoch:02d}-{val_loss:.2f}.weights.h5", save_weights_only=True
    )
    history = model.fit(x, y, epochs=4, validation_data=(x, y), callbacks=[best, each], verbose=0)
    assert len(list((tmp_path / "w").iterdir())) == 4
    assert "val_accuracy improved from None to" in capsys.readouterr().out
    twin = models.load_model(tmp_path / "best.keras")
    assert twin.evaluate(x, y, verbose=0)[1] == max(history.history["val_accuracy"])


ERRORS: list[tuple[str, Any, str]] = [
    ("no input leads to it", lambda: Model(Input((2,)), Dense(1)(Input((3,)))), "which none of"),
    ("twice the same name", lambda: Sequential([Dense(1, name="a"), Dense(1, name="a")]), "'a' al"),
    ("unknown activation", lambda: Dense(1, activation="rleu"), "did you mean 'relu'"),
    (
        "unknown loss",
        lambda: losses.get("catgorical_crossentropy"),
        "did you mean 'categorical_crossentropy'",
    ),
    ("channels first", lambda: layers.Conv2D(1, 3, data_format="channels_first"), "channels_last"),
    ("not compiled", lambda: Sequential([Dense(1)]).fit(draw(2, 2), draw(2)), r"call compile\(\)"),
    ("shape of the data", lambda: classifier().predict(draw(4, 5)), r"expects shape \(None, 6\)"),
    ("lengths", lambda: classifier().fit(draw(4, 6), draw(5, 3)), "equally long"),
    (
        "classes for probabilities",
        lambda: classifier().fit(draw(4, 6), np.zeros(4, int), verbose=0),
        "sparse_categorical_crossentropy",
    ),
]


@pytest.mark.parametrize(("name", "wrong", "told"), ERRORS, ids=[e[0] for e in ERRORS])
def test_errors_say_what_to_do(name: str, wrong: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        wrong()
