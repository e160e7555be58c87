#!/usr/bin/env python3
"""How long an epoch takes: `train` and PyTorch side by side on this machine.

    cargo build --release --bin train
    python3 tests/external/train_speed.py --train target/release/train --data FOLDER

The same work on both sides: the seed network, batches of 128 images of FOLDER (MNIST's four IDX files, .gz or not), each image turned, sheared, scaled
and shifted at random in one bilinear resampling, label smoothing, AdamW that decays kernels only, one-cycle learning rates, a moving average of weights
and running statistics. Both sides have AdamW for all parameters, which `train` has for some. Both are bound to as many processors as they have
threads. They take turns; of each side's epochs the fastest counts.
Needs numpy and torch (any 2.x), and says "skipped" without them.
"""

import argparse
import gzip
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

try:
    import numpy as np
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(0)

BATCH = 128
# Of MNIST, after one in twelve is held back.
EPOCH = 55_000
# Degrees, pixels, part of the size, degrees: as in train's default recipe.
ROTATION, SHIFT, SCALE, SHEAR = 8.0, 1.5, 0.08, 5.0


def network():
    """The seed network: models/src/mnist_cnn.rs."""
    layers, channels = [], 1
    for outputs, pool in [(8, 0), (8, 0), (8, 1), (16, 0), (16, 1), (32, 0), (32, 1)]:
        layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if pool else []
        channels = outputs
    return nn.Sequential(*layers, nn.Conv2d(channels, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def idx(folder, name):
    """The bytes of an IDX file after its header, in its shape."""
    path = pathlib.Path(folder, name)
    packed = path.with_name(name + ".gz")
    raw = gzip.decompress(packed.read_bytes()) if packed.exists() else path.read_bytes()
    ranks = raw[3]
    shape = np.frombuffer(raw, ">u4", ranks, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * ranks).reshape(shape)


def augmented(images):
    """Each image moved by its own affine transform."""
    count = len(images)
    within = lambda bound: (torch.rand(count) * 2 - 1) * bound
    turn, shear = torch.deg2rad(within(ROTATION)), torch.tan(torch.deg2rad(within(SHEAR)))
    zoom, half = 1 + within(SCALE), images.shape[-1] / 2
    sin, cos = torch.sin(turn), torch.cos(turn)
    rows = [cos / zoom, (cos * shear - sin) / zoom, within(SHIFT) / half]
    rows += [sin / zoom, (sin * shear + cos) / zoom, within(SHIFT) / half]
    grid = F.affine_grid(torch.stack(rows, 1).reshape(count, 2, 3), images.shape, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def torch_epochs(options):
    """Trains and prints seconds an epoch, as JSON."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    images = torch.from_numpy(idx(options.data, "train-images-idx3-ubyte")[: options.images].copy())
    images = images.unsqueeze(1).float() / 255
    labels = torch.from_numpy(idx(options.data, "train-labels-idx1-ubyte")[: options.images].copy()).long()
    model, average = network(), network()
    average.load_state_dict(model.state_dict())
    kernels = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW([{"params": kernels, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}])
    steps = options.epochs * -(-options.images // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=steps, cycle_momentum=False)
    moving = lambda m: [t for t in m.state_dict().values() if t.is_floating_point()]
    averages, currents = moving(average), moving(model)
    seconds = []
    for _ in range(options.epochs):
        begun = time.perf_counter()
        for indices in torch.randperm(len(images)).split(BATCH):
            loss = F.cross_entropy(model(augmented(images[indices])), labels[indices], label_smoothing=0.01)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                torch._foreach_lerp_(averages, currents, 0.002)
        seconds.append(time.perf_counter() - begun)
    print(json.dumps({"seconds": seconds, "images": options.images, "loss": loss.item()}))


def on_processors(threads):
    """Binds a child process to `threads` processors, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    processors = sorted(os.sched_getaffinity(0))[:threads]
    return lambda: os.sched_setaffinity(0, processors)


def of_torch(options, threads):
    """Images a second of PyTorch's fastest epoch."""
    command = [sys.executable, __file__, "--child", "--threads", threads, "--data", options.data]
    command += ["--images", options.images * 11 // 12, "--epochs", options.epochs]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    run = subprocess.run([*map(str, command)], env=environment, preexec_fn=on_processors(threads), capture_output=True, text=True)
    if run.returncode:
        sys.exit(run.stderr)
    answer = json.loads(run.stdout.splitlines()[-1])
    return answer["images"] / min(answer["seconds"])


def of_train(options, threads):
    """Images a second of the fastest epoch of `train`."""
    with tempfile.TemporaryDirectory() as out:
        command = [options.train, "--data", options.data, "--limit", options.images, "--epochs", options.epochs, "--out", out]
        recipe = pathlib.Path(out, "adamw.json")
        recipe.write_text('{"muon_rate": 0}')
        command += ["--recipe", recipe]
        environment = os.environ | {"RAYON_NUM_THREADS": str(threads)}
        run = subprocess.run([*map(str, command)], env=environment, preexec_fn=on_processors(threads), capture_output=True, text=True)
        if run.returncode:
            sys.exit(run.stderr)
        lines = pathlib.Path(out, "metrics.jsonl").read_text().splitlines()
        return max(json.loads(line)["images_per_second"] for line in lines)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--train", type=pathlib.Path, help="the train command")
    arguments.add_argument("--data", type=pathlib.Path, required=True, help="a folder with MNIST's IDX files")
    arguments.add_argument("--images", type=int, default=12_000, help="of which one in twelve is held back")
    arguments.add_argument("--epochs", type=int, default=2, help="a run")
    arguments.add_argument("--runs", type=int, default=2, help="of each side")
    arguments.add_argument("--threads", type=int, action="append", help="[default: 1 and 2]")
    arguments.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.child:
        options.threads = options.threads[0]
        return torch_epochs(options)
    if options.train is None or not options.train.exists():
        sys.exit(f"--train: the train command was expected, found {options.train}; build it with `cargo build --release --bin train`")
    options.train = options.train.resolve()
    print(f"PyTorch {torch.__version__}; images a second, seconds an epoch of {EPOCH:,}")
    print("| threads | PyTorch | train | train / PyTorch |\n|---|---|---|---|")
    for threads in options.threads or [1, 2]:
        turns = [(of_torch(options, threads), of_train(options, threads)) for _ in range(options.runs)]
        theirs, ours = max(turn[0] for turn in turns), max(turn[1] for turn in turns)
        cell = lambda speed: f"{speed:,.0f}/s, {EPOCH / speed:.1f} s"
        print(f"| {threads} | {cell(theirs)} | {cell(ours)} | {theirs / ours:.2f} |", flush=True)


if __name__ == "__main__":
    main()
