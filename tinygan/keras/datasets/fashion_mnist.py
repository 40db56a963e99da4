"""Garments."""

from tinygan.keras.datasets.published import grey, loader

load_data = loader("fashion-mnist", grey)
