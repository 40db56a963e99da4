"""Where images come from: embedded set, IDX files, folders, 2-D toys."""

from tinygan.data import transforms
from tinygan.data.collate import default_collate
from tinygan.data.dataset import Dataset, Images, Points, Subset, TensorDataset, random_split
from tinygan.data.errors import DataError
from tinygan.data.folder import ImageFolder
from tinygan.data.images import make_grid, save_image
from tinygan.data.loader import DataLoader
from tinygan.data.named import NAMES, held_out, load
from tinygan.data.origin import Origin
from tinygan.data.pictures import save_figure, save_gif, save_picture, to_uint8
from tinygan.data.published import CIFAR10, KMNIST, MNIST, FashionMNIST
from tinygan.data.stacked import Stacked
from tinygan.data.toys import Grid, Moons, Ring, SwissRoll, Toy

__all__ = [
    "CIFAR10",
    "KMNIST",
    "MNIST",
    "NAMES",
    "DataError",
    "DataLoader",
    "Dataset",
    "FashionMNIST",
    "Grid",
    "ImageFolder",
    "Images",
    "Moons",
    "Origin",
    "Points",
    "Ring",
    "Stacked",
    "Subset",
    "SwissRoll",
    "TensorDataset",
    "Toy",
    "default_collate",
    "held_out",
    "load",
    "make_grid",
    "random_split",
    "save_figure",
    "save_gif",
    "save_image",
    "save_picture",
    "to_uint8",
    "transforms",
]
