"""EfficientNet-Lite as an ONNX graph, with batch normalization folded into the
convolutions, and the normalization of pixels and the softmax inside.

The architecture is that of Tan and Le, "EfficientNet" (2019), in its Lite form:
no squeeze-and-excitation, ReLU6, and stem and head of fixed width."""

import math

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Of each version: how much wider and deeper than Lite 0 it is, and the side of
# its input in pixels.
VERSIONS = {"0": (1.0, 1.0, 224), "1": (1.0, 1.1, 240), "2": (1.1, 1.2, 260)}

# A row a stage: repeats, kernel, stride, expansion, channels in, channels out.
STAGES = [
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
]
STEM_CHANNELS = 32
BATCH_NORM_EPSILON = 1e-3
PIXEL_MEAN, PIXEL_STD = 127 / 255, 128 / 255  # of pixels within 0 to 1


def widened(channels, width):
    """Channels in a wider net: the nearest multiple of 8, not below 0.9 of the exact number."""
    exact = channels * width
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * exact else rounded


class Graph:
    """A graph that is being built from weights by name."""

    def __init__(self, weights):
        self.weights, self.nodes, self.constants, self.convolutions = weights, [], [], 0

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def convolution(self, x, name, norm, kernel, stride, side, groups=1, relu6=True):
        """Adds a convolution with its batch normalization folded in, padded as
        TensorFlow's SAME. Returns its output and that one's side in pixels."""
        scale, shift, mean, variance = (
            self.weights[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = scale / np.sqrt(variance + BATCH_NORM_EPSILON)
        self.convolutions += 1
        n = self.convolutions
        weight = self.constant(f"w{n}", self.weights[name + ".weight"] * scale[:, None, None, None])
        bias = self.constant(f"b{n}", shift - mean * scale)
        after = math.ceil(side / stride)
        padding = max((after - 1) * stride + kernel - side, 0)
        before = padding // 2
        y = self.node("Conv", [x, weight, bias], f"c{n}", kernel_shape=[kernel, kernel], strides=[stride, stride],
                      pads=[before, before, padding - before, padding - before], group=groups)
        if relu6:
            y = self.node("Clip", [y, "zero", "six"], y + "r")
        return y, after

    def block(self, x, index, kernel, stride, expansion, channels_in, channels_out, side):
        """Adds a mobile inverted bottleneck."""
        name, y = f"_blocks.{index}", x
        if expansion != 1:
            y, side = self.convolution(y, name + "._expand_conv", name + "._bn0", 1, 1, side)
        y, side = self.convolution(y, name + "._depthwise_conv", name + "._bn1", kernel, stride, side,
                                   groups=channels_in * expansion)
        y, side = self.convolution(y, name + "._project_conv", name + "._bn2", 1, 1, side, relu6=False)
        if stride == 1 and channels_in == channels_out:
            y = self.node("Add", [y, x], y + "s")
        return y, side

    def stages(self, x, side, width, depth):
        """Adds all blocks. Returns the output, its side and the number of blocks."""
        index = 0
        for stage, (repeats, kernel, stride, expansion, channels_in, channels_out) in enumerate(STAGES):
            edge = stage in (0, len(STAGES) - 1)  # neither the first nor the last stage is deepened
            channels_in = STEM_CHANNELS if stage == 0 else widened(channels_in, width)
            channels_out = widened(channels_out, width)
            for repeat in range(repeats if edge else math.ceil(depth * repeats)):
                first = repeat == 0
                x, side = self.block(x, index, kernel, stride if first else 1, expansion,
                                     channels_in if first else channels_out, channels_out, side)
                index += 1
        return x, side, index


def build(version, weights):
    """Returns the ONNX model of a version: "input" [N, 3, side, side] of pixels
    within 0 to 1, RGB, to "probabilities" [N, 1000]."""
    width, depth, side = VERSIONS[version]
    g = Graph(weights)
    for name, value in (("zero", 0), ("six", 6), ("mean", PIXEL_MEAN), ("std", PIXEL_STD)):
        g.constant(name, np.float32(value))
    x = g.node("Div", [g.node("Sub", ["input", "mean"], "centred"), "std"], "scaled")
    x, at = g.convolution(x, "_conv_stem", "_bn0", 3, 2, side)
    x, at, blocks = g.stages(x, at, width, depth)
    held = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("_blocks"))
    if blocks != held:
        raise ValueError(f"lite{version} has {blocks} blocks, its weights are of {held}")
    x, _ = g.convolution(x, "_conv_head", "_bn1", 1, 1, at)
    x = g.node("Flatten", [g.node("GlobalAveragePool", [x], "pooled")], "features")
    classes = [g.constant("classes_w", weights["_fc.weight"]), g.constant("classes_b", weights["_fc.bias"])]
    g.node("Softmax", [g.node("Gemm", [x, *classes], "logits", transB=1)], "probabilities", axis=1)
    signature = [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, side, side])], [
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 1000])]
    graph = helper.make_graph(g.nodes, f"efficientnet-lite{version}", *signature, g.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model
