"""Reads the weights of a torch file in the format before zip, without torch.

Such a file is three pickles (magic number, protocol version, machine), a pickle
of the tensors with their storages left out, a pickle of the storages' keys, and
then each storage: its length in elements, eight bytes, and its bytes."""

import collections
import pickle
import struct

import numpy as np

TYPES = {"FloatStorage": np.float32, "LongStorage": np.int64, "IntStorage": np.int32}


class Storage:
    """The elements of some tensors; they come at the end of the file."""

    def __init__(self, dtype):
        self.dtype, self.elements = np.dtype(dtype), None


class Tensor:
    """A view of a storage: offset, sizes and strides in elements."""

    def __init__(self, storage, offset, size, stride, *_):
        self.storage, self.offset, self.size, self.stride = storage, offset, size, stride

    def array(self):
        flat = self.storage.elements[self.offset :]
        strides = [s * flat.itemsize for s in self.stride]
        return np.lib.stride_tricks.as_strided(flat, self.size, strides).copy()


class Reader(pickle.Unpickler):
    """An unpickler that knows tensors alone: whatever else a file names is refused."""

    def __init__(self, file, storages):
        super().__init__(file)
        self.storages = storages

    def find_class(self, module, name):
        if name in TYPES:
            return name
        if name in ("_rebuild_tensor", "_rebuild_tensor_v2"):
            return Tensor
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a file of weights")

    def persistent_load(self, pid):
        _, kind, key, *_ = pid
        return self.storages.setdefault(key, Storage(TYPES[kind]))


def load(path):
    """Returns the arrays of a file of weights by name."""
    storages = {}
    with open(path, "rb") as file:
        for _ in range(3):
            Reader(file, storages).load()
        tensors = Reader(file, storages).load()
        for key in Reader(file, storages).load():
            (length,) = struct.unpack("<q", file.read(8))
            storage = storages[key]
            storage.elements = np.frombuffer(file.read(length * storage.dtype.itemsize), storage.dtype)
    return {name: tensor.array() for name, tensor in tensors.items()}
