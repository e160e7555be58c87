"""What the scripts here share: ONNX Runtime, its quantizer, the `export` command, and figures of comparison.

Importing it ends a script with "skipped" where a package is missing.
"""

import logging
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime as ort
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(0)

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Its quantizer advises a pre-processing that the networks here have had.
logging.disable(logging.WARNING)
ZOO = ["mnist-cnn", "mnist-dsres"]
MLPERF_TINY = ["ic01_resnet8", "kws01_dscnn", "vww01_mobilenet", "ad01_autoencoder"]

S8, U8 = QuantType.QInt8, QuantType.QUInt8


def processor():
    """The processor, and whether it multiplies bytes without saturating pairs."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "unknown processor"
    field = lambda key: next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "")
    return f"{field('model name')}, {'with' if 'vnni' in field('flags') else 'without'} VNNI"


class Inputs(CalibrationDataReader):
    """Calibration inputs, one at a time."""

    def __init__(self, name, batch):
        self.feeds = iter([{name: batch[i : i + 1]} for i in range(len(batch))])

    def get_next(self):
        return next(self.feeds, None)


def without_softmax(model):
    """The model up to its logits, so that there is something to hold against: probabilities hide differences."""
    last = model.graph.node[-1]
    if last.op_type == "Softmax":
        model.graph.node.remove(last)
        model.graph.output[0].name = last.input[0]
    return model


def quantized_by_onnxruntime(model, calibration, path, activations=S8, weights=S8, per_channel=True, **options):
    """Writes what quantize_static makes of a float model: min-max ranges; QDQ form where nothing else is said."""
    form, reduce_range = options.pop("form", QuantFormat.QDQ), options.pop("reduce_range", False)
    quantize_static(
        # It changes what it is given.
        onnx.ModelProto.FromString(model.SerializeToString()),
        path,
        Inputs(model.graph.input[0].name, calibration),
        quant_format=form,
        reduce_range=reduce_range,
        activation_type=activations,
        weight_type=weights,
        per_channel=per_channel,
        extra_options=options,
    )
    return path


def in_onnxruntime(path, batch, optimized=False, optimized_path=None):
    """Answers of ONNX Runtime. Without its graph optimizations it works in float between DequantizeLinear and
    QuantizeLinear; its fused int8 kernels saturate pairs of products on x86 without VNNI."""
    options = ort.SessionOptions()
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_EXTENDED if optimized else level.ORT_DISABLE_ALL
    options.log_severity_level = 3
    if optimized_path:
        options.optimized_model_filepath = str(optimized_path)
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0]
    batch_size = source.shape[0] if isinstance(source.shape[0], int) else 256
    answers = [session.run(None, {source.name: batch[i : i + batch_size]})[0] for i in range(0, len(batch), batch_size)]
    return np.concatenate(answers).reshape(len(batch), -1)


def export(*arguments):
    """Runs the `export` command named by $EXPORT."""
    command = os.environ.get("EXPORT", str(ROOT / "target/release/export"))
    if not pathlib.Path(command).exists():
        sys.exit(f"{command}: not there; `cargo build --release` makes it, and $EXPORT may name another")
    done = subprocess.run([command, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"export {' '.join(map(str, arguments))}: {done.stderr.strip()}")
    return done.stdout


def in_engine(path, batch):
    """Answers of the engine on this machine to an int8 ONNX file, through a plan."""
    with tempfile.TemporaryDirectory() as folder:
        plan, source, result = (pathlib.Path(folder, name) for name in ("net.plan", "in.npy", "out.npy"))
        export("plan", path, "-o", plan)
        np.save(source, batch)
        export("run", plan, "--input", source, "-o", result)
        return np.load(result).reshape(len(batch), -1)


def step_of(path):
    """The real value of one step of an int8 file's output: the scale of its last DequantizeLinear."""
    model = onnx.load(path)
    last = next(node for node in reversed(model.graph.node) if node.op_type == "DequantizeLinear")
    return float(onnx.numpy_helper.to_array(next(t for t in model.graph.initializer if t.name == last.input[1])))


def sqnr_db(reference, found):
    """Signal to quantization noise of all values together, in decibels."""
    noise = np.sum((reference.astype(np.float64) - found) ** 2)
    return float("inf") if noise == 0 else 10 * np.log10(np.sum(reference.astype(np.float64) ** 2) / noise)


def accuracy(answers, labels):
    return float(np.mean(answers.argmax(1) == labels))


def mnist(part, count):
    """Images in 0…1 and labels of MNIST from $MNIST_DIR, or none where that is not set."""
    folder = os.environ.get("MNIST_DIR")
    if not folder:
        return None
    import gzip

    name = {"train": "train", "test": "t10k"}[part]
    images = gzip.open(pathlib.Path(folder, f"{name}-images-idx3-ubyte.gz")).read()[16:]
    labels = gzip.open(pathlib.Path(folder, f"{name}-labels-idx1-ubyte.gz")).read()[8:]
    images = np.frombuffer(images, np.uint8).reshape(-1, 1, 28, 28)[:count].astype(np.float32) / np.float32(255)
    return images, np.frombuffer(labels, np.uint8)[:count]


def blobs(shape, count=512, seed=20):
    """Blurred noise: smooth blobs between 0 and 1, the same in every run, in steps of 1/255 as pixels are."""
    noise = np.random.default_rng(seed).random((count, *shape), dtype=np.float32)
    for axis in (2, 3):
        noise = sum(np.roll(noise, shift, axis) for shift in range(-2, 3)) / 5
    low, high = noise.min((1, 2, 3), keepdims=True), noise.max((1, 2, 3), keepdims=True)
    return (np.round((noise - low) / (high - low) * 255) / 255).astype(np.float32)


def networks(mlperf):
    """Name, float model up to its logits, calibration inputs, test inputs, and test labels or none, of each network."""
    training, test = mnist("train", 512), mnist("test", 10_000)
    for name in ZOO:
        path = ROOT / "models" / name / "float.onnx"
        if path.exists():
            images, labels = test or (blobs((1, 28, 28)), None)
            calibration = training[0] if training else blobs((1, 28, 28), 512, seed=21)
            yield name, without_softmax(onnx.load(path)), calibration, images, labels
    for name in MLPERF_TINY if mlperf else []:
        load = lambda kind: np.load(pathlib.Path(mlperf, f"{name}.{kind}.npy"))
        model = without_softmax(onnx.load(pathlib.Path(mlperf, f"{name}.onnx")))
        yield name, model, load("calibration"), load("test"), None
