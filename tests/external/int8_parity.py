#!/usr/bin/env python3
"""Holds the engine against ONNX Runtime on the same int8 files, in steps of the output.

ONNX Runtime's files in the engine: what its quantize_static makes of each network, in every form and element type that goes
to a plan, is planned without being quantized again and runs on the host; ONNX Runtime runs the same file.
Our files in ONNX Runtime: each convolution of models/*/int8.onnx must fuse to a QLinearConv, and the answers must be the
engine's.

    cargo build --release && python3 tests/external/int8_parity.py [--mlperf FOLDER] [--quick]

ONNX Runtime runs with its graph optimizations off. QDQ files are then computed in float, and the engine differs where
a value lies within float's and its own multiplier's rounding of a half. Operator form runs on integer kernels
whatever is asked; on x86 without VNNI those saturate pairs of products, and what they then give is not what the file says.
--mlperf names a folder with the MLPerf Tiny networks; --quick takes the zoo's smallest sets and the main form only.
$MNIST_DIR, if set, gives the images; else they are blurred noise.
"""

import argparse
import pathlib
import sys
import tempfile

from common import (
    S8, U8, ROOT, ZOO, QuantFormat, blobs, in_engine, in_onnxruntime, mnist, networks, np, onnx, ort, processor,
    quantized_by_onnxruntime, step_of,
)  # fmt: skip

VARIANTS = {
    "QDQ s8 s8 per channel": {},
    "QDQ s8 s8 per tensor": {"per_channel": False},
    "QDQ u8 s8 per channel": {"activations": U8},
    "QDQ s8 s8 symmetric activations": {"ActivationSymmetric": True},
    "QDQ s8 s8 float biases": {"QuantizeBias": False},
    "QDQ s8 s8 activations kept": {"QDQKeepRemovableActivations": True},
    "QDQ s8 s8 weights as Q and DQ": {"AddQDQPairToWeight": True, "DedicatedQDQPair": True},
    "operators s8 s8 per channel": {"form": QuantFormat.QOperator},
    "operators u8 s8 per channel": {"form": QuantFormat.QOperator, "activations": U8},
}
# Of all values of the logits of our own files, on 10,000 images.
WITHIN_ONE_STEP, SAME_CLASS = 0.999, 0.9998


def compare(path, batch):
    """Shares of equal values, of values within a step, of equal classes, and the largest difference, in steps."""
    theirs, ours = in_onnxruntime(path, batch), in_engine(path, batch)
    steps = np.rint((ours - theirs) / step_of(path))
    return {
        "equal": np.mean(steps == 0),
        "within one": np.mean(abs(steps) <= 1),
        "largest": int(abs(steps).max()),
        "same class": np.mean(ours.argmax(1) == theirs.argmax(1)),
        "values": steps.size,
    }


def line(network, form, found):
    return (
        f"{network:17} {form:32} {found['equal']:8.2%} {found['within one']:8.2%} {found['largest']:4} "
        f"{found['same class']:8.2%} {found['values']:8,}"
    )


def theirs_in_the_engine(mlperf, quick):
    """Files of ONNX Runtime's quantizer, each in the engine and in ONNX Runtime."""
    print(f"\nONNX Runtime {ort.__version__}'s files in the engine, in steps of the output\n")
    print(f"{'network':17} {'form':32} {'equal':>8} {'≤ 1':>8} {'max':>4} {'class':>8} {'values':>8}")
    forms = list(VARIANTS)[:1] if quick else VARIANTS
    for network, model, calibration, inputs, _ in networks(mlperf):
        for form in forms:
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder, "int8.onnx")
                copy = onnx.ModelProto.FromString(model.SerializeToString())
                quantized_by_onnxruntime(copy, calibration[:64], path, **VARIANTS[form])
                print(line(network, form, compare(path, inputs[:512])), flush=True)


def ours_in_onnxruntime(quick):
    """The zoo's int8 files: convolutions that fuse, and answers. Whether all hold."""
    print("\nOur files in ONNX Runtime\n")
    test = mnist("test", 512 if quick else 10_000)
    holds = True
    for name in ZOO:
        path = ROOT / "models" / name / "int8.onnx"
        if not path.exists():
            continue
        images = test[0] if test else blobs((1, 28, 28))
        convolutions = sum(node.op_type == "Conv" for node in onnx.load(path).graph.node)
        with tempfile.TemporaryDirectory() as folder:
            optimized = pathlib.Path(folder, "optimized.onnx")
            in_onnxruntime(path, images[:1], optimized=True, optimized_path=optimized)
            fused = sum(node.op_type == "QLinearConv" for node in onnx.load(optimized).graph.node)
        found = compare(path, images)
        good = fused == convolutions and found["within one"] >= WITHIN_ONE_STEP and found["same class"] >= SAME_CLASS
        holds &= good
        print(f"{'ok' if good else 'FAILED'}: {name}: {fused} of {convolutions} Conv fuse to QLinearConv;", end=" ")
        print(
            f"{len(images):,} images, logits equal {found['equal']:.2%}, within one step {found['within one']:.3%}, at most "
            f"{found['largest']}; same class {found['same class']:.2%}"
        )
    return holds


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--mlperf", metavar="FOLDER", help="the MLPerf Tiny networks with their .npy")
    arguments.add_argument("--quick", action="store_true", help="fewer images, one form")
    options = arguments.parse_args()
    print(f"on {processor()}")
    holds = ours_in_onnxruntime(options.quick)
    theirs_in_the_engine(options.mlperf, options.quick)
    return holds


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
