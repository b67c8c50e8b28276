#!/usr/bin/env python3
"""Netra beside other engines, over the networks that export.py makes, in interleaved rounds.

    cargo build --release -p netra-cli
    cargo build --release --manifest-path benches/peers/rust/Cargo.toml
    .venv/bin/python benches/peers/export.py --out target/bench-nets
    .venv/bin/python benches/peers/side_by_side.py --nets target/bench-nets --threads 2 --out benches/runs/DATE-MACHINE

A worker process for each engine has the network loaded; in each round every worker in turn does a few runs (about
--seconds), in an order that rotates. A sample is the median of those runs, with the share of the machine that other
processes used meanwhile; a figure is the median of samples. Engines that are missing are skipped by name. With --assets
the shared models are timed as well. Writes side_by_side-tN.json (every sample) and side_by_side-tN.md.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from engines import ENGINES, ROOT, USUAL, Missing, Task
from report import add_ratios, markdown, settle
from workers import Failed, Worker

# Shared models: file and input shape.
ASSETS = [
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
# A worker is not started when less memory than this is left: the run would measure swapping, or end.
SPARE_BYTES = 3e9


def tasks(options):
    """The networks asked for, with their GFLOP where known."""
    common = (options.threads, options.netra, options.rust_peers)
    listed = options.nets / "nets.json"
    known = json.loads(listed.read_text()) if listed.exists() else {}
    found = [(Task(n, options.nets / f"{n}.onnx", tuple(e["shape"]), *common), e["gflop"]) for n, e in known.items()]
    if options.assets:
        models = options.assets / "models"
        found += [(Task(Path(n).with_suffix("").as_posix(), models / n, s, *common), None) for n, s in ASSETS]
    names = [task.name for task, _ in found]
    for name in options.networks:
        if name not in names:
            sys.exit(f"no network {name}; there are: {', '.join(names)}")
    return [(task, gflop) for task, gflop in found if not options.networks or task.name in options.networks]


def available_bytes():
    fields = dict(line.split(":", 1) for line in open("/proc/meminfo"))
    return int(fields["MemAvailable"].split()[0]) * 1024


def start(engine, task, options):
    """A warm worker, and what its starts took."""
    command = ENGINES[engine](task)
    if available_bytes() < SPARE_BYTES:
        raise Missing("too little memory is left")
    cold = []
    for _ in range(options.cold - 1):
        again = Worker(command, task.threads, options.timeout)
        cold.append(again.cold_ms)
        again.close()
    worker = Worker(command, task.threads, options.timeout)
    cold.append(worker.cold_ms)
    try:
        warm = statistics.median(worker.run(1)[0])
    except Failed:
        worker.close()
        raise
    result = {
        "load_ms": worker.ready["load_ms"],
        "first_ms": worker.ready["first_ms"],
        "cold_ms": statistics.median(cold),
        "cold_rounds": cold,
        "runs_in_sample": max(1, min(200, round(options.seconds * 1e3 / warm))),
        "sample": worker.ready.get("sample"),
        "samples": [],
    }
    return worker, result


def measure(task, options):
    """All engines on one network."""
    results, workers = {}, {}
    try:
        for engine in options.engines:
            try:
                workers[engine], results[engine] = start(engine, task, options)
            except (Missing, Failed) as reason:
                results[engine] = {"missing": str(reason)}
        for round_ in range(options.rounds):
            order = list(workers)
            turn = round_ % max(1, len(order))
            for engine in order[turn:] + order[:turn]:
                try:
                    times, foreign = workers[engine].run(results[engine]["runs_in_sample"])
                except Failed as reason:
                    workers.pop(engine).close()
                    results[engine] = {"missing": str(reason)}
                    continue
                sample = {"ms": statistics.median(times), "foreign": foreign, "all_ms": times}
                results[engine]["samples"].append(sample)
        for engine, worker in workers.items():
            results[engine]["peak_rss_mb"] = worker.peak_rss_mb()
            results[engine] |= settle(results[engine]["samples"])
            results[engine]["foreign_percent"] = results[engine]["foreign"] * 100
    finally:
        for worker in workers.values():
            worker.close()
    return results


def settings(options):
    def commit():
        done = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
        return done.stdout.strip()

    def version(name):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            return None

    names = ("onnxruntime", "openvino", "ncnn", "torch")
    return {
        "date": datetime.date.today().isoformat(),
        "machine": platform.platform(),
        "processor": next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if "model name" in line), ""),
        "cores": os.cpu_count(),
        "threads": options.threads,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "engines": options.engines,
        "versions": {"netra (repository)": commit()} | {n: version(n) for n in names if version(n)},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    listed = {"type": lambda text: text.split(","), "metavar": "NAME,..."}
    parser.add_argument("--nets", type=Path, default=ROOT / "target/bench-nets", help="folder that export.py filled")
    parser.add_argument("--assets", type=Path, help="folder of the shared assets, to time their models as well")
    parser.add_argument("--netra", type=Path, default=ROOT / "target/release/netra")
    parser.add_argument("--rust-peers", type=Path, default=ROOT / "benches/peers/rust/target/release/rust-peers")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--networks", default=[], help="all by default", **listed)
    parser.add_argument("--engines", default=USUAL, help=", ".join(ENGINES), **listed)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--cold", type=int, default=3, help="cold starts of each engine")
    parser.add_argument("--seconds", type=float, default=0.3, help="of runs in a sample; at least one run")
    parser.add_argument("--timeout", type=float, default=600, help="seconds that a worker may take to answer")
    parser.add_argument("--out", type=Path, help="folder for the results")
    options = parser.parse_args()
    if min(options.rounds, options.threads, options.cold) < 1:
        parser.error("rounds, threads and cold starts are at least 1")
    unknown = set(options.engines) - set(ENGINES)
    if unknown:
        parser.error(f"no such engine: {', '.join(sorted(unknown))}")
    document = {"settings": settings(options), "networks": {}}
    for task, gflop in tasks(options):
        network = {"shape": task.shape, "gflop": gflop, "engines": measure(task, options)}
        add_ratios(network)
        document["networks"][task.name] = network
        told = (f"{e} {r['median_ms']:.2f}" for e, r in network["engines"].items() if "median_ms" in r)
        print(f"{task.name}: " + ", ".join(told), flush=True)
        if options.out:
            # After each network, so that a run that is cut off leaves what it has.
            options.out.mkdir(parents=True, exist_ok=True)
            stem = options.out / f"side_by_side-t{options.threads}"
            stem.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")
            stem.with_suffix(".md").write_text(markdown(document))
    if not options.out:
        print(markdown(document))


if __name__ == "__main__":
    main()
