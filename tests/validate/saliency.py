"""Heat maps and probabilities by the real binary, against ONNX Runtime and numpy.

Usage: saliency.py NETRA WORK

Makes packages around small random networks, runs them on the simulated radiograph, and compares:
- class activation maps (Parametric Map) with the features that ONNX Runtime gives, weighted in numpy;
- occlusion maps with ONNX Runtime run on each covered picture;
- the fractional Segmentation with the probabilities that ONNX Runtime gives.
A fourth, whose classes are never positive, has a map of the most probable one and no key object selection.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pydicom
from onnx import TensorProto, helper, numpy_helper

CELLS = 14  # along an axis of a picture; a patch covers two by two

MANIFEST = """format = 1
[model]
id = "{name}"
name = "{name}"
version = "1.0.0"
task = "test"
licence = "MIT"
authors = ["nobody"]
source = "https://example.org"
[ethics]
approval = "none needed"
consent = "none needed"
[intended_use]
purpose = "test"
not_for = ["anything else"]
population = "none"
user = "tests"
[network]
graph = "model.onnx"
input = "x"
output = "y"
layout = "NCHW"
channels = 1
[input]
kind = "image"
voi = "ignore"
[[preprocess]]
step = "ScaleValueRange"
b_min = -1.0
b_max = 1.0
{steps}
[output]
{output}
[memory]
peak_bytes = 1
note = "test"
"""

CLASSES = 'kind = "classification"\n' + "".join(
    f"""[[output.classes]]
label = "class {i}"
concept = {{ value = "{i}", scheme = "99TEST", meaning = "Class {i}" }}
threshold = {{ value = 0.0, version = "1" }}
"""
    for i in range(3)
)

SEGMENT = """kind = "segmentation"
[[output.segments]]
number = 1
label = "thing"
category = { value = "91723000", scheme = "SCT", meaning = "Anatomical Structure" }
property_type = { value = "39607008", scheme = "SCT", meaning = "Lung" }
colour = [255, 0, 0]
"""

TO_LABELS = """[[postprocess]]
step = "Invert"
mode = "bilinear"
[[postprocess]]
step = "AsDiscrete"
threshold = 0.5
version = "1"
"""


def network(random, end):
    """Two strided convolutions to 12 features, and an end: "linear", "hidden" or "pixels"."""
    weight = lambda *shape: (random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
    constants = {"k1": weight(8, 1, 5, 5), "k2": weight(12, 8, 3, 3), "b2": weight(12, 1)[:, 0]}
    nodes = [
        helper.make_node("Conv", ["x", "k1"], ["c1"], pads=[2] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "k2", "b2"], ["c2"], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["c2"], ["f"]),
        helper.make_node("GlobalAveragePool", ["f"], ["p"]),
        helper.make_node("Flatten", ["p"], ["v"]),
    ]
    if end == "pixels":
        constants = {"k1": weight(1, 1, 5, 5) * 6}
        nodes = [
            helper.make_node("Conv", ["x", "k1"], ["s"], pads=[2] * 4),
            helper.make_node("Sigmoid", ["s"], ["y"]),
        ]
    elif end == "linear":
        constants |= {"w": weight(3, 12) * 8, "b": weight(3, 1)[:, 0]}
        nodes += [
            helper.make_node("Gemm", ["v", "w", "b"], ["s"], transB=1),
            helper.make_node("Sigmoid", ["s"], ["y"]),
        ]
    else:
        constants |= {"w": weight(6, 12) * 8, "b": weight(6, 1)[:, 0], "w2": weight(3, 6) * 4}
        nodes += [
            helper.make_node("Gemm", ["v", "w", "b"], ["h"], transB=1),
            helper.make_node("Tanh", ["h"], ["t"]),
            helper.make_node("Gemm", ["t", "w2"], ["s"], transB=1),
            helper.make_node("Sigmoid", ["s"], ["y"]),
        ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, "h", "w"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, end, [x], [y], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return model, constants


def package(folder, model, steps, output):
    folder.mkdir()
    onnx.save(model, folder / "model.onnx")
    (folder / "card.md").write_text("# test\n")
    (folder / "LICENSE").write_text("MIT\n")
    text = MANIFEST.format(name=folder.name, steps=steps, output=output)
    for name in ["model.onnx", "card.md", "LICENSE"]:
        data = (folder / name).read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        text += f'[[files]]\npath = "{name}"\nbytes = {len(data)}\nsha256 = "{digest}"\n'
    (folder / "netra.toml").write_text(text)


def session(model, *outputs):
    """ONNX Runtime on the model, with these values as outputs."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    del model.graph.output[:]
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x[None, None]})


def enlarged(small, size):
    """Linear interpolation with pixel centres at halves; beyond the outermost centres, their values."""
    for axis, n in enumerate(size):
        m = small.shape[axis]
        at = np.clip((np.arange(n) + 0.5) * m / n - 0.5, 0, m - 1)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, m - 1)
        share = (at - low).reshape([-1 if i == axis else 1 for i in range(2)])
        small = np.take(small, low, axis) * (1 - share) + np.take(small, high, axis) * share
    return small


def occlusion(probabilities, x):
    """What each class loses, (class, cell, cell)."""
    edges = [[i * n // CELLS for i in range(CELLS + 1)] for n in x.shape]
    before = probabilities(x)
    sums, counts = np.zeros((3, CELLS, CELLS)), np.zeros((CELLS, CELLS))
    for row in range(CELLS - 1):
        for column in range(CELLS - 1):
            covered = x.copy()
            covered[edges[0][row] : edges[0][row + 2], edges[1][column] : edges[1][column + 2]] = x.mean()
            sums[:, row : row + 2, column : column + 2] += (before - probabilities(covered))[:, None, None]
            counts[row : row + 2, column : column + 2] += 1
    return sums / counts


def frames(path):
    """Class label and float values of each frame of a Parametric Map."""
    dataset = pydicom.dcmread(path)
    values = np.frombuffer(dataset.FloatPixelData, "<f4").reshape(-1, dataset.Rows, dataset.Columns)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    groups = dataset.PerFrameFunctionalGroupsSequence
    mapping = lambda group: (group if "RealWorldValueMappingSequence" in group else shared).RealWorldValueMappingSequence[0]
    return [(mapping(group).LUTExplanation, frame) for group, frame in zip(groups, values)]


def main():
    netra, work = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    run = lambda *arguments: subprocess.run([netra, *arguments], cwd=work, check=True, stdout=subprocess.PIPE, text=True)
    run("demo", "--backend", "cpu", "-o", "demo")
    source = pydicom.dcmread(work / "demo/phantom-chest.dcm")
    x = (source.pixel_array / (2**source.BitsStored - 1) * 2 - 1).astype(np.float32)
    random = np.random.default_rng(7)
    for end in ["linear", "hidden", "pixels"]:
        model, constants = network(random, end)
        pixels = end == "pixels"
        package(work / end, model, TO_LABELS if pixels else "", SEGMENT if pixels else CLASSES)
        format_ = "seg-fractional" if pixels else "pm"
        run("run", f"./{end}", "demo/phantom-chest.dcm", "-o", f"out-{end}", "--backend", "cpu", "--emit", format_)
        (out,) = (work / f"out-{end}").glob("*.dcm")
        if pixels:
            (want,) = session(model, "y")(x)
            got = pydicom.dcmread(out).pixel_array.astype(int)
            apart = np.abs(got.reshape(x.shape) - np.round(want[0, 0] * 255)).max()
            assert apart <= 1 and got.min() < 50 and got.max() > 200, (apart, got.min(), got.max())
            print(f"seg-fractional: at most {apart:.0f} of 255 apart")
            continue
        found = frames(out)
        assert len(found) == 3, [label for label, _ in found]
        if end == "linear":
            (features,) = session(model, "f")(x)
            maps = np.einsum("ck,kij->cij", constants["w"].astype(float), features[0])
        else:
            probabilities = session(model, "y")
            maps = occlusion(lambda x: probabilities(x)[0][0], x)
        for label, frame in found:
            want = enlarged(maps[int(label.split()[-1])], x.shape)
            apart, range_ = np.abs(frame - want).max(), np.abs(want).max()
            # Two roundings of a float32 probability: covering a fiftieth of the picture changes it little.
            assert apart <= 1e-3 * range_ + 2**-22, (end, label, apart, range_)
            print(f"{end}, {label}: {apart / range_:.1e} of the range apart")

    model, _ = network(np.random.default_rng(7), "linear")
    package(work / "negative", model, "", CLASSES.replace("value = 0.0", "value = 1.0"))
    done = run("run", "./negative", "demo/phantom-chest.dcm", "-o", "out", "--backend", "cpu", "--emit", "pm,ko")
    assert "nothing was found, so no ko" in done.stdout, done.stdout
    assert not list((work / "out").glob("*.ko.dcm"))
    probabilities = session(model, "y")(x)[0][0]
    assert [label for label, _ in frames(next((work / "out").glob("*.pm.dcm")))] == [f"class {probabilities.argmax()}"]
    print("negative: one map, no key object selection")


main()
