"""The network of the first lesson, written as for Keras: 784 pixels, 128 units, 10 classes.

From the imports on it is a Keras program: with `keras` in the place of `tinygan.keras` it runs on
Keras 3 and prints the same lines. It reaches more than 97.5 % of MNIST's test images in 10 epochs.

Run: python examples/05_mlp_classifier.py          (MNIST; some seconds)
     python examples/05_mlp_classifier.py --quick  (3 epochs on digits that are drawn, no download)
"""

import argparse
import os

from tinygan.keras import Input, Model
from tinygan.keras.datasets import mnist
from tinygan.keras.layers import Dense
from tinygan.keras.utils import set_random_seed, to_categorical

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("--quick", action="store_true", help="fewer epochs, on drawn digits")
arguments.add_argument("--data-dir", help="where MNIST lies, if it is there already")
arguments.add_argument("--out", default="mlp_classifier.safetensors", help="the model's file")
options = arguments.parse_args()
if options.data_dir:
    os.environ["TINYGAN_DATA"] = options.data_dir

set_random_seed(0)
if options.quick:
    from tinygan.data import held_out, load

    sets = load("glyphs"), held_out("glyphs")
    (x_train, y_train), (x_test, y_test) = ((s.images, s.labels) for s in sets)
else:
    (x_train, y_train), (x_test, y_test) = mnist.load_data()

x_train = x_train.reshape(-1, 784).astype("float32") / 255
x_test = x_test.reshape(-1, 784).astype("float32") / 255
y_train = to_categorical(y_train, 10)
y_test = to_categorical(y_test, 10)

inputs = Input(shape=(784,))
hidden = Dense(128, activation="relu")(inputs)
outputs = Dense(10, activation="softmax")(hidden)
model = Model(inputs, outputs)
model.summary()

model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
model.fit(
    x_train,
    y_train,
    batch_size=32,
    epochs=3 if options.quick else 10,
    validation_data=(x_test, y_test),
)

loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"{accuracy:.2%} of {len(x_test)} images that it was not trained on are told right")
model.save(options.out)
print(f"the trained network: {options.out}")
