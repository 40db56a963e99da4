"""Published data sets as Keras gives them out."""

from tinygan.keras.datasets import cifar10, fashion_mnist, mnist

__all__ = ["cifar10", "fashion_mnist", "mnist"]
