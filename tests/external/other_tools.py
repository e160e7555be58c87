"""Files as other tools write them today: small networks of the kinds that people bring, through the whole road.

A float file goes through `export normalize` (held against ONNX Runtime on the file as it came), `quantize` and `plan`; a quantized one goes to `plan` as it is. The plan's
answers are held against ONNX Runtime's for the file that the tool wrote (optimizations off). Weights are random, normalizations have the statistics of the inputs. A
network has "passed" with so many decibels of its answers above what differs, is "refused" with the reason, or "WRONG": too few decibels, or neither an answer nor a
refusal. One wrong network fails the script.

30 dB are enough: every small network and every quantized file is above. A deep network of random weights makes much of any difference, that of a byte of its input or
of any quantizer; for a float file it is enough not to be below ONNX Runtime's quantizer (min-max, per channel) with the same calibration inputs.

    pip install numpy onnx onnxruntime, and what is to be tried of: torch torchvision onnxscript torchao brevitas onnxoptimizer keras skl2onnx tensorflow-cpu tf2onnx
    cargo build --release && python3 tests/external/other_tools.py target/release/export [PART_OF_NAME]

A tool that is not installed is skipped. What ONNX Runtime's quantizer writes is in int8_parity.py.
"""

import collections
import contextlib
import functools
import importlib.util
import io
import os
import pathlib
import subprocess
import sys
import tempfile

has = lambda package: importlib.util.find_spec(package) is not None
os.environ.update(KERAS_BACKEND="tensorflow" if has("tensorflow") else "torch", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
from common import blobs, in_onnxruntime, np, onnx, ort, quantized_by_onnxruntime, sqnr_db  # noqa: E402

# Decibels that are enough, and by how many a float file may be below ONNX Runtime's quantizer: the inputs are few.
ENOUGH_DB, MARGIN_DB = 30.0, 1.0
CALIBRATION, TESTED = 128, 8
# A spectrum goes in as 50 times 12 values; as the map that the road makes of it, channels come first.
STEPS = (50, 12)
PICTURE, SPECTRUM, ROW = (3, 32, 32), (600,), (12,)


def inputs(shape, count, seed):
    return blobs(shape, count, seed) if len(shape) == 3 else np.random.default_rng(seed).random((count, *shape), dtype=np.float32)

# ---- PyTorch: makers of networks, and writers of their files

def settled(model, shape):
    """In evaluation mode, with the statistics of the inputs in its normalizations."""
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = None
    with torch.no_grad():
        model.train()(torch.tensor(inputs(shape, CALIBRATION, 3)))
    return model.eval()


def small_cnn():
    import torch.nn as nn

    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU6(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8),
        nn.ReLU(), nn.Conv2d(8, 12, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 5))  # fmt: skip


def vision(name, **options):
    from torchvision import models

    return getattr(models, name)(weights=None, num_classes=10, **options)


def torch_file(path, make, shape, dynamo, opset):
    import torch

    torch.manual_seed(1)
    torch.onnx.export(settled(make(), shape), (torch.zeros(1, *shape),), str(path), dynamo=dynamo, opset_version=opset)


def brevitas_file(path, form, per_channel, bits):
    import brevitas.nn as qnn
    import torch
    from brevitas import quant
    from brevitas.export import export_onnx_qcdq, export_qonnx
    from brevitas.graph.calibrate import calibration_mode

    torch.manual_seed(1)
    weight = quant.Int8WeightPerChannelFloat if per_channel else quant.Int8WeightPerTensorFloat
    layer = dict(weight_quant=weight, weight_bit_width=bits, bias_quant=quant.Int32Bias, return_quant_tensor=True)
    relu = lambda: qnn.QuantReLU(act_quant=quant.Uint8ActPerTensorFloat, bit_width=bits, return_quant_tensor=True)
    ends = [qnn.QuantIdentity(act_quant=quant.Int8ActPerTensorFloat, return_quant_tensor=first) for first in (True, False)]
    model = torch.nn.Sequential(
        ends[0], qnn.QuantConv2d(3, 8, 3, padding=1, **layer), relu(), torch.nn.MaxPool2d(2), qnn.QuantConv2d(8, 12, 3, **layer), relu(),
        torch.nn.Flatten(), qnn.QuantLinear(12 * 14 * 14, 6, **layer), ends[1])  # fmt: skip
    with torch.no_grad(), calibration_mode(model):
        model.train()(torch.tensor(inputs(PICTURE, CALIBRATION, 5)))
    (export_onnx_qcdq if form == "QCDQ" else export_qonnx)(model.eval(), torch.tensor(inputs(PICTURE, 1, 6)), str(path), opset_version=17, dynamo=False)


def residual():
    """What PyTorch's quantizers annotate: convolutions with BatchNorm and ReLU or ReLU6, a sum, a mean, a linear layer."""
    import torch
    from torch import nn

    block = lambda *conv, **options: nn.Sequential(nn.Conv2d(*conv, **options), nn.BatchNorm2d(conv[1]))

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.depthwise, self.pointwise = block(3, 8, 3, padding=1), block(8, 8, 3, padding=1, groups=8), block(8, 8, 1)
            self.pool, self.linear = nn.MaxPool2d(2), nn.Linear(8, 5)

        def forward(self, x):
            x = self.pool(torch.relu(self.stem(x)))
            x = torch.relu(x + self.pointwise(nn.functional.relu6(self.depthwise(x))))
            return self.linear(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))

    return Network()


def pt2e_file(path, per_channel, training, folded, opset):
    """PyTorch 2's quantization of an exported program (torchao) with symmetric int8 weights, after or for training."""
    import torch
    from torchao.quantization import pt2e
    from torchao.quantization.pt2e import quantize_pt2e
    from torchao.testing.pt2e._xnnpack_quantizer import XNNPACKQuantizer, get_symmetric_quantization_config

    torch.manual_seed(1)
    model, x = settled(residual(), PICTURE), torch.tensor(inputs(PICTURE, CALIBRATION, 2))
    if training:
        for block in (model.train().stem, model.depthwise, model.pointwise):
            block[1].momentum = 0.1
    config = get_symmetric_quantization_config(is_per_channel=per_channel, is_qat=training)
    prepare = quantize_pt2e.prepare_qat_pt2e if training else quantize_pt2e.prepare_pt2e
    program = prepare(torch.export.export(model, (x[:2],)).module(), XNNPACKQuantizer().set_global(config))
    for pair in x.split(2):
        program(pair)
    program = quantize_pt2e.convert_pt2e(program, fold_quantize=folded)
    pt2e.move_exported_model_to_eval(program)
    torch.onnx.export(program, (x[:2],), str(path), dynamo=True, opset_version=opset)


def of_torch():
    nets = [("mobilenet_v2", 64), ("mobilenet_v3_small", 64), ("shufflenet_v2_x0_5", 64), ("squeezenet1_1", 64), ("resnet18", 32), ("mnasnet0_5", 32), ("regnet_x_400mf", 32)]
    makers = [("small CNN", small_cnn, 32)]
    makers += [(name, functools.partial(vision, name), side) for name, side in nets] if has("torchvision") else []
    for name, make, side, (dynamo, opset) in [(*maker, way) for maker in makers for way in [(False, 13), (True, 18)]]:
        shape = (3, side, side)
        yield f"torch {'dynamo' if dynamo else 'TorchScript'}: {name}", shape, functools.partial(torch_file, make=make, shape=shape, dynamo=dynamo, opset=opset)
    ways = {"per channel": (True, False, True), "per tensor": (False, False, True), "for training": (True, True, True), "weights not folded": (True, False, False)}
    for name, way in ways.items() if has("torchao") else []:
        yield f"torchao pt2e: {name}", PICTURE, functools.partial(pt2e_file, **dict(zip(["per_channel", "training", "folded"], way)), opset=23 if name == "for training" else 21)
    for form, per_channel, bits in [("QCDQ", True, 8), ("QCDQ", False, 8), ("QCDQ", True, 4), ("QONNX", True, 8)] if has("brevitas") else []:
        yield f"Brevitas {form}: {bits} bits per {'channel' if per_channel else 'tensor'}", PICTURE, functools.partial(brevitas_file, form=form, per_channel=per_channel, bits=bits)

# ---- Keras and TensorFlow: a picture and a spectrum, of the kind that Edge Impulse trains

def keras_network(name):
    import keras
    from keras import layers as L

    keras.utils.set_random_seed(1)
    if name == "picture":
        model = keras.Sequential([
            L.Input((32, 32, 3)), L.Rescaling(2.0, -1.0), L.Conv2D(8, 3, padding="same", activation="relu"), L.MaxPooling2D(2, padding="same"),
            L.Conv2D(12, 3, padding="same", use_bias=False), L.BatchNormalization(), L.ReLU(6.0), L.MaxPooling2D(2), L.Flatten(), L.Dropout(0.25),
            L.Dense(16, activation="relu"), L.Dense(4, activation="softmax")])  # fmt: skip
    else:
        conv, pool = (lambda filters: L.Conv1D(filters, 3, padding="same", activation="relu")), (lambda: L.MaxPooling1D(2, 2, padding="same"))
        model = keras.Sequential([L.Input(SPECTRUM), L.Reshape(STEPS), conv(8), pool(), L.Dropout(0.25), conv(16), pool(), L.Flatten(), L.Dense(3, activation="softmax")])
    model(np.zeros((1, *model.inputs[0].shape[1:]), np.float32))
    return model


def tf2onnx_file(path, name, shape, kind):
    import tensorflow as tf
    import tf2onnx

    model = keras_network(name)
    if kind == "Keras":
        function = tf.function(lambda x: model(x, training=False), input_signature=[tf.TensorSpec(model.inputs[0].shape, tf.float32)])
        return tf2onnx.convert.from_function(function, function.input_signature, opset=17, output_path=str(path))
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if "int8" in kind:
        last = lambda x: np.moveaxis(x, 0, -1) if x.ndim == 3 else x
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([last(x)[None]] for x in inputs(shape, CALIBRATION, 8))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    flat = path.with_suffix(".tflite")
    flat.write_bytes(converter.convert())
    return tf2onnx.convert._convert_common(None, tflite_path=str(flat), opset=17, output_path=str(path))


def of_keras():
    for name, shape in {"picture": PICTURE, "spectrum": SPECTRUM}.items():
        if os.environ["KERAS_BACKEND"] == "torch":
            yield f"Keras by torch: {name}", shape, lambda path, name=name: keras_network(name).export(str(path), format="onnx", verbose=False)
        for kind in ["Keras", "TFLite float", "TFLite int8"] if has("tf2onnx") else []:
            yield f"tf2onnx {kind}: {name}", shape, functools.partial(tf2onnx_file, name=name, shape=shape, kind=kind)

# ---- scikit-learn

def scikit_file(path, regression, scaled):
    from skl2onnx import to_onnx
    from sklearn import neural_network, pipeline, preprocessing

    x = inputs(ROW, 256, 9)
    y = x[:, 0] * 2 - x[:, 1] if regression else (x[:, :3] * 2 - x[:, 3:6]).argmax(1)
    mlp = (neural_network.MLPRegressor if regression else neural_network.MLPClassifier)(hidden_layer_sizes=(16, 8), max_iter=300, random_state=1)
    model = (pipeline.make_pipeline(preprocessing.StandardScaler(), mlp) if scaled else mlp).fit(x, y)
    path.write_bytes(to_onnx(model, x[:1], target_opset=17).SerializeToString())


def of_scikit():
    for regression, scaled in [(True, False), (True, True), (False, False), (False, True)]:
        name = ("StandardScaler and " if scaled else "") + ("MLPRegressor" if regression else "MLPClassifier")
        yield f"skl2onnx: {name}", ROW, functools.partial(scikit_file, regression=regression, scaled=scaled)

# ---- The road

class Refused(Exception):
    """What export says with exit status 2."""


def export(*arguments):
    done = subprocess.run([EXPORT, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode == 2 and done.stderr.startswith("error: ") and "panicked" not in done.stderr:
        raise Refused(f"{arguments[0]}: {done.stderr.strip()}")
    assert done.returncode == 0, f"{arguments[0]}: exit status {done.returncode}: {done.stderr.strip()}"


def upto_logits(path):
    """The model without a last Softmax."""
    model = onnx.load(path)
    for last in [node for node in model.graph.node if node.op_type in ("Softmax", "LogSoftmax")][-1:]:
        del model.graph.output[:]
        model.graph.output.append(onnx.ValueInfoProto(name=last.input[0]))
    return model


def answers(path, x):
    """Of ONNX Runtime, up to a last Softmax; channels put where the file wants them."""
    model = upto_logits(path)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    if x.ndim == 4 and list(x.shape[1:]) != given.shape[1:]:
        x = np.moveaxis(x, 1, -1)
    batch = given.shape[0] if isinstance(given.shape[0], int) else 1
    return np.concatenate([session.run(None, {given.name: np.ascontiguousarray(some)})[0].reshape(batch, -1) for some in x.reshape(-1, batch, *x.shape[1:])])


def check(path, shape, folder):
    """Decibels by which the plan's answers are above what differs from the file's; Refused or AssertionError."""
    normal, int8, plan, given, calibration = (folder / name for name in ("normal.onnx", "int8.onnx", "net.plan", "x.npy", "calibration.npy"))
    as_map = lambda x: np.ascontiguousarray(np.moveaxis(x.reshape(-1, 1, *STEPS), 3, 1)) if shape == SPECTRUM else x
    x, enough = inputs(shape, TESTED, 1), ENOUGH_DB
    quantized = any(n.op_type.startswith(("QuantizeLinear", "QLinear")) for n in onnx.load(path).graph.node)
    expected = answers(path, x)
    if not quantized:
        export("normalize", path, "-o", normal)
        dims = [d.dim_value for d in onnx.load(normal).graph.input[0].type.tensor_type.shape.dim][1:]
        shaped = lambda x: as_map(x).reshape(-1, *dims)
        worst = np.abs(answers(normal, shaped(x)) - expected).max() / np.abs(expected).max()
        assert worst < 1e-4, f"the normal form is off by {worst:.1e} of the largest answer"
        samples = shaped(inputs(shape, CALIBRATION, 2))
        theirs = in_onnxruntime(quantized_by_onnxruntime(upto_logits(normal), samples, folder / "theirs.onnx"), shaped(x))
        enough = min(enough, sqnr_db(expected, theirs) - MARGIN_DB)
        np.save(calibration, samples)
        export("quantize", path, "--calibration", calibration, "-o", int8)
    np.save(given, as_map(x) if quantized else shaped(x))
    export("plan", path if quantized else int8, "-o", plan)
    export("run", plan, "--input", given, "-o", folder / "y.npy")
    decibels = sqnr_db(expected, np.load(folder / "y.npy").reshape(expected.shape))
    assert decibels >= enough, f"{decibels:.1f} dB, of which {enough:.1f} would be enough"
    return decibels


def verdict(write, shape, folder):
    path = folder / "file.onnx"
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            write(path)
    except Exception as error:
        return f"skipped: not written: {str(error).splitlines()[:1]}"
    opset = next(o.version for o in onnx.load(path).opset_import if o.domain in ("", "ai.onnx"))
    try:
        return f"passed: {check(path, shape, folder):.1f} dB, opset {opset}"
    except Refused as reason:
        return f"refused: opset {opset}: {reason}"
    except Exception as error:
        return f"WRONG: opset {opset}: {error}"


def main():
    only, counts = sys.argv[2] if len(sys.argv) > 2 else "", collections.Counter()
    for networks, packages in [(of_torch, ["torch", "onnxscript"]), (of_keras, ["keras"]), (of_scikit, ["sklearn", "skl2onnx"])]:
        if not all(map(has, packages)):
            print(f"skipped: {networks.__name__}: not all of {', '.join(packages)} are here")
            continue
        for name, shape, write in networks():
            if only in name:
                with tempfile.TemporaryDirectory() as folder:
                    text = verdict(write, shape, pathlib.Path(folder))
                counts[text.split(":")[0]] += 1
                print(f"{name} | {text}", flush=True)
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    return not counts["WRONG"]


if __name__ == "__main__":
    EXPORT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2] / "target/release/export").resolve()
    sys.exit(0 if main() else 1)
