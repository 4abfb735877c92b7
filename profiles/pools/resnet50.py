"""Writes a network of the shape of ResNet-50 (25.6 million parameters, 102 MB):
`python resnet50.py FILE.onnx`, in an environment with the package onnx.

The weights are random, so its labels mean nothing. It is for trying how a
network of this size is served."""

import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Channels, blocks and stride of the four stages.
STAGES = (64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)
CLASSES = 1000

random = np.random.default_rng(1)
nodes, weights = [], []


def weight(*shape):
    """A tensor whose outputs have about the variance of its inputs; zeros for a bias."""
    name = f"w{len(weights)}"
    values = np.zeros(shape) if len(shape) == 1 else random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
    weights.append(numpy_helper.from_array(values.astype(np.float32), name))
    return name


def apply(operator, *inputs, **attributes):
    output = f"x{len(nodes)}"
    nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
    return output


def convolve(x, before, after, size, stride):
    return apply("Conv", x, weight(after, before, size, size), weight(after), kernel_shape=[size, size], strides=[stride, stride], pads=[size // 2] * 4)


def block(x, before, channels, stride):
    y = apply("Relu", convolve(x, before, channels, 1, 1))
    y = apply("Relu", convolve(y, channels, channels, 3, stride))
    y = convolve(y, channels, 4 * channels, 1, 1)
    if before != 4 * channels:
        x = convolve(x, before, 4 * channels, 1, stride)
    return apply("Relu", apply("Add", x, y))


x = apply("Relu", convolve("image", 3, 64, 7, 2))
x, before = apply("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4), 64
for channels, blocks, stride in STAGES:
    for i in range(blocks):
        x, before = block(x, before, channels, stride if i == 0 else 1), 4 * channels
x = apply("Flatten", apply("GlobalAveragePool", x))
x = apply("Gemm", x, weight(CLASSES, before), weight(CLASSES), transB=1)
nodes.append(helper.make_node("Softmax", [x], ["probabilities"]))
graph = helper.make_graph(
    nodes, "resnet50",
    [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 224, 224])],
    [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", CLASSES])],
    weights)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, sys.argv[1])
