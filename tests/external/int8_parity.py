#!/usr/bin/env python3
"""Holds the engine against ONNX Runtime on the same int8 files, in steps of the output.

Our files in ONNX Runtime: of the convolutions of models/*/int8.onnx as many must fuse to QLinearConv as of its own file's (all, where no
value has two readers), and the answers must be the engine's.
ONNX Runtime's files in the engine: what its quantize_static makes of each network, in every form and element type, is planned without being
quantized again and runs on this machine; ONNX Runtime runs the same file.

    cargo build --release && python3 tests/external/int8_parity.py [--mlperf FOLDER] [--quick]

ONNX Runtime runs with its graph optimizations off. It computes QDQ files in float and rounds halves of a step to even where the engine rounds them
up; means of 4 or 64 bytes at their input's scale are often halves, and one byte that rounds the other way reaches every layer after it. Of a float bias the
engine has the nearest multiple of the accumulator's step. Operator form runs on integer kernels whatever is asked; on x86 without VNNI those
saturate pairs of uint8 · int8 products, hence weights of 7 bits there.
--mlperf names a folder with the MLPerf Tiny networks; --quick takes 512 images and one form. $MNIST_DIR, if set, gives the images; else they are
blurred noise.
"""

import argparse
import pathlib
import sys
import tempfile

from common import (
    ROOT, U8, QuantFormat, blobs, in_engine, in_onnxruntime, networks, np, onnx, ort, processor,
    quantized_by_onnxruntime, step_of,
)  # fmt: skip

VARIANTS = {
    "QDQ s8 s8 per channel": {},
    "QDQ s8 s8 means of another scale": {"own_scale": True},
    "QDQ s8 s8 per tensor": {"per_channel": False},
    "QDQ u8 s8 per channel": {"activations": U8},
    "QDQ s8 s8 symmetric activations": {"ActivationSymmetric": True},
    "QDQ s8 s8 float biases": {"QuantizeBias": False},
    "QDQ s8 s8 activations kept": {"QDQKeepRemovableActivations": True},
    "QDQ s8 s8 weights as Q and DQ": {"AddQDQPairToWeight": True, "DedicatedQDQPair": True},
    "QDQ u8 u8 per tensor": {"activations": U8, "weights": U8, "per_channel": False},
    "QDQ u8 u8 symmetric weights": {"activations": U8, "weights": U8, "WeightSymmetric": True},
    "operators s8 s8 per channel": {"form": QuantFormat.QOperator},
    "operators u8 s8 7-bit weights": {"form": QuantFormat.QOperator, "activations": U8, "reduce_range": True},
}
# Of our own files: of all logits, and of the images of MNIST, or of noise, which is nearer to several classes.
WITHIN_ONE_STEP, SAME_CLASS, SAME_CLASS_OF_NOISE = 0.999, 0.9998, 0.99
# Most steps of difference in ONNX Runtime's files.
LARGEST = 8


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


def quantize(model, calibration, path, form):
    """What ONNX Runtime makes of a float model in one of the forms."""
    options = dict(VARIANTS[form])
    own_scale = options.pop("own_scale", False)
    quantized_by_onnxruntime(model, calibration[:64], path, **options)
    if own_scale:
        rescale_means(path)


def rescale_means(path):
    """Gives each average pool of its input's scale, and the Flatten after it, 0.9137 of that: hardly a mean is a half of a step then."""
    model = onnx.load(path)
    made = {node.output[0]: node for node in model.graph.node}
    scales = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    own = {}
    for node in model.graph.node:
        maker = made.get(node.input[0]) if node.input else None
        if node.op_type == "DequantizeLinear" and node.input[0] in own:
            own[node.output[0]] = node.input[1] = own[node.input[0]]
        elif node.op_type == "QuantizeLinear" and maker is not None:
            before = made.get(maker.input[0]) if maker.input else None
            if maker.op_type == "AveragePool" and before is not None and before.input[1:2] == node.input[1:2]:
                name = f"{maker.name}.scale"
                model.graph.initializer.append(onnx.numpy_helper.from_array(scales[node.input[1]] * np.float32(0.9137), name))
                own[node.output[0]] = node.input[1] = name
            elif maker.op_type in ("Flatten", "Reshape") and maker.input[0] in own:
                own[node.output[0]] = node.input[1] = own[maker.input[0]]
    onnx.save(model, path)


def every_operator():
    """A small network of the operators that the zoo has not: functions, Concat, a sum with a constant; and its inputs."""
    draw, make = np.random.default_rng(1), onnx.helper.make_node
    constants = {
        "w1": draw.normal(0, 0.3, (8, 1, 3, 3)), "b1": draw.normal(0, 0.1, 8),
        "w2": draw.normal(0, 0.2, (12, 8, 3, 3)), "b2": draw.normal(0, 0.1, 12),
        "w3": draw.normal(0, 0.2, (12, 12, 1, 1)), "b3": draw.normal(0, 0.1, 12),
        "w4": draw.normal(0, 0.1, (16, 216)), "b4": draw.normal(0, 0.1, 16),
        "w5": draw.normal(0, 0.3, (16, 10)), "b5": draw.normal(0, 0.3, 10),
        "low": np.array(0.0), "high": np.array(0.6),
    }  # fmt: skip
    nodes = [
        make("Conv", ["x", "w1", "b1"], ["c1"], "c1", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        make("Relu", ["c1"], ["r1"], "r1"),
        make("MaxPool", ["r1"], ["p1"], "p1", kernel_shape=[2, 2], strides=[2, 2]),
        make("Conv", ["p1", "w2", "b2"], ["c2"], "c2", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        make("Clip", ["c2", "low", "high"], ["k2"], "k2"),
        make("Conv", ["k2", "w3", "b3"], ["c3"], "c3", kernel_shape=[1, 1]),
        make("Sigmoid", ["c3"], ["s3"], "s3"),
        make("Add", ["k2", "s3"], ["a3"], "a3"),
        make("LeakyRelu", ["a3"], ["l3"], "l3", alpha=0.1),
        make("Concat", ["a3", "l3"], ["j3"], "j3", axis=1),
        make("AveragePool", ["j3"], ["m3"], "m3", kernel_shape=[2, 2], strides=[2, 2]),
        make("Flatten", ["m3"], ["f3"], "f3"),
        make("Gemm", ["f3", "w4", "b4"], ["g4"], "g4", transB=1),
        make("Relu", ["g4"], ["r4"], "r4"),
        make("MatMul", ["r4", "w5"], ["g5"], "g5"),
        make("Add", ["g5", "b5"], ["y"], "y"),
    ]
    value = lambda name, shape: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", *shape])
    initializers = [onnx.numpy_helper.from_array(v.astype(np.float32), name) for name, v in constants.items()]
    graph = onnx.helper.make_graph(nodes, "every", [value("x", [1, 12, 12])], [value("y", [10])], initializers)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)
    return "every operator", model, blobs((1, 12, 12), 64, seed=21), blobs((1, 12, 12)), None


def theirs_in_the_engine(mlperf, quick):
    """Files of ONNX Runtime's quantizer, each in the engine and in ONNX Runtime. Whether all are near."""
    print(f"\nONNX Runtime {ort.__version__}'s files in the engine, in steps of the output\n")
    print(f"{'network':17} {'form':32} {'equal':>8} {'≤ 1':>8} {'max':>4} {'class':>8} {'values':>8}")
    forms = list(VARIANTS)[:1] if quick else VARIANTS
    holds = True
    for network, model, calibration, inputs, _ in [every_operator(), *networks(mlperf)]:
        for form in forms:
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder, "int8.onnx")
                quantize(model, calibration, path, form)
                try:
                    found = compare(path, inputs[:512])
                    holds &= found["largest"] <= LARGEST
                    print(line(network, form, found), flush=True)
                except RuntimeError as refusal:
                    print(f"{network:17} {form:32} refused: {refusal}", flush=True)
    return holds


def fused(path, images):
    """How many convolutions ONNX Runtime fuses with their DequantizeLinear and QuantizeLinear."""
    with tempfile.TemporaryDirectory() as folder:
        optimized = pathlib.Path(folder, "optimized.onnx")
        in_onnxruntime(path, images[:1], optimized=True, optimized_path=optimized)
        return sum(node.op_type == "QLinearConv" for node in onnx.load(optimized).graph.node)


def ours_in_onnxruntime(quick):
    """The zoo's int8 files: convolutions that fuse, as many as in ONNX Runtime's own file, and answers. Whether all hold."""
    print("\nOur files in ONNX Runtime\n")
    holds = True
    for name, model, calibration, images, labels in networks(None):
        path = ROOT / "models" / name / "int8.onnx"
        images = images[: 512 if quick else 10_000]
        convolutions = sum(node.op_type == "Conv" for node in onnx.load(path).graph.node)
        with tempfile.TemporaryDirectory() as folder:
            own = pathlib.Path(folder, "own.onnx")
            quantized_by_onnxruntime(model, calibration[:64], own)
            ours, theirs = fused(path, images), fused(own, images)
        found = compare(path, images)
        same_class = SAME_CLASS_OF_NOISE if labels is None else SAME_CLASS
        good = ours >= theirs and found["within one"] >= WITHIN_ONE_STEP and found["same class"] >= same_class
        holds &= good
        print(
            f"{'ok' if good else 'FAILED'}: {name}: {ours} of {convolutions} Conv fuse to QLinearConv, {theirs} in ONNX "
            f"Runtime's own file; {len(images):,} images, logits equal {found['equal']:.2%}, within one step "
            f"{found['within one']:.3%}, at most {found['largest']}; same class {found['same class']:.2%}",
            flush=True,
        )
    return holds


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--mlperf", metavar="FOLDER", help="the MLPerf Tiny networks with their .npy")
    arguments.add_argument("--quick", action="store_true", help="fewer images, one form")
    options = arguments.parse_args()
    print(f"on {processor()}")
    return all([ours_in_onnxruntime(options.quick), theirs_in_the_engine(options.mlperf, options.quick)])


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
