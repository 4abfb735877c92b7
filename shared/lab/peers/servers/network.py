"""The network that every Python server here serves, as each of their users would
write it: one ONNX Runtime session a process with one thread a run, pictures by
Pillow. PEER_NETWORK names a JSON file with what to serve."""

import io
import json
import os

import numpy as np
import onnxruntime
from PIL import Image

WORKERS = os.cpu_count()


class Network:
    """A loaded network."""

    def __init__(self):
        with open(os.environ["PEER_NETWORK"], encoding="utf-8") as file:
            self.about = json.load(file)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(self.about["file"], options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name
        self.shape = (1, self.about["channels"], self.about["height"], self.about["width"])
        self.run(np.zeros(self.shape, np.float32))  # the first run is slower

    def run(self, pixels):
        return self.session.run(None, {self.input: pixels})[0][0]

    def tensor(self, body):
        """Scores of a raw float32 tensor, as raw float32."""
        return self.run(np.frombuffer(body, np.float32).reshape(self.shape)).tobytes()

    def picture(self, body):
        """The best five classes of an encoded picture, the best first."""
        scores = self.run(self.pixels(body))
        best = np.argsort(scores)[: -6 : -1]
        return {"top": [{"index": int(i), "label": self.about["labels"][i], "score": float(scores[i])} for i in best]}

    def pixels(self, body):
        picture = Image.open(io.BytesIO(body)).convert("RGB" if self.about["channels"] == 3 else "L")
        box = None
        if self.about["resize"] == "shorter-side":  # Resize and CenterCrop of torchvision in one step
            shorter = self.about["shorter_side_px"]
            edge = min(picture.size)
            whole = [shorter * side // edge for side in picture.size]
            left, top = (round((a - b) / 2) for a, b in zip(whole, (self.about["width"], self.about["height"])))
            across, down = picture.width / whole[0], picture.height / whole[1]
            box = (left * across, top * down, (left + self.about["width"]) * across, (top + self.about["height"]) * down)
        if self.about["resize"] == "cover":  # the middle, in the network's proportions
            edge = min(picture.width / self.about["width"], picture.height / self.about["height"])
            width, height = edge * self.about["width"], edge * self.about["height"]
            left, top = (picture.width - width) / 2, (picture.height - height) / 2
            box = (left, top, left + width, top + height)
        if box or picture.size != (self.about["width"], self.about["height"]):
            picture = picture.resize((self.about["width"], self.about["height"]), Image.BILINEAR, box=box)
        pixels = np.asarray(picture, np.float32) / np.float32(255)
        return np.ascontiguousarray(pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1)[None])
