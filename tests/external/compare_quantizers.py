#!/usr/bin/env python3
"""Two quantizers on the same float networks and calibration inputs: ONNX Runtime's quantize_static and `export quantize`.

    cargo build --release && python3 tests/external/compare_quantizers.py [--mlperf FOLDER] [--counts 8,16,32,64,256 | --draws 10]

ONNX Runtime: QDQ, int8 activations, int8 weights per channel, min-max ranges, its file run by itself with graph optimizations off.
Ours: `export quantize` as it comes, the file planned and run by the engine on this machine. Both are given the same calibration
inputs and are held against the float network in ONNX Runtime, on inputs that neither has seen: SQNR of the logits, the classes that
stay, and, with $MNIST_DIR, accuracy on MNIST's 10,000 test images.
The networks of MLPerf Tiny come from --mlperf, with the int8 TFLite reference's answers where the folder has them.

With --counts: SQNR by the number of calibration inputs instead, also of untrained networks of the kind of YOLO and MobileNetV2.
With --draws: MNIST's networks quantized from so many random draws of 512 training images; mean and standard deviation over these.
"""

import argparse
import itertools
import pathlib
import tempfile

from common import (
    accuracy, blobs, export, in_engine, in_onnxruntime, mnist, networks, np, onnx, ort, processor, quantized_by_onnxruntime, sqnr_db,
)  # fmt: skip

# It gives back its input.
NO_CLASSES = ["ad01_autoencoder"]


def quantized_by_export(model, calibration, path):
    """What `export quantize` makes of a float model."""
    float_path, inputs = path.with_name("float.onnx"), path.with_name("calibration.npy")
    onnx.save(model, float_path)
    np.save(inputs, calibration)
    export("quantize", float_path, "--calibration", inputs, "-o", path)
    return path


def tflite(mlperf, name):
    """The int8 TFLite reference's answers to the test inputs, where the folder has them."""
    files = [pathlib.Path(mlperf or "", f"{name}.{kind}.npy") for kind in ("logits_tflite_int8", "tflite_int8")]
    found = next((path for path in files if mlperf and path.exists()), None)
    return np.load(found) if found is not None else None


def row(name, inputs, labels, answers):
    """A line of the table: for each quantizer SQNR, classes that stay, accuracy."""
    reference = answers.pop("float")
    cells = [name if labels is None else f"{name} (float {accuracy(reference, labels):.2%})", f"{len(inputs):,}"]
    for quantized in answers.values():
        if quantized is None:
            cells += ["–", "–"]
            continue
        quantized = quantized.reshape(reference.shape)
        same = np.sum(quantized.argmax(1) == reference.argmax(1))
        classes = f"{accuracy(quantized, labels):.2%}" if labels is not None else f"{same} of {len(inputs)} stay"
        classes = "–" if name in NO_CLASSES else classes
        cells += [f"{sqnr_db(reference, quantized):.1f}", classes]
    return "| " + " | ".join(cells) + " |"


class Untrained:
    """A float network of random weights, layer by layer; each layer's results are given the mean and deviation that a trained
    normalization gives, so that they are neither dead nor without bounds."""

    def __init__(self, shape, seed):
        self.shape, self.nodes, self.constants, self.value = shape, [], [], "x"
        self.random, self.seen = np.random.default_rng(seed), blobs(shape, 64, seed=seed + 1)

    def node(self, op, *inputs, **attributes):
        self.value = f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(op, list(inputs), [self.value], self.value, **attributes))
        return self.value

    def constant(self, values):
        name = f"constant{len(self.constants)}"
        self.constants.append(onnx.numpy_helper.from_array(np.asarray(values, np.float32), name))
        return name

    def model(self):
        info = lambda name, dims: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, dims)
        ends = [info("x", ["batch", *self.shape])], [info(self.value, None)]
        graph = onnx.helper.make_graph(self.nodes, "untrained", *ends, self.constants)
        return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)

    def results(self, value):
        if value == "x":
            return self.seen
        before, self.value = self.value, value
        session = ort.InferenceSession(self.model().SerializeToString(), providers=["CPUExecutionProvider"])
        self.value = before
        return session.run(None, {"x": self.seen})[0]

    def conv(self, source, channels, kernel=1, stride=1, groups=1):
        weights = self.random.normal(size=(channels, self.results(source).shape[1] // groups, kernel, kernel))
        geometry = dict(kernel_shape=[kernel] * 2, pads=[kernel // 2] * 4, strides=[stride] * 2, group=groups)
        self.node("Conv", source, self.constant(weights), **geometry)
        results = self.results(self.value)
        factors = self.random.uniform(0.5, 1.5, channels) / (results.std((0, 2, 3)) + 1e-3)
        biases = self.random.normal(0, 0.3, channels) - results.mean((0, 2, 3)) * factors
        self.nodes.pop(), self.constants.pop()
        return self.node("Conv", source, self.constant(weights * factors[:, None, None, None]), self.constant(biases), **geometry)

    def silu(self, *layer):
        value = self.conv(*layer)
        return self.node("Mul", value, self.node("Sigmoid", value))

    def relu6(self, *layer):
        return self.node("Clip", self.conv(*layer), self.constant(0), self.constant(6))


def like_yolo(seed):
    """Pieces of YOLO: 1x1 and 3x3 with SiLU, joined along the channels; the output is a map."""
    net = Untrained((3, 32, 32), seed)
    first = net.silu(net.silu("x", 16, 3, 2), 16)
    second = net.silu(first, 16, 3)
    value = net.node("Concat", first, second, net.silu(second, 16, 3), axis=1)
    value = net.silu(net.silu(net.silu(value, 24), 32, 3, 2), 16)
    pooled = net.node("MaxPool", value, kernel_shape=[5, 5], pads=[2] * 4, strides=[1, 1])
    net.conv(net.silu(net.silu(net.node("Concat", value, pooled, axis=1), 32), 32, 3), 12)
    return net.model()


def like_mobilenet(seed):
    """Inverted residuals with ReLU6 as in MobileNetV2, and ten classes."""
    net = Untrained((3, 32, 32), seed)
    value, channels = net.relu6("x", 8, 3, 2), 8
    for after, stride in [(8, 1), (16, 2), (16, 1), (24, 2), (24, 1), (24, 1)]:
        wide = 4 * channels
        narrow = net.conv(net.relu6(net.relu6(value, wide), wide, 3, stride, wide), after)
        value = net.node("Add", value, narrow) if stride == 1 and after == channels else narrow
        channels = after
    net.node("Flatten", net.conv(net.node("GlobalAveragePool", net.relu6(value, 64)), 10), axis=1)
    return net.model()


def of_all_sizes(mlperf, counts):
    """Name, model, and for each count calibration inputs and others, or none where there are not so many."""
    for name, model, calibration, inputs, _ in networks(mlperf):
        # Where there are few, those that do not calibrate test.
        rest = lambda count: np.concatenate([inputs, calibration[count:]]) if len(inputs) < 1000 else inputs
        yield name, model, [(calibration[:count], rest(count)) if count <= len(calibration) else None for count in counts]
    for make, seed in itertools.product([like_yolo, like_mobilenet], [1, 2]):
        calibration, inputs = blobs((3, 32, 32), max(counts), seed=100 + seed), blobs((3, 32, 32), 1000, seed=200 + seed)
        name = f"{make.__name__.replace('_', ' ')} {seed}"
        yield name, make(seed), [(calibration[:count], inputs) for count in counts]


def by_counts(mlperf, counts):
    print("| network | " + " | ".join(f"{count} inputs" for count in counts) + " |")
    print("|---" * (1 + len(counts)) + "|")
    for name, model, sizes in of_all_sizes(mlperf, counts):
        cells = []
        for calibration, inputs in filter(None, sizes):
            with tempfile.TemporaryDirectory() as folder:
                reference, theirs, ours = (pathlib.Path(folder, f"{kind}.onnx") for kind in ("reference", "theirs", "ours"))
                onnx.save(model, reference)
                quantized_by_onnxruntime(model, calibration, theirs)
                quantized_by_export(model, calibration, ours)
                answers = in_onnxruntime(theirs, inputs), in_engine(ours, inputs)
                real = in_onnxruntime(reference, inputs)
            cells.append(" / ".join(f"{sqnr_db(real, answer):.1f}" for answer in answers))
        print("| " + " | ".join([name, *cells, *["–"] * sizes.count(None)]) + " |", flush=True)


def by_draws(draws):
    training, (images, labels) = mnist("train", 55_000)[0], mnist("test", 10_000)
    print("| network | quantizer | SQNR, dB | accuracy | classes not the float network's |")
    print("|---|---|---|---|---|")
    for name, model, *_ in networks(None):
        found = {"ONNX Runtime": [], "`export quantize`": []}
        with tempfile.TemporaryDirectory() as folder:
            reference, path = pathlib.Path(folder, "reference.onnx"), pathlib.Path(folder, "int8.onnx")
            onnx.save(model, reference)
            real = in_onnxruntime(reference, images)
            for draw in range(draws):
                calibration = training[np.random.default_rng(draw).choice(len(training), 512, replace=False)]
                theirs = in_onnxruntime(quantized_by_onnxruntime(model, calibration, path), images)
                ours = in_engine(quantized_by_export(model, calibration, path), images)
                for answers, figures in zip((theirs, ours), found.values()):
                    changed = np.sum(answers.argmax(1) != real.argmax(1))
                    figures.append((sqnr_db(real, answers), 100 * accuracy(answers, labels), changed))
        for quantizer, figures in found.items():
            (db, percent, changed), (db_sd, percent_sd, changed_sd) = np.mean(figures, 0), np.std(figures, 0, ddof=1)
            cells = [f"{db:.1f} ± {db_sd:.1f}", f"{percent:.3f} ± {percent_sd:.3f} %", f"{changed:.1f} ± {changed_sd:.1f}"]
            first = f"{name} (float {accuracy(real, labels):.2%})"
            print("| " + " | ".join([first, quantizer, *cells]) + " |", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--mlperf", metavar="FOLDER", help="the MLPerf Tiny networks with their .npy")
    arguments.add_argument("--counts", metavar="N,N", help="the table by numbers of calibration inputs")
    arguments.add_argument("--draws", type=int, metavar="N", help="MNIST by so many draws of calibration images; needs $MNIST_DIR")
    options = arguments.parse_args()
    print(f"ONNX Runtime {ort.__version__} on {processor()}\n")
    if options.counts:
        return by_counts(options.mlperf, [int(count) for count in options.counts.split(",")])
    if options.draws:
        return by_draws(options.draws)
    print("| network | inputs | ONNX Runtime, dB | classes | `export quantize`, dB | classes | TFLite, dB | classes |")
    print("|---|---|---|---|---|---|---|---|")
    for name, model, calibration, inputs, labels in networks(options.mlperf):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            onnx.save(model, folder / "reference.onnx")
            answers = {
                "float": in_onnxruntime(folder / "reference.onnx", inputs),
                "onnxruntime": in_onnxruntime(
                    quantized_by_onnxruntime(model, calibration, folder / "theirs.onnx"), inputs
                ),
                "export": in_engine(quantized_by_export(model, calibration, folder / "ours.onnx"), inputs),
                "tflite": tflite(options.mlperf, name),
            }
        print(row(name, inputs, labels, answers), flush=True)


if __name__ == "__main__":
    main()
