"""Handwritten digits."""

from tinygan.keras.datasets.published import grey, loader

load_data = loader("mnist", grey)
