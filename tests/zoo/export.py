#!/usr/bin/env python3
"""Exports the networks of the zoo with their float64 references. Python for tests only.

    python tests/zoo/export.py [--out DIR] [--list] [NAME...]

Weights are random from a fixed seed, batch statistics are measured and then disturbed, affine parameters of all
normalisations are random: activations stay in a sane range and no output is constant. A network gets a folder with

    model.onnx   the network (weights inside)
    case.npz     input [float32], ref_0, ref_1 ... [float64]: the outputs of the torch module in double precision
    case.json    name, exporter, versions, and ONNX Runtime's own float32 error against ref, as shares of its range

What is newer than these scripts is left as it is; --force exports it again. Each runs in a process of its own.
"""

import argparse
import copy
import json
import math
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from networks import BOTH, NETWORKS

SEED = 20261123
NORMS = (torch.nn.modules.batchnorm._NormBase, torch.nn.GroupNorm, torch.nn.LayerNorm)
BATCH_NORMS = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)


def image(shape, generator):
    """Noise at four scales, unit variance: neighbours are alike, as in a scan."""
    x = torch.zeros(shape)
    mode = "bilinear" if len(shape) == 4 else "trilinear"
    for factor in (1, 4, 16, 32):
        size = [max(2, math.ceil(n / factor)) for n in shape[2:]]
        noise = torch.randn(*shape[:2], *size, generator=generator)
        x += torch.nn.functional.interpolate(noise, size=shape[2:], mode=mode, align_corners=False)
    return x / x.std()


def randomise(model, shape, generator):
    """Gives every parameter that its initialisation leaves trivial a random value, and measures batch statistics."""

    def uniform(tensor, low, high):
        tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)

    with torch.no_grad():
        for module in model.modules():
            if "Norm" in type(module).__name__ and getattr(module, "weight", None) is not None:
                uniform(module.weight, 0.6, 1.4)
                if getattr(module, "bias", None) is not None:
                    uniform(module.bias, -0.3, 0.3)
        for name, parameter in model.named_parameters():
            if "layer_scale" in name or name.endswith("gamma"):
                uniform(parameter, 0.1, 0.5)
            elif parameter.ndim >= 2 and float(parameter.abs().max()) == 0.0:
                fan_in = parameter[0].numel()
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / math.sqrt(fan_in))
            elif name.endswith("bias") and float(parameter.abs().max()) == 0.0:
                uniform(parameter, -0.1, 0.1)
        norms = [m for m in model.modules() if isinstance(m, BATCH_NORMS)]
        if not norms:
            return
        for module in norms:
            module.train()
            module.momentum = None
            module.reset_running_stats()
        for _ in range(2):
            model(image((2, *shape[1:]), generator))
        for module in norms:
            module.eval()
            mean, var = module.running_mean, module.running_var
            mean += 0.1 * torch.randn(mean.shape, generator=generator) * var.sqrt()
            var *= 0.8 + 0.45 * torch.rand(var.shape, generator=generator)


def outputs(result):
    return list(result) if isinstance(result, (tuple, list)) else [result]


def errors(got, want):
    """Largest and 99.9th percentile error over all outputs, each as a share of its output's range."""
    worst = [0.0, 0.0]
    for a, b in zip(got, want, strict=True):
        share = np.abs(a.astype(np.float64) - b).ravel() / (b.max() - b.min())
        worst = [max(worst[0], float(share.max())), max(worst[1], float(np.quantile(share, 0.999)))]
    return {"max": worst[0], "p999": worst[1]}


def export_one(name, out):
    base, _, exporter = name.partition("@")
    title, build, shape = NETWORKS[base]
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    model = build().eval()
    randomise(model, shape, generator)
    x = image(shape, generator)
    with torch.no_grad():
        want = [y.numpy() for y in outputs(copy.deepcopy(model).double()(x.double()))]
        single = [y.numpy() for y in outputs(model(x))]
    for i, y in enumerate(want):
        assert np.isfinite(y).all() and y.max() - y.min() > 1e-6, f"output {i} is constant or not finite"

    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    if exporter:
        opset = int(exporter.removeprefix("dynamo") or 18)
        torch.onnx.export(model, (x,), path, opset_version=opset, dynamo=True, external_data=False)
    else:
        opset = 17
        torch.onnx.export(model, (x,), path, opset_version=opset, dynamo=False)
    stated = next(o.version for o in onnx.load(path, load_external_data=False).opset_import if o.domain in ("", "ai.onnx"))

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    got = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    np.savez_compressed(folder / "case.npz", input=x.numpy(), **{f"ref_{i}": y for i, y in enumerate(want)})
    case = {
        "name": name,
        "title": title,
        "exporter": "dynamo" if exporter else "TorchScript",
        "opset": stated,
        "parameters": sum(p.numel() for p in model.parameters()),
        "torch_error": errors(single, want),
        "onnxruntime_error": errors(got, want),
        "versions": versions(),
    }
    (folder / "case.json").write_text(json.dumps(case, indent=1) + "\n")
    print(json.dumps({k: case[k] for k in ("name", "opset", "parameters", "onnxruntime_error", "torch_error")}))


def versions():
    from importlib.metadata import version

    names = ("torch", "torchvision", "timm", "monai", "dynamic_network_architectures", "onnx", "onnxruntime")
    return {name: version(name) for name in names}


def fresh(case):
    """Whether a case was written after these scripts."""
    scripts = (Path(__file__), Path(__file__).with_name("networks.py"))
    return case.exists() and case.stat().st_mtime > max(script.stat().st_mtime for script in scripts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(__file__).resolve().parents[2]
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("NETRA_ZOO", root / "target/zoo")))
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--force", action="store_true", help="export what is there already again")
    parser.add_argument("--here", action="store_true", help="one name, in this process")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    names = options.names or [*NETWORKS, *BOTH]
    if options.list:
        print("\n".join(names))
        return 0
    if options.here:
        warnings.simplefilter("ignore")
        export_one(names[0], options.out)
        return 0
    failed = []
    for name in names:
        if fresh(options.out / name / "case.json") and not options.force:
            continue
        command = [sys.executable, __file__, "--here", "--out", str(options.out), name]
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    if failed:
        print("failed:", ", ".join(failed), file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
