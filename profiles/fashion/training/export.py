"""Export to ONNX with names, shapes and bytes that depend on the weights only."""

import io

import onnx
import torch

OPSET = 17
IR_VERSION = 8


def export(module, path):
    """Write a module as ONNX: `input` [N,1,28,28] to `probabilities` [N,10]."""
    buffer = io.BytesIO()
    torch.onnx.export(
        module.eval().to(memory_format=torch.contiguous_format),
        torch.zeros(2, 1, 28, 28),
        buffer,
        opset_version=OPSET,
        input_names=["input"],
        output_names=["probabilities"],
        dynamic_axes={"input": {0: "N"}, "probabilities": {0: "N"}},
        dynamo=False,
    )
    model = onnx.load_from_string(buffer.getvalue())
    clean(model)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def clean(model):
    """Drop whatever could identify the machine, and pin the format's version."""
    model.ir_version = IR_VERSION
    model.doc_string = ""
    del model.metadata_props[:]
    model.graph.name = "fashion"
    model.graph.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""


def parameters(path):
    """Count the trained numbers an ONNX file holds: its float initializers."""
    floats = (t for t in onnx.load(path).graph.initializer if t.data_type == onnx.TensorProto.FLOAT)
    return sum(onnx.numpy_helper.to_array(tensor).size for tensor in floats)
