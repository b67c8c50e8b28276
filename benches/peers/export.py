#!/usr/bin/env python3
"""Exports the networks that the engines are timed on, with random weights. Python for measurements only.

    python benches/peers/export.py --out DIR [NAME...]

Writes NAME.onnx (fixed shape, batch 1, operator set 17), NAME.pt (the same weights, for torch itself) and nets.json
(shape, parameters and GFLOP of each). Weights are random from a fixed seed and batch statistics are measured, as in the
zoo, so that activations stay in a sane range: no denormals, no infinities. What is there already is left as it is;
--force exports it again. Fails when the arithmetic of a network is more than 3 % from what networks.py states.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import warnings
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from networks import NETWORKS

SEED = 20261124
OPSET = 17
TOLERANCE = 0.03


def zoo():
    """The zoo's exporter, whose calibration is used here. Its own `networks` must not shadow ours."""
    folder = Path(__file__).resolve().parents[2] / "tests/zoo"
    ours = sys.modules.pop("networks")
    sys.path.insert(0, str(folder))
    try:
        spec = importlib.util.spec_from_file_location("zoo_export", folder / "export.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
        sys.modules["networks"] = ours
    return module


def weighted(name):
    """The module with its calibrated weights."""
    network = NETWORKS[name]
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    model = network.build().eval()
    zoo().randomise(model, network.calibrate_at or network.shape, generator)
    return model


def check(name, model):
    """Runs once: the arithmetic must be what is stated, the result finite and not constant."""
    network = NETWORKS[name]
    x = torch.rand(network.shape, generator=torch.Generator().manual_seed(SEED))
    # torch's fused attention is invisible to the counter.
    torch.backends.mha.set_fastpath_enabled(False)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        y = model(x)
    gflop = counter.get_total_flops() / 1e9
    if abs(gflop / network.gflop - 1) > TOLERANCE:
        raise SystemExit(f"{name}: {gflop:.2f} GFLOP, but networks.py states {network.gflop}")
    if not torch.isfinite(y).all() or float(y.max() - y.min()) < 1e-6:
        raise SystemExit(f"{name}: the output is constant or not finite")
    return x, gflop


def export_one(name, out):
    warnings.simplefilter("ignore")
    model = weighted(name)
    x, gflop = check(name, model)
    path = out / f"{name}.onnx"
    partial = path.with_suffix(".part")
    names = {"input_names": ["input"], "output_names": ["output"]}
    torch.onnx.export(model, (x,), partial, opset_version=OPSET, dynamo=False, **names)
    weights = out / f"{NETWORKS[name].weights_of or name}.pt"
    if not weights.exists() or not NETWORKS[name].weights_of:
        torch.save(model.state_dict(), weights)
    partial.rename(path)
    entry = {
        "title": NETWORKS[name].title,
        "shape": NETWORKS[name].shape,
        "gflop": round(gflop, 3),
        "parameters": sum(p.numel() for p in model.parameters()),
        "weights": weights.name,
        "torch": torch.__version__,
    }
    listed = out / "nets.json"
    known = json.loads(listed.read_text()) if listed.exists() else {}
    known[name] = entry
    listed.write_text(json.dumps({n: known[n] for n in NETWORKS if n in known}, indent=1) + "\n")
    print(f"{name:<20} {gflop:8.2f} GFLOP {entry['parameters'] / 1e6:7.2f} M parameters", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[2] / "target/bench-nets")
    parser.add_argument("--force", action="store_true", help="export what is there already again")
    parser.add_argument("--here", action="store_true", help="one name, in this process")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NETWORKS))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    names = options.names or list(NETWORKS)
    unknown = set(names) - set(NETWORKS)
    if unknown:
        parser.error(f"no such network: {', '.join(sorted(unknown))}")
    if options.here:
        export_one(names[0], options.out)
        return 0
    failed = []
    for name in names:
        if (options.out / f"{name}.onnx").exists() and not options.force:
            continue
        # A process each: the memory of the largest goes back before the next.
        command = [sys.executable, __file__, "--here", "--out", str(options.out), name]
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    if failed:
        print("failed:", ", ".join(failed), file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
