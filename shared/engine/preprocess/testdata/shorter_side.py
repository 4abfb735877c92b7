"""Writes the pictures of the folder shorter-side, each with what Resize and CenterCrop of
torchvision make of it, and cases.json, which lists them: `python shorter_side.py`, with
numpy 2.4.6 and Pillow 13.0.0 of PyPI.

torchvision resizes pictures of Pillow with Pillow. What it adds are the sizes and the
places, which are computed here as there: in _compute_resized_output_size of
torchvision/transforms/functional.py, and in _center_crop_compute_crop_anchor of
torchvision/transforms/v2/functional/_geometry.py."""

import json
import pathlib

import numpy as np
from PIL import Image

FOLDER = pathlib.Path(__file__).parent / "shorter-side"
# Name, width and height of the picture, how it is saved, the shorter side, and width and
# height of the crop.
CASES = [
    ("wide.png", 97, 64, {}, 32, 28, 28),
    ("tall.png", 64, 97, {}, 32, 28, 28),
    ("odd.png", 131, 87, {}, 37, 31, 29),
    ("grown.png", 20, 15, {}, 48, 40, 44),
    ("unscaled.png", 61, 40, {}, 40, 32, 32),
    ("thin.png", 300, 9, {}, 32, 28, 28),
    ("averaged.png", 301, 211, {}, 36, 32, 32),
    ("uncropped.png", 90, 90, {}, 32, 32, 32),
    ("wide.jpg", 320, 240, {"quality": 90}, 64, 56, 56),
    ("full-chroma.jpg", 241, 307, {"quality": 90, "subsampling": 0}, 36, 32, 32),
    ("averaged.jpg", 640, 427, {"quality": 75}, 36, 32, 32),
    ("grown.jpg", 40, 30, {"quality": 90, "subsampling": 0}, 64, 56, 56),
    ("progressive.jpg", 230, 173, {"quality": 85, "progressive": True}, 36, 32, 32),
]


def scene(width, height):
    """A picture of slopes, rings, an edge and a little noise, in steps of 4 so that it packs well."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    rings = 0.5 + 0.5 * np.cos(60 * np.hypot(x - 0.3, y - 0.4))
    edge = (x + 2 * y > 1.1).astype(float)
    noise = np.random.default_rng(width * height).integers(-8, 9, (height, width, 1))
    out = np.stack([255 * x, 140 * rings + 90 * y, 200 * edge], -1) + noise
    return Image.fromarray((np.clip(out, 0, 255) // 4 * 4).astype(np.uint8))


def resized_size(size, shorter):
    width, height = size
    short, long = sorted(size)
    long = int(shorter * long / short)
    return (shorter, long) if width <= height else (long, shorter)


def resize_and_crop(picture, shorter, width, height):
    picture = picture.resize(resized_size(picture.size, shorter), Image.Resampling.BILINEAR)
    left = int(round((picture.width - width) / 2.0))
    top = int(round((picture.height - height) / 2.0))
    return picture.crop((left, top, left + width, top + height))


def main():
    FOLDER.mkdir(exist_ok=True)
    cases = []
    for name, width, height, saved, shorter, to_width, to_height in CASES:
        scene(width, height).save(FOLDER / name, **saved)
        want = name + ".want.png"
        resize_and_crop(Image.open(FOLDER / name).convert("RGB"), shorter, to_width, to_height).save(FOLDER / want)
        cases.append({"picture": name, "want": want, "spec": {
            "width": to_width, "height": to_height, "channels": 3, "resize": "shorter-side", "shorter_side_px": shorter}})
    (FOLDER / "cases.json").write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    main()
