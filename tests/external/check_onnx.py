#!/usr/bin/env python3
"""Holds the repository's ONNX files against the onnx checker and against ONNX Runtime.

For each models/*/float.onnx and int8.onnx: onnx.checker with the full check, strict shape inference, then the same
images through ONNX Runtime (graph optimizations off: its fused int8 kernels saturate on x86 without VNNI) and through
`export run` (tract). The classes must be the same on all images of a float file, and on 99.8 % of an int8 file's,
whose requantization ONNX Runtime and tract round alike but sum in another order.

    cargo build --release && python3 tests/external/check_onnx.py

Needs onnx, onnxruntime and numpy; without them it prints "skipped" and succeeds.
"""

import pathlib
import sys
import tempfile

from common import ROOT, blobs, export, in_onnxruntime, np, onnx

# Smallest part of the images on which the two runtimes must see the same class.
SAME_CLASS = {"float.onnx": 1.0, "int8.onnx": 0.998}


def in_tract(path, batch):
    with tempfile.TemporaryDirectory() as folder:
        source, result = pathlib.Path(folder, "in.npy"), pathlib.Path(folder, "out.npy")
        np.save(source, batch)
        export("run", path, "--input", source, "-o", result)
        return np.load(result)


def check(path):
    """Whether the file holds; prints one line."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    batch = blobs([dim.dim_value for dim in dims[1:]])
    ours, theirs = in_tract(path, batch), in_onnxruntime(path, batch)
    same = float(np.mean(ours.argmax(1) == theirs.argmax(1)))
    holds = ours.shape == theirs.shape and same >= SAME_CLASS[path.name]
    print(
        f"{'ok' if holds else 'FAILED'}: {path.relative_to(ROOT)}: {len(model.graph.node)} nodes, checker and shape "
        f"inference pass; tract and ONNX Runtime see the same class on {same:.2%} of {len(batch)} images, logits differ by "
        f"{np.abs(ours - theirs).max():.2g} at most"
    )
    return holds


def main():
    files = [path for path in sorted(ROOT.glob("models/*/*.onnx")) if path.name in SAME_CLASS]
    if not files:
        print("skipped: no models/*/float.onnx or int8.onnx; make them with `export onnx` and `export quantize`")
    return all([check(path) for path in files])


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
