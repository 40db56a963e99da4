"""From a folder of pictures to new ones: collect, extract features, train, generate.

The folder is made on the spot: digits as PNG files in a folder for each class, some of them twice,
one file broken. Each step is a command of `tinygan`, and is printed before it runs.

Run: python examples/08_pipeline.py
     python examples/08_pipeline.py --quick
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tinygan.data import load, save_picture

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("--quick", action="store_true", help="fewer pictures and steps")
arguments.add_argument("--out", default="pipeline", type=Path, help="the folder to make")
options = arguments.parse_args()

COUNT, STEPS = (1000, 200) if options.quick else (5000, 1000)


def tinygan(*words):
    words = [str(word) for word in words]
    print("\n$ tinygan", *words, flush=True)
    subprocess.run([sys.executable, "-m", "tinygan", *words], check=True)


# what somebody else would have collected
pictures = options.out / "pictures"
digits = load("glyphs")
for i in range(COUNT):
    name = pictures / str(digits.labels[i]) / f"{i:04d}.png"
    name.parent.mkdir(parents=True, exist_ok=True)
    save_picture(digits.images[i], name)
for name in sorted(pictures.glob("*/*1.png"))[:20]:
    with Image.open(name) as picture:  # again, twice as large and as JPEG
        save_picture(np.asarray(picture.resize((56, 56))), name.with_suffix(".jpg"))
(pictures / "0" / "broken.png").write_bytes(name.read_bytes()[:100])

collected = options.out / "digits.npz"
tinygan("data", pictures, "--size", 28, "--collect", collected, "--out", options.out / "sheet.png")
tinygan("features", collected, "--out", options.out / "features.png")
run = options.out / "run"
tinygan("train", "--data", collected, "--steps", STEPS, "--out", run)
tinygan("sample", run, "-n", 64, "--out", options.out / "new.png")
