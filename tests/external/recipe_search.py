"""Compares training recipes of the seed network in PyTorch, on validation folds of MNIST's training set; the test set is not read.

    python3 tests/external/recipe_search.py MNIST_DIR [--seeds 2] [--workers 12] [--recipes base Muon …]

A run is 19 epochs of 55,000 images. Steps are CUDA graphs (several processes share a GPU best under its multi-process service);
without CUDA it works and takes days. Prints errors in 5,000 by recipe: the mean over three folds and the seeds.
docs/TRAINING.md has a table of all of them, from two series of runs by an earlier form of this script.
"""

import argparse
import copy
import dataclasses
import gzip
import math
import os
import pathlib
import tempfile
import time

import numpy as np
import torch
import torch.multiprocessing as processes
import torch.nn.functional as F
from torch import nn

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
VALIDATION = 5_000


@dataclasses.dataclass(frozen=True)
class Recipe:
    rotation: float = 8.0  # degrees
    shift: float = 1.5  # pixels
    scale: float = 0.08
    shear: float = 5.0  # degrees
    elastic: float = 0.0  # pixels, at the points of a grid
    grid: int = 5  # points a side
    muon: bool = False  # for kernels that mix channels; AdamW for the rest
    rate: float = 0.01  # Muon's or AdamW's peak; AdamW beside Muon keeps 0.01
    decay: float = 0.02
    smoothing: float = 0.01
    average: float = 0.998
    batch: int = 128
    epochs: int = 19
    width: int = 1
    teacher: str = ""
    temperature: float = 2.0
    teaching: float = 0.9  # the teacher's part of the loss


STRONG = dict(rotation=12.0, shift=2.0, scale=0.12, shear=10.0)
MUON = dict(muon=True, rate=0.02)
TAUGHT = dict(teacher="wide")
TEACHERS = {"wide": Recipe(width=3, epochs=12, **STRONG)}
RECIPES = {
    "base": Recipe(),
    "weak": Recipe(rotation=6.0, shift=1.0, scale=0.06, shear=4.0),
    "strong": Recipe(**STRONG),
    "elastic 1.5": Recipe(elastic=1.5),
    "elastic 1.5 fine": Recipe(elastic=1.5, grid=8),
    "elastic 2.5": Recipe(elastic=2.5),
    "elastic 1.5 strong": Recipe(elastic=1.5, **STRONG),
    "elastic 1.5, rate 0.02": Recipe(elastic=1.5, rate=0.02),
    "elastic 1.5, batch 64": Recipe(elastic=1.5, batch=64),
    "elastic 1.5, batch 256": Recipe(elastic=1.5, batch=256, rate=0.015),
    "elastic 1.5, no decay": Recipe(elastic=1.5, decay=0.0),
    "elastic 1.5, decay 0.1": Recipe(elastic=1.5, decay=0.1),
    "elastic 1.5, Muon": Recipe(elastic=1.5, **MUON),
    "elastic 1.5, Muon at 0.05": Recipe(elastic=1.5, muon=True, rate=0.05, decay=0.005),
    "rate 0.02": Recipe(rate=0.02),
    "Muon": Recipe(**MUON),
    "Muon strong": Recipe(**MUON, **STRONG),
    "taught, T 2": Recipe(**TAUGHT),
    "taught, T 4": Recipe(temperature=4.0, **TAUGHT),
    "taught, strong": Recipe(**TAUGHT, **STRONG),
    "taught, Muon": Recipe(**TAUGHT, **MUON),
    "taught, Muon strong": Recipe(**TAUGHT, **MUON, **STRONG),
}


class Network(nn.Module):
    def __init__(self, width):
        super().__init__()
        layers, inputs = [], 1
        for channels in (8, 8, 8, "pool", 16, 16, "pool", 32, 32, "pool"):
            if channels == "pool":
                layers.append(nn.MaxPool2d(2))
                continue
            outputs = channels * width
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
            inputs = outputs
        self.features, self.classifier = nn.Sequential(*layers), nn.Conv2d(inputs, 10, 1)

    def forward(self, images):
        return self.classifier(self.features(images)).mean((2, 3))


def augment(images, recipe):
    """One affine and elastic transform an image, in one bilinear resampling."""
    count = len(images)
    within = lambda bound, *shape: bound * (2 * torch.rand(*(shape or (count,)), device=DEVICE) - 1)
    turn, shear = torch.deg2rad(within(recipe.rotation)), torch.tan(torch.deg2rad(within(recipe.shear)))
    zoom = 1 + within(recipe.scale)
    cos, sin = torch.cos(turn), torch.sin(turn)
    right, down = within(recipe.shift / 14), within(recipe.shift / 14)  # the grid runs from -1 to 1
    rows = [cos / zoom, (cos * shear - sin) / zoom, right, sin / zoom, (sin * shear + cos) / zoom, down]
    grid = F.affine_grid(torch.stack(rows, 1).view(count, 2, 3), (count, 1, 28, 28), align_corners=False)
    if recipe.elastic:
        points = within(recipe.elastic / 14, count, 2, recipe.grid, recipe.grid)
        grid = grid + F.interpolate(points, size=(28, 28), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    return F.grid_sample(images, grid, align_corners=False)


def orthogonal(gradient):
    """Five Newton-Schulz steps to the nearest semi-orthogonal matrix."""
    x = gradient.flatten(1)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return (x.T if tall else x).view_as(gradient)


def one_cycle(steps):
    """The learning rate of each step over its peak, as torch.optim.lr_scheduler.OneCycleLR has it."""
    step, peak, first, last = np.arange(steps), 0.3 * steps - 1, 1 / 25, 1 / 25e4
    up = 1 + (first - 1) / 2 * (1 + np.cos(np.pi * step / peak))
    down = last + (1 - last) / 2 * (1 + np.cos(np.pi * (step - peak) / max(steps - 1 - peak, 1)))
    return torch.tensor(np.where(step < peak, up, down), dtype=torch.float32, device=DEVICE)


class Run:
    def __init__(self, recipe, images, labels, seed, teacher):
        torch.manual_seed(seed)
        self.recipe, self.images, self.labels, self.teacher = recipe, images, labels, teacher
        self.steps_an_epoch = len(images) // recipe.batch
        self.network = Network(recipe.width).to(DEVICE)
        self.average = copy.deepcopy(self.network)
        self.parameters = list(self.network.parameters())
        mixes = lambda p: recipe.muon and p.ndim == 4 and p.shape[1] > 1 and p.shape[2] > 1
        self.by_muon = [mixes(p) for p in self.parameters]
        zeros = lambda: [torch.zeros_like(p) for p in self.parameters]
        self.first, self.second = zeros(), zeros()
        self.rates = one_cycle(recipe.epochs * self.steps_an_epoch)
        self.step = torch.zeros((), dtype=torch.long, device=DEVICE)
        self.order = torch.zeros(self.steps_an_epoch * recipe.batch, dtype=torch.long, device=DEVICE)
        self.in_batch = torch.arange(recipe.batch, device=DEVICE)

    def shuffle(self):
        self.order.copy_(torch.randperm(len(self.images), device=DEVICE)[: len(self.order)])

    def advance(self):
        recipe = self.recipe
        indices = self.order[(self.step % self.steps_an_epoch) * recipe.batch + self.in_batch]
        with torch.no_grad():
            images = augment(self.images[indices].float() / 255, recipe)
        logits = self.network(images)
        loss = F.cross_entropy(logits, self.labels[indices], label_smoothing=recipe.smoothing)
        if self.teacher is not None:
            with torch.no_grad():
                taught = F.softmax(self.teacher(images) / recipe.temperature, 1)
            distance = -(taught * F.log_softmax(logits / recipe.temperature, 1)).sum(1).mean()
            loss = (1 - recipe.teaching) * loss + recipe.teaching * recipe.temperature**2 * distance
        gradients = torch.autograd.grad(loss, self.parameters)
        with torch.no_grad():
            self.update(gradients)

    def update(self, gradients):
        recipe, rate, count = self.recipe, self.rates.index_select(0, self.step.view(1)).squeeze(0), (self.step + 1).float()
        for p, gradient, first, second, by_muon in zip(self.parameters, gradients, self.first, self.second, self.by_muon):
            peak = 0.01 if recipe.muon and not by_muon else recipe.rate
            if p.ndim == 4:
                p.mul_(1 - rate * peak * recipe.decay)
            if by_muon:
                first.mul_(0.95).add_(gradient)
                p.sub_(orthogonal(gradient + 0.95 * first) * rate * peak * max(1, p.shape[0] / p[0].numel()) ** 0.5)
                continue
            first.mul_(0.9).add_(gradient, alpha=0.1)
            second.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
            spread = (second / (1 - 0.999**count)).sqrt() + 1e-8
            p.sub_(first / (1 - 0.9**count) / spread * rate * peak)
        keep = torch.clamp((1 + count) / (10 + count), max=recipe.average)
        for mean, new in zip(self.average.state_dict().values(), self.network.state_dict().values()):
            if mean.is_floating_point():
                mean.lerp_(new, 1 - keep)
        self.step.add_(1)

    def captured(self):
        """`advance` as one CUDA graph; what its rehearsals changed is put back."""
        state = [*self.network.state_dict().values(), *self.average.state_dict().values(), *self.first, *self.second, self.step]
        before = [tensor.clone() for tensor in state]
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.advance()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.advance()
        for tensor, value in zip(state, before):
            tensor.detach().copy_(value)
        return graph.replay

    def train(self):
        self.shuffle()
        advance = self.captured() if DEVICE == "cuda" else self.advance
        for _ in range(self.recipe.epochs):
            self.shuffle()
            for _ in range(self.steps_an_epoch):
                advance()
        return self.average.eval()


@torch.no_grad()
def errors(network, images, labels):
    return sum((network(x.float() / 255).argmax(1) != y).sum().item() for x, y in zip(images.split(1000), labels.split(1000)))


def mnist(folder):
    read = lambda name, header: np.frombuffer(gzip.open(pathlib.Path(folder) / name).read(), np.uint8, offset=header)
    images = read("train-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
    labels = read("train-labels-idx1-ubyte.gz", 8).astype(np.int64)
    order = np.random.RandomState(123).permutation(len(images))
    return torch.tensor(images[order]).to(DEVICE), torch.tensor(labels[order]).to(DEVICE)


def work(folder, shelf, jobs, answers):
    torch.set_num_threads(1)
    torch.backends.cudnn.benchmark = True
    images, labels = mnist(folder)
    while job := jobs.get():
        name, recipe, fold, seed = job
        held, rest = slice(fold * VALIDATION, (fold + 1) * VALIDATION), np.r_[: fold * VALIDATION, (fold + 1) * VALIDATION : len(images)]
        teacher = None
        if recipe.teacher:
            path = pathlib.Path(shelf) / f"{recipe.teacher}-{fold}.pt"
            while not path.exists():
                time.sleep(0.2)
            teacher = Network(TEACHERS[recipe.teacher].width).to(DEVICE).eval()
            teacher.load_state_dict(torch.load(path, map_location=DEVICE))
        network = Run(recipe, images[rest], labels[rest], 1000 * seed + fold, teacher).train()
        if name in TEACHERS:
            whole = pathlib.Path(shelf) / f"{name}-{fold}.pt"
            torch.save(network.state_dict(), whole.with_suffix(".part"))
            os.rename(whole.with_suffix(".part"), whole)
        answers.put((name, errors(network, images[held], labels[held])))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("mnist", help="the folder with MNIST's training images and labels")
    arguments.add_argument("--seeds", type=int, default=2)
    arguments.add_argument("--workers", type=int, default=12)
    arguments.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=list(RECIPES), metavar="NAME", help="all by default")
    arguments = arguments.parse_args()
    chosen = {name: RECIPES[name] for name in arguments.recipes}
    needed = {name: TEACHERS[name] for name in {recipe.teacher for recipe in chosen.values()} if name}
    plan = [(name, recipe, fold, 9) for name, recipe in needed.items() for fold in range(3)]
    plan += [(name, recipe, fold, seed) for seed in range(1, arguments.seeds + 1) for name, recipe in chosen.items() for fold in range(3)]
    processes.set_start_method("spawn")
    jobs, answers, found = processes.Queue(), processes.Queue(), {}
    for job in plan + [None] * arguments.workers:
        jobs.put(job)
    with tempfile.TemporaryDirectory() as shelf:
        workers = [processes.Process(target=work, args=(arguments.mnist, shelf, jobs, answers), daemon=True) for _ in range(arguments.workers)]
        for worker in workers:
            worker.start()
        for done in range(1, len(plan) + 1):
            name, wrong = answers.get()
            found.setdefault(name, []).append(wrong)
            print(f"{done}/{len(plan)} {name}: {wrong}", flush=True)
    print("| recipe | runs | errors in 5,000 | validation |\n| --- | --: | --: | --: |")
    for name, wrong in sorted(found.items(), key=lambda item: np.mean(item[1])):
        print(f"| {name} | {len(wrong)} | {np.mean(wrong):.1f} | {100 * (1 - np.mean(wrong) / VALIDATION):.2f} % |")


if __name__ == "__main__":
    main()
