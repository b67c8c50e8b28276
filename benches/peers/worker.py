#!/usr/bin/env python3
"""A Python peer as a worker: loads a network, then answers each line `run N` on standard input with the times of N runs.

    worker.py ENGINE NETWORK.onnx SIZES THREADS      (SIZES: 1,3,224,224)

The same protocol as `netra bench --serve` and the Rust peers: one JSON document a line, the first when the network is
ready and has run once. Kept free of imports that an engine does not need: they would count in its memory and cold start.
"""

import json
import sys
import time
from pathlib import Path

import numpy  # noqa: E402  (its import counts)

SAMPLES = 64


def onnxruntime(path, shape, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})[0]


def openvino(path, shape, threads, **settings):
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, **settings}
    request = core.compile_model(path, "CPU", settings).create_infer_request()

    def run(x):
        # Neither side is copied: the figure is the engine's.
        request.infer([openvino.Tensor(x, shared_memory=True)], share_inputs=True, share_outputs=True)
        return request.get_output_tensor(0).data

    return run


def openvino_f32(path, shape, threads):
    return openvino(path, shape, threads, INFERENCE_PRECISION_HINT="f32")


def ncnn(path, shape, threads):
    """ncnn on pnnx's conversion, which the runner has made beside the network."""
    import ncnn

    stem = Path(path).with_suffix("")
    network = ncnn.Net()
    network.opt.num_threads = threads
    # Float32 throughout, as the other engines here; the defaults store activations in 16 bits where that is quicker.
    for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(network.opt, option, False)
    if network.load_param(f"{stem}.ncnn.param") or network.load_model(f"{stem}.ncnn.bin"):
        raise SystemExit("ncnn cannot load the conversion")

    def run(x):
        extractor = network.create_extractor()
        extractor.input("in0", ncnn.Mat(x[0]))
        code, y = extractor.extract("out0")
        if code:
            raise SystemExit(f"ncnn fails with {code}")
        return numpy.array(y, copy=False)

    return run


def torch_model(path, threads):
    import torch

    from networks import NETWORKS

    torch.set_num_threads(threads)
    name = Path(path).stem
    network = NETWORKS[name]
    weights = Path(path).with_name(f"{network.weights_of or name}.pt")
    model = network.build().eval()
    model.load_state_dict(torch.load(weights, weights_only=True))
    return torch, model


def torch(path, shape, threads):
    torch, model = torch_model(path, threads)

    def run(x):
        with torch.inference_mode():
            return model(torch.from_numpy(x)).numpy()

    return run


def torch_cuda(path, shape, threads, tf32=False, half=False):
    """Eager, with the input's way to the device and the output's way back, as Netra's runs have them."""
    torch, model = torch_model(path, threads)
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True
    kind = torch.float16 if half else torch.float32
    model = model.to("cuda", kind)

    def run(x):
        with torch.inference_mode():
            return model(torch.from_numpy(x).to("cuda", kind)).float().cpu().numpy()

    return run


def torch_cuda_tf32(path, shape, threads):
    return torch_cuda(path, shape, threads, tf32=True)


def torch_cuda_f16(path, shape, threads):
    return torch_cuda(path, shape, threads, half=True)


ENGINES = {
    "onnxruntime": onnxruntime,
    "openvino-f32": openvino_f32,
    "openvino-bf16": openvino,
    "ncnn": ncnn,
    "torch": torch,
    "torch-cuda": torch_cuda,
    "torch-cuda-tf32": torch_cuda_tf32,
    "torch-cuda-f16": torch_cuda_f16,
}


def timed(run, x):
    before = time.perf_counter()
    y = run(x)
    return y, (time.perf_counter() - before) * 1e3


def answer(document):
    print(json.dumps(document), flush=True)


def main():
    engine, path, sizes, threads = sys.argv[1:5]
    shape = [int(n) for n in sizes.split(",")]
    x = (numpy.arange(numpy.prod(shape)) % 251 / numpy.float32(250)).astype(numpy.float32).reshape(shape)
    loading = time.perf_counter()
    run = ENGINES[engine](path, shape, int(threads))
    load_ms = (time.perf_counter() - loading) * 1e3
    y, first_ms = timed(run, x)
    flat = numpy.asarray(y).reshape(-1)
    sample = [float(flat[i * flat.size // SAMPLES]) for i in range(SAMPLES)]
    del y, flat
    answer({"ready": True, "load_ms": load_ms, "first_ms": first_ms, "sample": sample})
    for line in sys.stdin:
        order, _, count = line.strip().partition(" ")
        if order != "run" or not count.isdigit():
            raise SystemExit(f"'{line.strip()}' is no order; there is: run N")
        answer({"ms": [timed(run, x)[1] for _ in range(int(count))]})


if __name__ == "__main__":
    main()
