"""Photographs of ten kinds of things."""

from tinygan.keras.datasets.published import coloured, loader

load_data = loader("cifar10", coloured)
