#!/usr/bin/env python3
"""Measure the exported models with ONNX Runtime and write accuracy.json.

One thread, one picture at a time, input pixel / 255: as the product runs them.
"""

import argparse
import datetime
import hashlib
import json
import os
import platform
import time
from pathlib import Path

import numpy as np
import onnxruntime
from tqdm import tqdm

import data
from export import OPSET, parameters
from train import HERE, MEMBERS_ONLY, MIXTURES, RECIPES

NAMES = [name for name in (*RECIPES, *MIXTURES) if name not in MEMBERS_ONLY]
WARM_UP = 200
# A picture whose two best classes are this close could fall either way on
# another processor, where the library picks other kernels.
NEAR_TIE = 1e-5


def session(path):
    """Open a model with one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def classify(model, inputs, title):
    """Probabilities [N,10] of all pictures, one at a time."""
    return np.concatenate(
        [model.run(None, {"input": inputs[i : i + 1]})[0] for i in tqdm(range(len(inputs)), title)]
    )


def score(probabilities, labels):
    """Exact number of pictures that are right."""
    return {"correct": int((probabilities.argmax(1) == labels).sum()), "total": len(labels)}


def margins(probabilities):
    """How far the best class is ahead of the second, per picture."""
    ordered = np.sort(probabilities, axis=1)
    return ordered[:, -1] - ordered[:, -2]


def latency(model, inputs, seconds):
    """Percentiles in ms of single runs, measured around the library's call."""
    for i in range(WARM_UP):
        model.run(None, {"input": inputs[i : i + 1]})
    samples, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        picture = inputs[len(samples) % len(inputs)][None]
        began = time.perf_counter_ns()
        model.run(None, {"input": picture})
        samples.append(time.perf_counter_ns() - began)
    p50, p95, p99 = (np.percentile(samples, (50, 95, 99)) / 1e6).tolist()
    return {
        "p50": round(p50, 4),
        "p95": round(p95, 4),
        "p99": round(p99, 4),
        "samples": len(samples),
    }


def training_facts(name, state, before):
    """What training recorded, or what the last accuracy.json says of it."""
    members = MIXTURES.get(name, (name,))
    files = [state / f"{member}.json" for member in members]
    if not all(file.exists() for file in files):
        return before.get("training")
    facts = [json.loads(file.read_text()) for file in files]
    if name in RECIPES:
        return facts[0]
    return {
        "members": list(members),
        "mirrored": True,
        "training_seconds": round(sum(fact["training_seconds"] for fact in facts), 1),
        "training_cpu_seconds": round(sum(fact["training_cpu_seconds"] for fact in facts), 1),
        "epochs": [fact["epochs"] for fact in facts],
        "seed": [fact["seed"] for fact in facts],
        "torch": facts[0]["torch"],
        "torch_threads": facts[0]["torch_threads"],
    }


def keep_predictions(path, classes):
    """Write the class of each test picture as a digit, a hundred on a line."""
    digits = "".join(map(str, classes))
    lines = (digits[i : i + 100] + "\n" for i in range(0, len(digits), 100))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines))


def measure(name, arguments, sets, before):
    """One row of accuracy.json."""
    path = arguments.models / f"{name}.onnx"
    model = session(path)
    (validation, test), seconds = sets, arguments.seconds
    timing = latency(model, data.as_input(test.pixels), seconds)
    held_out = classify(model, data.as_input(validation.pixels), f"{name} validation")
    tested = classify(model, data.as_input(test.pixels), f"{name} test")
    keep_predictions(HERE / "predictions" / f"{name}.txt", tested.argmax(1))
    return {
        "name": name,
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "bytes": path.stat().st_size,
        "parameters": parameters(path),
        "training": training_facts(name, arguments.state, before),
        "validation": score(held_out, validation.labels),
        "test": score(tested, test.labels),
        "test_accuracy": score(tested, test.labels)["correct"] / len(test),
        "smallest_test_margin": float(f"{margins(tested).min():.3g}"),
        "test_near_ties": int((margins(tested) < NEAR_TIE).sum()),
        "latency_ms": timing,
        "measured": conditions(),
    }


def measure_again(name, arguments, sets, row):
    """A row whose latency alone is measured again."""
    model = session(arguments.models / row["file"])
    timing = latency(model, data.as_input(sets[1].pixels), arguments.seconds)
    return {**row, "latency_ms": timing, "measured": conditions()}


def conditions():
    """When, on what and with what a row was measured."""
    return {
        "date": datetime.date.today().isoformat(),
        "hardware": hardware(),
        "load_average": round(os.getloadavg()[0], 1),
        "onnxruntime": onnxruntime.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def hardware():
    """The processor in words."""
    facts = dict(
        map(str.strip, line.split(":", 1))
        for line in Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    )
    flags = facts.get("flags", "").split()
    wide = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_tile") if flag in flags]
    return (
        f"{facts.get('model name', platform.processor())}"
        f" (family {facts.get('cpu family')}, model {facts.get('model')}),"
        f" {os.cpu_count()} cores, {' '.join(wide)}, no GPU"
    )


def report(rows):
    """The whole of accuracy.json."""
    return {
        "dataset": "Fashion-MNIST",
        "test_pictures": "the 10,000 of t10k, none used in training or selection",
        "validation_pictures": "5,000 held out of the 60,000 of train",
        "method": "ONNX Runtime CPU, float32 input pixel/255, one thread, batch 1,"
        " class by argmax; latency around the Python call",
        "near_tie": NEAR_TIE,
        "opset": OPSET,
        "models": rows,
    }


def parse():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only",
        nargs="+",
        choices=NAMES,
        default=NAMES,
        metavar="NAME",
        help=f"measure only these, keep other rows: {', '.join(NAMES)}",
    )
    parser.add_argument("--models", type=Path, default=HERE.parent, help="where the ONNX files are")
    parser.add_argument(
        "--state", type=Path, default=HERE / "state", help="where train.py kept its facts"
    )
    parser.add_argument(
        "--data", type=Path, default=data.DEFAULT_FOLDER, help="folder with the four IDX files"
    )
    parser.add_argument("--seconds", type=float, default=10, help="of latency samples per model")
    parser.add_argument(
        "--latency-only", action="store_true", help="keep the counts of models measured before"
    )
    return parser.parse_args()


def main():
    """Measure, print a line a model, and update accuracy.json."""
    arguments = parse()
    path = arguments.models / "accuracy.json"
    rows = {}
    if path.exists():
        rows = {row["name"]: row for row in json.loads(path.read_text())["models"]}
    sets = data.training_and_validation(arguments.data)[1], data.test_set(arguments.data)
    for name in arguments.only:
        again = arguments.latency_only and name in rows
        work = measure_again if again else measure
        row = work(name, arguments, sets, rows.get(name, {}))
        rows[name] = row
        print(name, row["validation"], row["test"], row["latency_ms"])
        ordered = [rows[known] for known in NAMES if known in rows]
        path.write_text(json.dumps(report(ordered), indent=2) + "\n")


if __name__ == "__main__":
    main()
