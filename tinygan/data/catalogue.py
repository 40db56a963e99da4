"""Where the published collections are to be had, and what their files must be."""

from __future__ import annotations

from dataclasses import dataclass

from tinygan.data.download import Remote

DIGITS = tuple(str(digit) for digit in range(10))


@dataclass(frozen=True)
class Collection:
    """A published set of images. `folders` are other places in which people keep it."""

    name: str
    title: str
    classes: tuple[str, ...]
    mirrors: tuple[str, ...]
    folders: tuple[str, ...]
    train: tuple[Remote, ...]
    test: tuple[Remote, ...]

    def files(self, train: bool) -> tuple[Remote, ...]:
        return self.train if train else self.test

    def loose(self, train: bool) -> tuple[str, ...]:
        """The names of the files in the archive, where the collection is one."""
        if self.name != "cifar10":
            return ()
        if train:
            return tuple(f"data_batch_{i}.bin" for i in range(1, 6))
        return ("test_batch.bin",)


def _pair(
    part: str, images: tuple[str, int | None], labels: tuple[str, int | None]
) -> tuple[Remote, ...]:
    return (
        Remote(f"{part}-images-idx3-ubyte.gz", *images),
        Remote(f"{part}-labels-idx1-ubyte.gz", *labels),
    )


_CIFAR = Remote(
    "cifar-10-binary.tar.gz",
    "sha256:c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    170_052_171,
)

CATALOGUE = {
    "mnist": Collection(
        "mnist",
        "MNIST",
        DIGITS,
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "http://yann.lecun.com/exdb/mnist/",
        ),
        ("MNIST/raw", "MNIST"),
        _pair(
            "train",
            ("sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9_912_422),
            ("sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28_881),
        ),
        _pair(
            "t10k",
            ("sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1_648_877),
            ("sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4_542),
        ),
    ),
    "fashion-mnist": Collection(
        "fashion-mnist",
        "Fashion-MNIST",
        (
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ),
        ("FashionMNIST/raw", "FashionMNIST"),
        _pair(
            "train",
            ("sha256:3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", 26_421_880),
            ("sha256:a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", 29_515),
        ),
        _pair(
            "t10k",
            ("sha256:346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", 4_422_102),
            ("sha256:67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", 5_148),
        ),
    ),
    "kmnist": Collection(
        "kmnist",
        "KMNIST",
        ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        (
            "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
            "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        ),
        ("KMNIST/raw", "KMNIST"),
        _pair(
            "train",
            ("md5:bdb82020997e1d708af4cf47b453dcf7", None),
            ("md5:e144d726b3acfaa3e44228e80efcd344", None),
        ),
        _pair(
            "t10k",
            ("md5:5c965bf0a639b31b8f53240b1b52f4d7", None),
            ("md5:7320c461ea6c1c855c0b718fb2a4b134", None),
        ),
    ),
    "cifar10": Collection(
        "cifar10",
        "CIFAR-10",
        (
            "airplane",
            "automobile",
            "bird",
            "cat",
            "deer",
            "dog",
            "frog",
            "horse",
            "ship",
            "truck",
        ),
        ("https://www.cs.toronto.edu/~kriz/", "http://www.cs.toronto.edu/~kriz/"),
        ("cifar-10-batches-bin", "cifar10/cifar-10-batches-bin"),
        (_CIFAR,),
        (_CIFAR,),
    ),
}

# Collections whose files bear the same names are told apart by their labels, or else by their
# images: sha256 of the unpacked file, md5 of the packed one where that is all that was published.
OWNERS = {
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5": "mnist",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2": "mnist",
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db": "mnist",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7": "mnist",
    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9": "fashion-mnist",
    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34": "fashion-mnist",
    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888": "fashion-mnist",
    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b": "fashion-mnist",
    **{
        remote.digest.removeprefix("md5:"): "kmnist"
        for remote in (*CATALOGUE["kmnist"].train, *CATALOGUE["kmnist"].test)
    },
}
