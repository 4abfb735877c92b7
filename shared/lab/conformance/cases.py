"""Writes the test cases of PyPI's onnx package, and whether Python's ONNX Runtime
passes them: `python cases.py FILE`, in an environment with requirements.txt.

Each line of FILE is a case as JSON: its name and kind, the path of its model, the
tolerances of its comparison, why ONNX Runtime does not pass it (empty when it does),
and its sets of inputs and expected outputs. A tensor is a name, a datatype by the
Open Inference Protocol, a shape, and little-endian bytes as base64, with each string
behind its length in four bytes. What is no such tensor is {"name", "other"}.

A case passes as onnx.backend.test.runner says: each output has the expected shape and
datatype, and its numbers are within rtol and atol."""

import base64
import glob
import json
import os
import struct
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from onnx.backend.test.case.model import collect_testcases
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import Runner

DATATYPES = {
    "bool": "BOOL", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64",
    "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64",
    "float16": "FP16", "bfloat16": "BF16", "float32": "FP32", "float64": "FP64",
}  # fmt: skip
KINDS = ["node", "simple", "pytorch-converted", "pytorch-operator"]
PACKAGE = os.path.dirname(onnx.__file__)


def parse(path, type_proto):
    """A value that the package ships, by the type that the model says."""
    with open(path, "rb") as f:
        raw = f.read()
    for field, message, convert in (
        ("sequence_type", onnx.SequenceProto, numpy_helper.to_list),
        ("optional_type", onnx.OptionalProto, numpy_helper.to_optional),
        ("tensor_type", onnx.TensorProto, numpy_helper.to_array),
    ):
        if type_proto.HasField(field):
            value = message()
            value.ParseFromString(raw)
            return convert(value)
    raise TypeError(f"{path} is neither a tensor, a sequence nor an optional")


def values(folder, side, ports):
    count = len(glob.glob(os.path.join(folder, f"{side}_*.pb")))
    return [parse(os.path.join(folder, f"{side}_{i}.pb"), ports[i].type) for i in range(count)]


def sets_of(case, model):
    """The inputs and expected outputs of a case."""
    weights = {w.name for w in model.graph.initializer}
    if case.url:  # a net with constant weights, whose input the package generates
        prefix = os.path.splitext(path_of(case))[0]
        inputs = [Runner.generate_dummy_data(x) for x in model.graph.input if x.name not in weights]
        outputs = [parse(f"{prefix}_output_{i}.pb", x.type) for i, x in enumerate(model.graph.output)]
        return [(inputs, outputs)]
    folders = sorted(glob.glob(os.path.join(case.model_dir, "test_data_set*")))
    return [(values(f, "input", model.graph.input), values(f, "output", model.graph.output)) for f in folders]


def path_of(case):
    return os.path.join(os.path.dirname(PACKAGE), case.url) if case.url else os.path.join(case.model_dir, "model.onnx")


def encode(name, value):
    """A value as the Go side reads it."""
    if not isinstance(value, (np.ndarray, np.generic)):
        return {"name": name, "other": "nothing" if value is None else type(value).__name__}
    value = np.asarray(value)
    if value.dtype == object or value.dtype.kind in "US":
        texts = [x if isinstance(x, bytes) else str(x).encode() for x in value.flatten()]
        data, datatype = b"".join(struct.pack("<I", len(x)) + x for x in texts), "BYTES"
    elif str(value.dtype) in DATATYPES:
        data, datatype = np.ascontiguousarray(value).tobytes(), DATATYPES[str(value.dtype)]
    else:
        return {"name": name, "other": str(value.dtype)}
    return {"name": name, "datatype": datatype, "shape": list(value.shape), "data": base64.b64encode(data).decode()}


def python_fails(case, model, sets):
    """Why Python's ONNX Runtime does not pass a case, empty when it does."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(path_of(case), options, providers=["CPUExecutionProvider"])
        for inputs, expected in sets:
            # As Runner does: inputs in the order of the graph, without those that are left out.
            got = session.run(None, dict(zip([x.name for x in session.get_inputs()], inputs)))
            Runner.assert_similar_outputs(expected, got, case.rtol, case.atol)
    except Exception as e:  # the library raises many kinds
        return " ".join(str(e).split())[:200] or type(e).__name__
    return ""


def read(case):
    """One case as a line of the file."""
    out = {"name": case.name, "kind": case.kind, "model": path_of(case), "rtol": case.rtol, "atol": case.atol, "sets": []}
    model = onnx.load(path_of(case))
    sets = sets_of(case, model)
    weights = {w.name for w in model.graph.initializer} if case.url else {}
    given = [x for x in model.graph.input if x.name not in weights]
    out["python"] = python_fails(case, model, sets)
    for inputs, outputs in sets:
        out["sets"].append({
            "inputs": [encode(x.name, v) for x, v in zip(given, inputs)],
            "outputs": [encode(x.name, v) for x, v in zip(model.graph.output, outputs)],
        })  # fmt: skip
    return json.dumps(out)


def main(path):
    cases = [c for kind in KINDS for c in load_model_tests(kind=kind)] + [c for c in collect_testcases() if c.url]
    cases.sort(key=lambda c: (c.kind, c.name))
    print(f"{len(cases)} cases of onnx {onnx.__version__} by onnxruntime {onnxruntime.__version__}", file=sys.stderr)
    with open(path + ".new", "w") as out:
        for case in cases:
            out.write(read(case) + "\n")
    os.replace(path + ".new", path)


if __name__ == "__main__":
    main(sys.argv[1])
