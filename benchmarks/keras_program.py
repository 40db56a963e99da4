"""The MLP of the first article on MNIST, by tinygan.keras and by Keras 3 on JAX and on PyTorch.

Each in a process of its own, in turns, 10 epochs of batches of 32 with validation after each:
seconds of fit by the clock and on the processors, and the share of test images told right.

Run: python benchmarks/keras_program.py --data-dir DIR --compare jax,torch --rounds 3
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time


def run(library: str, seed: int, data_dir: str | None) -> None:
    """The program, once; prints what was measured as JSON."""
    from tinygan.data.published import published

    sets = [published("mnist", data_dir, train=train) for train in (True, False)]
    if library == "tinygan":
        from tinygan.keras import Input, Model
        from tinygan.keras.layers import Dense
        from tinygan.keras.utils import set_random_seed, to_categorical
    else:
        from keras import Input, Model
        from keras.layers import Dense
        from keras.utils import set_random_seed, to_categorical
    (x_train, y_train), (x_test, y_test) = (
        (s.images.reshape(-1, 784).astype("float32") / 255, to_categorical(s.labels, 10))
        for s in sets
    )
    set_random_seed(seed)
    inputs = Input(shape=(784,))
    hidden = Dense(128, activation="relu")(inputs)
    outputs = Dense(10, activation="softmax")(hidden)
    model = Model(inputs, outputs)
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    clock, processors = time.perf_counter(), time.process_time()
    fitted = model.fit(
        x_train, y_train, batch_size=32, epochs=10, validation_data=(x_test, y_test), verbose=0
    )
    measured = {
        "seconds": time.perf_counter() - clock,
        "processor seconds": time.process_time() - processors,
        "accuracy": fitted.history["val_accuracy"][-1],
    }
    print(json.dumps(measured))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data-dir", help="where MNIST lies, if it is there already")
    arguments.add_argument("--compare", default="jax", help="Keras's backends, with commas")
    arguments.add_argument("--rounds", type=int, default=3, help="runs of each, in turns")
    arguments.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.one:
        run(options.one[0], int(options.one[1]), options.data_dir)
        return
    libraries = ["tinygan", *filter(None, options.compare.split(","))]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in libraries}
    where = [] if options.data_dir is None else ["--data-dir", options.data_dir]
    # the first run of all compiles kernels, which are cached, and does not count
    for turn in range(options.rounds + 1):
        for name in libraries if turn else libraries[:1]:
            command = [sys.executable, __file__, "--one", name, str(turn), *where]
            environment = {**os.environ, "KERAS_BACKEND": name}
            out = subprocess.run(
                command, env=environment, check=True, stdout=subprocess.PIPE, text=True
            )
            measured = json.loads(out.stdout.splitlines()[-1])
            if turn:
                found[name].append(measured)
                print(name, {key: round(value, 4) for key, value in measured.items()}, flush=True)
    least = {key: median(found["tinygan"], key) for key in ("seconds", "processor seconds")}
    for name, rows in found.items():
        print(
            f"{name:8s}"
            + "".join(f"  {median(rows, k):7.2f} {k} (x {median(rows, k) / v:.2f})"
                      for k, v in least.items())
            + f"  {min(r['accuracy'] for r in rows):.2%} of the test images or more"
        )  # fmt: skip


def median(rows: list[dict[str, float]], key: str) -> float:
    return statistics.median(row[key] for row in rows)


if __name__ == "__main__":
    main()
