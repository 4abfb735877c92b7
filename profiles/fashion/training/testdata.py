#!/usr/bin/env python3
"""Write the first test pictures as PNG files, with their labels in labels.csv."""

import argparse
import csv
from pathlib import Path

from PIL import Image

import data

HERE = Path(__file__).resolve().parent


def write(pictures, folder):
    """Write each picture as NNNN-label.png and a row of labels.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("file", "label", "name"))
        for number, (pixels, label) in enumerate(
            zip(pictures.pixels, pictures.labels, strict=True)
        ):
            name = f"{number:04d}-{data.LABELS[label]}.png"
            Image.fromarray(pixels).save(folder / name, optimize=True)
            table.writerow((name, int(label), data.LABELS[label]))


def main():
    """Read the command line and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--out", type=Path, default=HERE.parent / "testdata")
    parser.add_argument("--data", type=Path, default=data.DEFAULT_FOLDER)
    arguments = parser.parse_args()
    pictures = data.test_set(arguments.data)
    write(pictures.subset(slice(arguments.count)), arguments.out)


if __name__ == "__main__":
    main()
