#!/usr/bin/env python3
"""Netra's CPU backend beside ONNX Runtime, on the shared models, in one run.

Rounds alternate between the engines, so that whatever else loads the machine loads both. Each engine runs in its own
process per model and round, is warmed up once, and is then timed for at least `--seconds`. The figure of a round is
its median; the figure of an engine is the median over rounds. Raw figures go to --out as JSON.

    cargo build --release -p netra-cli
    .venv/bin/python benches/peers/side_by_side.py --assets ../shared/assets --out benches/runs/DATE-MACHINE
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

# Network, input shape.
MODELS = [
    ("brain_meshnet_brainchop/model5_gw_ae.onnx", (1, 1, 64, 64, 64)),
    ("brain_meshnet_brainchop/model18cls.onnx", (1, 1, 64, 64, 64)),
    ("brain_meshnet_brainchop/model21_104class.onnx", (1, 1, 64, 64, 64)),
    ("brain_hippodeep/head.onnx", (1, 1, 64, 64, 64)),
    ("brain_hippodeep/hippo.onnx", (1, 1, 48, 72, 64)),
    ("brain_extract_deepbet/model.onnx", (1, 1, 128, 128, 128)),
    ("cxr_lungseg_lungair/model.onnx", (1, 1, 256, 256)),
    ("retina_vessels_lwnet/wnet_drive.onnx", (1, 3, 512, 512)),
    ("retina_vessels_lwnet/big_wnet_drive_av.onnx", (1, 3, 512, 512)),
    ("mednist_gan_monai/model.onnx", (1, 64)),
]


def time_onnxruntime(path, shape, seconds, threads):
    import numpy
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    x = (numpy.arange(numpy.prod(shape)) % 251 / 250).astype(numpy.float32).reshape(shape)
    session.run(None, {name: x})
    samples = []
    started = time.perf_counter()
    while time.perf_counter() - started < seconds or len(samples) < 3:
        before = time.perf_counter()
        session.run(None, {name: x})
        samples.append((time.perf_counter() - before) * 1e3)
    return statistics.median(samples)


def onnxruntime_round(path, shape, seconds, threads):
    """One round in a process of its own."""
    code = (
        "import sys, json; sys.path.insert(0, sys.argv[1]); from side_by_side import time_onnxruntime as t;"
        "print(t(sys.argv[2], tuple(json.loads(sys.argv[3])), float(sys.argv[4]), int(sys.argv[5])))"
    )
    arguments = [str(Path(__file__).parent), str(path), json.dumps(shape), str(seconds), str(threads)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True)
    return float(done.stdout)


def netra_round(binary, path, shape, runs):
    command = [binary, "bench", str(path), "--shape", ",".join(map(str, shape)), "--runs", str(runs), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assets", type=Path, default=Path("../shared/assets"))
    parser.add_argument("--netra", default="target/release/netra")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = []
    print(f"{'model':<46} {'ORT ms':>9} {'Netra ms':>9} {'ratio':>6}")
    for name, shape in MODELS:
        path = options.assets / "models" / name
        peer, ours = [], []
        for _ in range(options.rounds):
            peer.append(onnxruntime_round(path, shape, options.seconds, options.threads))
            runs = max(3, int(options.seconds * 1e3 / peer[-1]))
            ours.append(netra_round(options.netra, path, shape, min(runs, 500)))
        medians = [round_["median_ms"] for round_ in ours]
        row = {
            "model": name,
            "shape": shape,
            "onnxruntime_ms": statistics.median(peer),
            "netra_ms": statistics.median(medians),
            "onnxruntime_rounds": peer,
            "netra_rounds": ours,
        }
        row["ratio"] = row["netra_ms"] / row["onnxruntime_ms"]
        rows.append(row)
        print(f"{name:<46} {row['onnxruntime_ms']:9.2f} {row['netra_ms']:9.2f} {row['ratio']:6.2f}", flush=True)
    if options.out:
        import onnxruntime

        options.out.mkdir(parents=True, exist_ok=True)
        settings = {
            "date": datetime.date.today().isoformat(),
            "machine": platform.platform(),
            "processor": next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if "model name" in l), ""),
            "cores": os.cpu_count(),
            "threads": options.threads,
            "rounds": options.rounds,
            "onnxruntime": onnxruntime.__version__,
        }
        target = options.out / "side_by_side.json"
        target.write_text(json.dumps({"settings": settings, "rows": rows}, indent=1) + "\n")
        print(f"wrote {target}")


if __name__ == "__main__":
    main()
