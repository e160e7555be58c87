#!/usr/bin/env python3
"""Two quantizers on the same float networks and calibration inputs: ONNX Runtime's quantize_static and `export quantize`.

    cargo build --release && python3 tests/external/compare_quantizers.py [--mlperf FOLDER]

ONNX Runtime: QDQ, int8 activations, int8 weights per channel, min-max ranges, its file run by itself with graph optimizations off.
Ours: `export quantize` as it comes, the file planned and run by the engine on this machine. Both are given the same calibration
inputs (ours keeps a part of them apart to choose by) and are held against the float network in ONNX Runtime, on inputs that neither
has seen: SQNR of the logits, the classes that stay, and, with $MNIST_DIR, accuracy on MNIST's 10,000 test images.
The networks of MLPerf Tiny come from --mlperf, with the int8 TFLite reference's answers where the folder has them.
"""

import argparse
import pathlib
import tempfile

from common import (
    accuracy, export, in_engine, in_onnxruntime, networks, np, onnx, ort, processor, quantized_by_onnxruntime, sqnr_db,
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


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--mlperf", metavar="FOLDER", help="the MLPerf Tiny networks with their .npy")
    options = arguments.parse_args()
    print(f"ONNX Runtime {ort.__version__} on {processor()}\n")
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
