#!/usr/bin/env python3
"""Train the fashion models and export them to ONNX.

Every model has its own seed and a fixed recipe, and the last weights are kept,
so nothing here looks at the test set. `measure.py` measures what was exported.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

import data
import nets
from data import Augmentation
from export import export

HERE = Path(__file__).resolve().parent
FULL = Augmentation(flip=True, shift=2, cutout=8)
LIGHT = Augmentation(flip=True, shift=1)
EVALUATION_BATCH = 500


@dataclass(frozen=True)
class Recipe:
    """How one network is trained."""

    network: Callable[[], nn.Module]
    seed: int
    epochs: int
    rate: float = 0.2
    batch: int = 256
    decay: float = 5e-4
    smoothing: float = 0.1
    augmentation: Augmentation = FULL
    bfloat16: bool = True


RECIPES = {
    "logistic": Recipe(
        nets.logistic,
        1,
        15,
        rate=0.02,
        decay=1e-4,
        smoothing=0.0,
        augmentation=Augmentation(),
        bfloat16=False,
    ),
    "mlp": Recipe(
        nets.mlp,
        2,
        30,
        rate=0.1,
        decay=2e-4,
        augmentation=Augmentation(flip=True),
        bfloat16=False,
    ),
    "cnn-small": Recipe(nets.cnn_small, 3, 20, augmentation=LIGHT, bfloat16=False),
    "cnn": Recipe(nets.cnn, 4, 8, augmentation=LIGHT),
    "resnet-8": Recipe(nets.resnet_8, 5, 16),
    "mobilenet": Recipe(nets.mobilenet, 6, 10, augmentation=LIGHT, decay=2e-4, bfloat16=False),
    "resnet-20": Recipe(nets.resnet_20, 7, 6, augmentation=LIGHT),
    "resnet-wide": Recipe(nets.resnet_wide, 8, 10),
    # Trained for the ensemble only and not shipped by itself.
    "resnet-wide-second": Recipe(nets.resnet_wide, 9, 7),
}
# Ensembles of trained networks; each member also sees the mirrored picture.
MIXTURES = {
    "ensemble-flip": ("resnet-20", "resnet-wide"),
    "ensemble-three": ("resnet-20", "resnet-wide", "resnet-wide-second"),
}
MEMBERS_ONLY = {"resnet-wide-second"}


class Trainer:
    """One training run: a network, its optimizer and its averaged weights."""

    def __init__(self, recipe, pictures):
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.inputs = torch.from_numpy(data.as_input(pictures.pixels))
        self.labels = torch.from_numpy(pictures.labels)
        self.network = recipe.network().to(memory_format=torch.channels_last)
        self.average = AveragedModel(
            self.network, multi_avg_fn=get_ema_multi_avg_fn(0.99), use_buffers=True
        )
        self.loss = nn.CrossEntropyLoss(label_smoothing=recipe.smoothing)
        self.steps = len(self.labels) // recipe.batch
        self.optimizer = torch.optim.SGD(
            self.network.parameters(), recipe.rate, 0.9, weight_decay=recipe.decay, nesterov=True
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            recipe.rate,
            total_steps=self.steps * recipe.epochs,
            pct_start=0.2,
            cycle_momentum=False,
        )

    def run(self, title):
        """Train for all epochs and give the averaged network."""
        with tqdm(total=self.steps * self.recipe.epochs, desc=title, mininterval=1) as bar:
            for _ in range(self.recipe.epochs):
                self.epoch(bar)
        return self.average.module.eval()

    def epoch(self, bar):
        """See every training picture once, in a new order."""
        self.network.train()
        order = torch.randperm(len(self.labels), generator=self.generator)
        for step in range(self.steps):
            rows = order[step * self.recipe.batch :][: self.recipe.batch]
            loss = self.step(self.inputs[rows], self.labels[rows])
            bar.update()
            if step % 20 == 0:
                bar.set_postfix(loss=f"{loss:.3f}", refresh=False)

    def step(self, inputs, labels):
        """One step of gradient descent; returns the loss before it."""
        inputs = self.recipe.augmentation.apply(inputs, self.generator)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.bfloat16):
            scores = self.network(inputs)
        loss = self.loss(scores.float(), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.average.update_parameters(self.network)
        return loss.item()


@torch.no_grad()
def correct(network, pictures):
    """How many pictures the network gets right, in 32-bit floats."""
    inputs = torch.from_numpy(data.as_input(pictures.pixels)).split(EVALUATION_BATCH)
    labels = torch.from_numpy(pictures.labels).split(EVALUATION_BATCH)
    return sum(
        int((network(part).argmax(1) == truth).sum())
        for part, truth in zip(inputs, labels, strict=True)
    )


def train(name, arguments):
    """Train one network, keep its weights and facts, and export it."""
    recipe = RECIPES[name]
    training, validation = data.training_and_validation(arguments.data)
    began, began_cpu = time.perf_counter(), time.process_time()
    network = Trainer(recipe, training).run(name)
    facts = {
        "training_seconds": round(time.perf_counter() - began, 1),
        "training_cpu_seconds": round(time.process_time() - began_cpu, 1),
        "epochs": recipe.epochs,
        "seed": recipe.seed,
        "torch": torch.__version__.split("+")[0],
        "torch_threads": torch.get_num_threads(),
    }
    torch.save(network.state_dict(), arguments.state / f"{name}.pt")
    (arguments.state / f"{name}.json").write_text(json.dumps(facts, indent=2) + "\n")
    right = correct(network, validation)
    tqdm.write(f"{name}: {right} of {len(validation)} validation pictures")
    if name not in MEMBERS_ONLY:
        export(nets.Classifier(network), arguments.out / f"{name}.onnx")


def load(name, state):
    """A trained network from the state folder."""
    network = RECIPES[name].network()
    network.load_state_dict(torch.load(state / f"{name}.pt", weights_only=True))
    return network.eval()


def mix(name, arguments):
    """Export an ensemble of networks that are trained already."""
    members = MIXTURES[name]
    networks = [load(member, arguments.state) for member in members]
    export(nets.Ensemble(networks).eval(), arguments.out / f"{name}.onnx")
    tqdm.write(f"{name}: exported from {', '.join(members)}")


def parse():
    """Read the command line."""
    names = [*RECIPES, *MIXTURES]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only",
        nargs="+",
        choices=names,
        default=names,
        metavar="NAME",
        help=f"train only these: {', '.join(names)}",
    )
    parser.add_argument("--out", type=Path, default=HERE.parent, help="where the ONNX files go")
    parser.add_argument(
        "--state",
        type=Path,
        default=HERE / "state",
        help="where weights and facts of the training are kept",
    )
    parser.add_argument(
        "--data", type=Path, default=data.DEFAULT_FOLDER, help="folder with the four IDX files"
    )
    parser.add_argument("--threads", type=int, default=0, help="threads, 0 for torch's choice")
    return parser.parse_args()


def main():
    """Train and export in the order of the tables above."""
    arguments = parse()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    for folder in (arguments.out, arguments.state):
        folder.mkdir(parents=True, exist_ok=True)
    for name in arguments.only:
        mix(name, arguments) if name in MIXTURES else train(name, arguments)


if __name__ == "__main__":
    main()
