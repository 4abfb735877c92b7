"""Fashion-MNIST: reading the files, the validation split, augmentation."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

# Where Debian's package dataset-fashion-mnist installs the files.
DEFAULT_FOLDER = Path("/usr/share/datasets/fashion-mnist")

LABELS = (
    "t-shirt-top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle-boot",
)

VALIDATION_PICTURES = 5_000
SPLIT_SEED = 20_261_123
SIDE = 28


@dataclass(frozen=True)
class Pictures:
    """Gray pictures as uint8 [N,28,28] and their labels as int64 [N]."""

    pixels: np.ndarray
    labels: np.ndarray

    def __len__(self):
        return len(self.labels)

    def subset(self, rows):
        """The pictures in the given rows, in that order."""
        return Pictures(self.pixels[rows], self.labels[rows])


def read_idx(path):
    """Read one gzipped IDX file of unsigned bytes."""
    with gzip.open(path, "rb") as file:
        raw = file.read()
    dimensions = raw[3]
    shape = np.frombuffer(raw, ">u4", dimensions, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def read_set(folder, prefix):
    """Read the pictures and labels of 'train' or 't10k'."""
    pixels = read_idx(Path(folder) / f"{prefix}-images-idx3-ubyte.gz")
    labels = read_idx(Path(folder) / f"{prefix}-labels-idx1-ubyte.gz")
    return Pictures(pixels, labels.astype(np.int64))


def training_and_validation(folder=DEFAULT_FOLDER):
    """Split the 60,000 training pictures into 55,000 and a held-out 5,000."""
    everything = read_set(folder, "train")
    order = np.random.default_rng(SPLIT_SEED).permutation(len(everything))
    return (
        everything.subset(order[VALIDATION_PICTURES:]),
        everything.subset(order[:VALIDATION_PICTURES]),
    )


def test_set(folder=DEFAULT_FOLDER):
    """The 10,000 test pictures. Nothing is ever chosen by them."""
    return read_set(folder, "t10k")


def as_input(pixels):
    """Turn uint8 pictures into the graph's input: float32 [N,1,28,28] in 0..1."""
    return (pixels.astype(np.float32) / np.float32(255))[:, None]


@dataclass(frozen=True)
class Augmentation:
    """How training pictures are varied; zeros leave them as they are."""

    flip: bool = False
    shift: int = 0
    cutout: int = 0

    def apply(self, batch, generator):
        """Vary a float batch [N,1,28,28], each picture by its own draw."""
        if self.flip or self.shift:
            batch = self._move(batch, generator)
        if self.cutout:
            batch = self._cut(batch, generator)
        return batch

    def _move(self, batch, generator):
        """Mirror every second picture or so, and shift by up to `shift` pixels."""
        count, pad = len(batch), self.shift
        padded = torch.nn.functional.pad(batch[:, 0], (pad, pad, pad, pad))
        across = torch.arange(SIDE).repeat(count, 1)
        if self.flip:
            mirrored = torch.rand(count, 1, generator=generator) < 0.5
            across = torch.where(mirrored, SIDE - 1 - across, across)
        rows = torch.arange(SIDE) + self._offsets(count, generator)
        columns = across + self._offsets(count, generator)
        index = rows[:, :, None] * (SIDE + 2 * pad) + columns[:, None, :]
        return padded.flatten(1).gather(1, index.flatten(1)).view(batch.shape)

    def _offsets(self, count, generator):
        return torch.randint(0, 2 * self.shift + 1, (count, 1), generator=generator)

    def _cut(self, batch, generator):
        """Blank one square of `cutout` pixels a side, anywhere in the picture."""
        corner = torch.randint(1 - self.cutout, SIDE, (2, len(batch), 1), generator=generator)
        place = torch.arange(SIDE) - corner
        inside = (place >= 0) & (place < self.cutout)
        square = inside[0][:, :, None] & inside[1][:, None, :]
        return batch.masked_fill(square[:, None], 0.0)
