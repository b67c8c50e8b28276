#!/usr/bin/env python3
"""A case of the zoo from any 2-D ONNX file, without torch: the reference is onnx's own evaluator in float64.

    python tests/zoo/reference.py MODEL.onnx 1,1,64,64 OUT/NAME

Needs onnx and onnxruntime only (tests/requirements.txt). Weights and constants are widened to float64 before the
evaluator runs; ONNX Runtime runs the file as it is. OUT/NAME gets what export.py writes.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import AttributeProto, TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator


def errors(got, want):
    """Largest and 99.9th percentile error over all outputs, each as a share of its output's range."""
    shares = [np.abs(a.astype(np.float64) - b).ravel() / (b.max() - b.min()) for a, b in zip(got, want, strict=True)]
    return {"max": max(float(s.max()) for s in shares), "p999": max(float(np.quantile(s, 0.999)) for s in shares)}


def widen(graph):
    """Makes every float32 of a graph without subgraphs a float64, in place."""
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            wide = numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR and attribute.t.data_type == TensorProto.FLOAT:
                wide = numpy_helper.to_array(attribute.t).astype(np.float64)
                attribute.t.CopyFrom(numpy_helper.from_array(wide))
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE
    for value in [*graph.input, *graph.output, *graph.value_info]:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE


def main(path, sizes, folder):
    path, folder = Path(path), Path(folder)
    model = onnx.load(path)
    parameters = sum(int(np.prod(t.dims)) for t in model.graph.initializer if t.data_type == TensorProto.FLOAT)
    opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    shape = [int(size) for size in sizes.split(",")]
    x = np.random.default_rng(20261123).standard_normal(shape).astype(np.float32)
    name = model.graph.input[0].name
    # Fixed sizes in the file would refuse a smaller picture.
    for dim, size in zip(model.graph.input[0].type.tensor_type.shape.dim, shape, strict=True):
        dim.dim_value = size
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    got = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"]).run(None, {name: x})
    widen(model.graph)
    want = ReferenceEvaluator(model).run(None, {name: x.astype(np.float64)})
    np.savez_compressed(folder / "case.npz", input=x, **{f"ref_{i}": y for i, y in enumerate(want)})
    case = {
        "name": folder.name,
        "title": path.name,
        "exporter": "as published",
        "opset": opset,
        "parameters": parameters,
        "torch_error": errors(got, want),
        "onnxruntime_error": errors(got, want),
        "versions": {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__},
    }
    (folder / "case.json").write_text(json.dumps(case, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
