"""The node tests of the onnx package, one operator each, through the importer.

A test of a layer becomes a network whose input is the operator's first and whose other inputs are constants; behind an operator that changes shapes stands a dense layer
with identity weights. A test of an operator that joins activations of one shape becomes a network more, which splits a map's channels into the operator's inputs. A test
of an operator that the importer computes becomes a network that adds the operator's result, over constants, to its input. Tests of element types that the road does not
carry are left out.

`export normalize` rewrites the network or refuses it with exit status 2 and a sentence; what it writes must pass onnx.checker and give the expected values in ONNX
Runtime (optimizations off) and in tract (`export run`; not behind a Softmax or an ArgMax, which it leaves off). Anything else is wrong, and one wrong test fails the
script.

    cargo build --release && python3 tests/external/node_tests.py [target/release/export] [--refused]

--refused prints why. Needs onnx (<= 1.22: later packages have no test data), onnxruntime and numpy; without them it prints "skipped" and succeeds.
"""

import collections
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime as ort
    from onnx import numpy_helper
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(0)

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(onnx.__file__).parent / "backend/test/data/node"
# What export reads; a test of a later operator set is converted down where onnx can.
NEWEST_OPSET = 25
# As the onnx package compares: some of its expected values are written to four digits.
TOLERANCE = {"rtol": 1e-3, "atol": 1e-5}
LEFT_OFF = {"Softmax", "LogSoftmax", "ArgMax"}
SHAPES = {"Concat", "Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}
LAYERS = """Abs Acos Acosh Add ArgMax Asin Asinh Atan Atanh AveragePool BatchNormalization Ceil Celu Clip Concat Conv Cos Cosh Div Dropout Elu Erf
Exp Flatten Floor Gelu Gemm GlobalAveragePool GlobalMaxPool HardSigmoid HardSwish Identity LeakyRelu Log LogSoftmax MatMul Max MaxPool Min
Mish Mul Neg PRelu Pad Pow Reciprocal ReduceMax ReduceMean Relu Reshape Round Selu Shrink Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt
Squeeze Sub Sum Swish Tan Tanh ThresholdedRelu Transpose Unsqueeze""".split()
JOINING = "Add Div Max Min Mul Sub Sum".split()
COMPUTED = """Add Cast CastLike Concat ConstantOfShape Div Exp Expand Flatten Gather Identity Max Min Mul Neg Pow Range Reciprocal Reshape Shape Slice
Sqrt Squeeze Sub Transpose Unsqueeze""".split()
CARRIED = [np.float32, np.int64, np.int32, np.int8, np.uint8, np.bool_]


class Refused(Exception):
    """The test is not for this road, or export said no."""


def tensors(folder, kind):
    files = sorted(folder.glob(f"{kind}_*.pb"), key=lambda path: int(path.stem.split("_")[1]))
    return [numpy_helper.to_array(onnx.TensorProto.FromString(path.read_bytes())) for path in files]


def operator(folder):
    """The one operator of a test; none where it is a graph of several."""
    nodes = onnx.load(folder / "model.onnx").graph.node
    return nodes[0].op_type if len(nodes) == 1 and nodes[0].domain == "" else None


def is_carried(folder):
    """Whether all that a test reads and makes is tensors of types that the road carries."""
    try:
        data = folder / "test_data_set_0"
        arrays = tensors(data, "input") + tensors(data, "output")
    except Exception:
        return False
    graph = onnx.load(folder / "model.onnx").graph
    are_tensors = all(value.type.HasField("tensor_type") for value in [*graph.input, *graph.output])
    return are_tensors and bool(arrays) and all(array.dtype in CARRIED for array in arrays)


def test_of(folder):
    """The model of a test in an operator set that is read, its inputs and its first output."""
    model = onnx.load(folder / "model.onnx")
    if next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx")) > NEWEST_OPSET:
        try:
            model = onnx.version_converter.convert_version(model, NEWEST_OPSET)
        except Exception as error:
            raise Refused("of a later operator set") from error
    given, expected = tensors(folder / "test_data_set_0", "input"), tensors(folder / "test_data_set_0", "output")
    if len(given) != len(model.graph.input):
        raise Refused("an optional input is left out")
    return model, given, expected[0]


def constants(model, arrays, first):
    """Makes the inputs from `first` on constants."""
    for value, array in zip(model.graph.input[first:], arrays[first:]):
        model.graph.initializer.append(numpy_helper.from_array(array, value.name))
    del model.graph.input[first:]


def add_dense(model, x, rows, terms=None):
    """The output of the model is `rows` of K values from here on, times the unit matrix, plus `terms`."""
    unit = numpy_helper.from_array(np.eye(rows, dtype=np.float32), "node_test.unit")
    model.graph.initializer.append(unit)
    model.graph.node.append(onnx.helper.make_node("MatMul", [x, "node_test.unit"], ["node_test.product" if terms else "node_test"]))
    if terms:
        model.graph.node.append(onnx.helper.make_node("Add", ["node_test.product", terms], ["node_test"]))
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info("node_test", onnx.TensorProto.FLOAT, ["batch", rows]))


def declare(value, dims):
    del value.type.tensor_type.shape.dim[:]
    value.type.tensor_type.shape.dim.extend([onnx.TensorShapeProto.Dimension(dim_value=d) for d in dims])


def layer(folder):
    """The operator as a network; what goes in; what should come out."""
    model, given, expected = test_of(folder)
    if not given or given[0].dtype != np.float32:
        raise Refused("its first input is not reals")
    constants(model, given, 1)
    x = given[0]
    if x.ndim == 1 and expected.ndim == 1:
        x, expected = x[None], expected[None]
        declare(model.graph.input[0], x.shape)
        declare(model.graph.output[0], expected.shape)
    if operator(folder) in SHAPES and expected.ndim > 0 and expected.shape[0] == x.shape[0]:
        rows = int(np.prod(expected.shape[1:]))
        name = model.graph.output[0].name
        model.graph.node.append(onnx.helper.make_node("Flatten", [name], ["node_test.flat"], axis=1))
        add_dense(model, "node_test.flat", rows)
        expected = expected.reshape(-1, rows)
    return model, x, expected


def joined(folder):
    """The operator over parts of one input."""
    model, given, expected = test_of(folder)
    if len(given) < 2 or any(x.dtype != np.float32 or x.shape != given[0].shape for x in given):
        raise Refused("its inputs are not two or more of one shape, of reals")
    # Maps, which are what can be split.
    as_map = lambda x: x.reshape((1,) * (x.ndim == 1) + x.shape + (1,) * (4 - max(x.ndim, 2)))
    given, expected = [as_map(x) for x in given], as_map(expected)
    declare(model.graph.output[0], expected.shape)
    names, x = [value.name for value in model.graph.input], np.concatenate(given, axis=1)
    declare(model.graph.input[0], x.shape)
    del model.graph.input[1:]
    model.graph.input[0].name = "node_test.all"
    model.graph.initializer.append(numpy_helper.from_array(np.array([part.shape[1] for part in given]), "node_test.parts"))
    model.graph.node.insert(0, onnx.helper.make_node("Split", ["node_test.all", "node_test.parts"], names, axis=1))
    return model, x, expected


def computed(folder):
    """Zeros, plus what the operator makes of constants."""
    model, given, expected = test_of(folder)
    constants(model, given, 0)
    rows = expected.size
    if rows == 0:
        raise Refused("it makes nothing")
    model.graph.input.append(onnx.helper.make_tensor_value_info("node_test.zeros", onnx.TensorProto.FLOAT, ["batch", rows]))
    name = model.graph.output[0].name
    model.graph.initializer.append(numpy_helper.from_array(np.array([-1]), "node_test.line"))
    model.graph.node.append(onnx.helper.make_node("Reshape", [name, "node_test.line"], ["node_test.row"]))
    model.graph.node.append(onnx.helper.make_node("Cast", ["node_test.row"], ["node_test.terms"], to=onnx.TensorProto.FLOAT))
    add_dense(model, "node_test.zeros", rows, "node_test.terms")
    return model, np.zeros((1, rows), np.float32), expected.astype(np.float32).reshape(1, rows)


def normalized(export, model, folder):
    source, target = folder / "in.onnx", folder / "out.onnx"
    target.unlink(missing_ok=True)
    source.write_bytes(model.SerializeToString())
    done = subprocess.run([export, "normalize", source, "-o", target], capture_output=True, text=True)
    if done.returncode == 2 and done.stderr.startswith("error: ") and "panicked" not in done.stderr:
        raise Refused(done.stderr.strip().split(": ", 2)[-1])
    if done.returncode != 0:
        raise AssertionError(f"exit status {done.returncode}: {done.stderr}")
    return target


def in_order(array, key, model, shape):
    """What the file says in its metadata of an input or output that it declares otherwise."""
    layout = {entry.key: entry.value for entry in model.metadata_props}.get(f"{key}.layout", "")
    if layout.startswith("channels first"):
        wanted = [d.dim_value for d in shape][1:]
        if list(array.shape[1:]) != wanted:
            array = np.moveaxis(array, -1, 1)
    return array


def in_onnxruntime(path, x):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def in_tract(export, path, x, folder):
    source, result = folder / "x.npy", folder / "y.npy"
    sample = list(x.shape[1:]) + [1] * (4 - x.ndim)
    np.save(source, x.reshape(len(x), *sample))
    subprocess.run([export, "run", path, "--input", source, "-o", result], check=True, capture_output=True)
    return np.load(result)


def check(export, network, scratch):
    """Nothing where the test passes; Refused or AssertionError where not."""
    model, x, expected = network
    path = normalized(export, model, scratch)
    ours = onnx.load(path)
    onnx.checker.check_model(ours, full_check=True)
    x = in_order(x, ours.graph.input[0].name, ours, ours.graph.input[0].type.tensor_type.shape.dim)
    wanted = [d.dim_value for d in ours.graph.input[0].type.tensor_type.shape.dim][1:]
    x = np.ascontiguousarray(x.reshape(-1, *wanted))
    found = in_onnxruntime(path, x)
    assert found.size == expected.size, f"{found.shape} values of {expected.shape}"
    np.testing.assert_allclose(found.reshape(expected.shape), expected, **TOLERANCE)
    last = ours.graph.node[-1].op_type
    if x.ndim <= 4 and last not in LEFT_OFF:
        again = in_tract(export, path, x, scratch)
        np.testing.assert_allclose(again.reshape(expected.shape), expected, **TOLERANCE)


def main():
    arguments = [a for a in sys.argv[1:] if a != "--refused"]
    export = pathlib.Path(arguments[0] if arguments else ROOT / "target/release/export").resolve()
    folders = sorted(DATA.glob("test_*")) if DATA.is_dir() else []
    tests = [(operator(folder), folder) for folder in folders if is_carried(folder)]
    kinds = [("", layer, LAYERS), (" of activations", joined, JOINING), (" of constants", computed, COMPUTED)]
    tests = [(name + kind, network, folder) for kind, network, names in kinds for name, folder in tests if name in names]
    if not tests:
        print(f"skipped: onnx {onnx.__version__} has no node tests with it; onnx<=1.22 has")
        return True
    counts = collections.defaultdict(collections.Counter)
    with tempfile.TemporaryDirectory() as scratch:
        for name, network, folder in tests:
            try:
                check(export, network(folder), pathlib.Path(scratch))
                counts[name]["passed"] += 1
            except Refused as reason:
                counts[name]["refused"] += 1
                if "--refused" in sys.argv:
                    print(f"refused: {folder.name} ({name}): {reason}")
            except Exception as error:
                counts[name]["wrong"] += 1
                print(f"WRONG: {folder.name} ({name}): {error}")
    total = sum(counts.values(), collections.Counter())
    for name, count in counts.items():
        print(f"  {name:32} {count['passed']:3} passed {count['refused']:3} refused {count['wrong']:3} wrong")
    wrong = total["wrong"]
    verdict = "FAILED" if wrong else "ok"
    print(f"{verdict}: node tests of onnx {onnx.__version__}: {total['passed']} passed, {total['refused']} refused, {wrong} wrong")
    return not wrong


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
