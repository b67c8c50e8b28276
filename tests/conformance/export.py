"""Writes the node tests of the `onnx` package to a folder, in a form that Netra's readers read.

    python export.py FOLDER

Each case becomes a folder: `model.onnx`, `inputs.onnx` and `expected.onnx`; the latter two are graphs without nodes whose
initialisers are the values, so that Netra reads them as it reads weights. `index.tsv` names every case: its first line
is the stamp, then one line a case (see `line`). All cases are made in one process from fixed seeds, since some
generators draw random numbers and hand the results on.
"""

import os
import random
import sys
import tempfile
import warnings

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test.case.node import collect_testcases

FORMAT = 1


def collect():
    """Every node test, in the package's order."""
    np.random.seed(0)
    random.seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return collect_testcases(None)


def kind(info):
    """The element type of a tensor (FLOAT16 ...), or `sequence`, `optional` and the like."""
    value = info.type.WhichOneof("value")
    if value == "tensor_type":
        return TensorProto.DataType.Name(info.type.tensor_type.elem_type)
    return value.removesuffix("_type")


def tensors(values, infos):
    """The values that are tensors, as TensorProto under the names of the graph."""
    for value, info in zip(values, infos, strict=True):
        if not info.type.HasField("tensor_type"):
            continue
        if not isinstance(value, TensorProto):
            value = numpy_helper.from_array(np.asarray(value))
        if value.data_type != info.type.tensor_type.elem_type:
            raise ValueError(f"{info.name}: the value is not of the declared type")
        value.name = info.name
        yield value


def write_values(path, values, infos):
    """A model without nodes that holds the tensors; no file where there are none."""
    kept = list(tensors(values, infos))
    if not kept:
        return
    outputs = [helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in kept]
    graph = helper.make_graph([], "values", [], outputs, initializer=kept)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)


def line(case, single):
    """name, operator, expanded (0, 1), rtol, atol, inputs, outputs; the last two as `name:kind,...`."""
    base = case.name.split("_expanded")[0]
    declared = [",".join(f"{i.name}:{kind(i)}" for i in infos) for infos in (case.model.graph.input, case.model.graph.output)]
    fields = [case.name, single[base], str(int(base != case.name)), repr(case.rtol), repr(case.atol), *declared]
    if any(character in field for field in fields for character in "\t\n"):
        raise ValueError(f"{case.name}: a name with a tab")
    return "\t".join(fields)


def export(folder):
    cases = collect()
    single = {c.name: c.model.graph.node[0].op_type for c in cases if "_expanded" not in c.name}
    lines = [f"onnx {onnx.__version__} format {FORMAT}"]
    for case in cases:
        home = os.path.join(folder, case.name)
        os.mkdir(home)
        graph = case.model.graph
        inputs, outputs = case.data_sets[0]
        onnx.save(case.model, os.path.join(home, "model.onnx"))
        write_values(os.path.join(home, "inputs.onnx"), inputs, graph.input)
        write_values(os.path.join(home, "expected.onnx"), outputs, graph.output)
        lines.append(line(case, single))
    with open(os.path.join(folder, "index.tsv"), "w", encoding="utf-8") as index:
        index.write("\n".join(lines) + "\n")


def main():
    target = os.path.abspath(sys.argv[1])
    parent = os.path.dirname(target)
    os.makedirs(parent, exist_ok=True)
    # Whole or not at all: two test processes may do this at once.
    with tempfile.TemporaryDirectory(dir=parent) as scratch:
        made = os.path.join(scratch, "made")
        os.mkdir(made)
        export(made)
        if os.path.isdir(target):
            os.rename(target, os.path.join(scratch, "old"))
        try:
            os.rename(made, target)
        except OSError:
            # Another process was first.
            if not os.path.isfile(os.path.join(target, "index.tsv")):
                raise


if __name__ == "__main__":
    main()
