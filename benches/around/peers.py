#!/usr/bin/env python3
"""What surrounds the network: Netra beside torch, SimpleITK, SciPy, cc3d, MONAI and NumPy on the same arrays.

    cargo build --release -p netra-around
    .venv/bin/python benches/around/peers.py --out benches/runs/DATE-MACHINE

For each stage everyone runs in turn for some rounds; a figure is the median of the times. Results are compared, so that
nobody is quick by being wrong. Writes around.json and around.md; stages that are not asked for keep their old figures.

On Linux, GLIBC_TUNABLES=glibc.malloc.hugetlb=1 in the environment gives everyone huge pages: a fresh array's first use
then costs far less. NumPy asks for them by itself.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import time
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Peers take part until they have used this much time; the slow ones run once or twice.
PATIENCE_S = 4.0
# Between one run and the next, so that no one's idle threads still spin (OpenMP's do for a while).
PAUSE_S = 0.02


class Netra:
    """Netra's process; see src/main.rs for what it answers."""

    def __init__(self, binary, inputs, threads):
        environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen([binary, inputs], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=environment)

    def ask(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline().strip()
        if not answer:
            raise SystemExit(f"netra-around ended at: {' '.join(map(str, words))}")
        return answer


def run_ms(work):
    import stages

    stages.not_counted = 0.0
    start = time.perf_counter()
    made = work()
    taken = 1e3 * (time.perf_counter() - start - stages.not_counted)
    del made
    return taken


def drop_broken(name, stage):
    """Leaves out peers that cannot run here (MONAI asks for further libraries at its calls), by name."""
    for peer, work in list(stage.peers.items()):
        try:
            work()
        except (ImportError, RuntimeError) as error:
            print(f"{name}: {peer} is left out: {error}", flush=True)
            del stage.peers[peer]


def compare(stage, netra, name, folder):
    """Share of elements that differ from the reference peer's by more than the tolerance."""
    import numpy as np
    import stages

    if stage.same not in stage.peers:
        return None
    file = folder / "result.raw"
    netra.ask("save", name, file)
    ours = np.fromfile(file, stage.kind)
    file.unlink()
    theirs = stages.array_of(stage.peers[stage.same]()).reshape(-1)
    theirs = theirs.astype(stage.kind) if theirs.dtype == bool else theirs
    if ours.size != theirs.size:
        raise SystemExit(f"{name}: {ours.size} elements, {theirs.size} by {stage.same}")
    most = stage.tolerance * float(theirs.max() - theirs.min())
    differing = float(np.mean(np.abs(ours.astype(np.float64) - theirs) > most))
    if differing > stage.differing:
        print(f"{name}: {differing:.2e} of the elements differ from {stage.same}", flush=True)
    return {"peer": stage.same, "tolerance": stage.tolerance, "share_differing": differing}


def measure(name, stage, netra, rounds):
    samples = {"netra": [], **{peer: [] for peer in stage.peers}}
    netra.ask("time", name)
    for _ in range(rounds):
        samples["netra"].append(float(netra.ask("time", name)))
        for peer, work in stage.peers.items():
            if sum(samples[peer]) < 1e3 * PATIENCE_S:
                time.sleep(PAUSE_S)
                samples[peer].append(run_ms(work))
        time.sleep(PAUSE_S)
    return samples


def summary(stage, samples, copy):
    medians = {who: statistics.median(times) for who, times in samples.items() if times}
    ours, bound = medians.pop("netra"), stage.bytes / copy / 1e6
    best = min(medians, key=medians.get, default=None)
    return {
        "title": stage.title, "netra_ms": ours, "peers_ms": medians, "best_peer": best,
        "ratio_to_best_peer": ours / medians[best] if best else None, "bytes": stage.bytes, "bound_ms": bound,
        "ratio_to_bound": ours / bound, "copy_gb_s": copy, "samples_ms": samples,
    }


def markdown(run):
    lines = [
        f"# Around the network, {run['threads']} threads", "",
        f"{run['machine']}{', ' if run['malloc'] else ''}{run['malloc']}. Medians in ms. The bound is the bytes that must move over the copying rate of "
        f"{run['threads']} threads, measured with each stage (reading and writing both count); the bars are at most 1.5 "
        "times the bound and at most 0.5 times the best peer.", "",
        "| stage | Netra | bound | / bound | best peer | its time | / peer | others |",
        "| --- | ---: | ---: | ---: | --- | ---: | ---: | --- |",
    ]
    for stage in run["stages"].values():
        best, peers = stage["best_peer"], stage["peers_ms"]
        others = ", ".join(f"{who} {ms:.0f}" for who, ms in sorted(peers.items(), key=lambda p: p[1]) if who != best)
        theirs = (best, f"{peers[best]:.1f}", f"{stage['ratio_to_best_peer']:.2f}") if best else ("none", "", "")
        lines.append(f"| {stage['title']} | {stage['netra_ms']:.1f} | {stage['bound_ms']:.1f} | "
                     f"{stage['ratio_to_bound']:.2f} | {' | '.join(theirs)} | {others} |")
    peaks = [f"{s['title']} {s['peak_mb']:.0f}" for s in run["stages"].values()]
    lines += ["", "Most memory that a run of Netra holds beside its input, MB: " + "; ".join(peaks) + ".", ""]
    lines += ["Versions: " + ", ".join(f"{name} {v}" for name, v in run["versions"].items()) + "."]
    return "\n".join(lines) + "\n"


def versions():
    found = {"python": platform.python_version()}
    for name in ["numpy", "torch", "SimpleITK", "scipy", "connected-components-3d", "monai"]:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return found


def machine():
    fields = [line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    return f"{fields[0] if fields else platform.processor()}, {os.cpu_count()} processors"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--inputs", type=Path, default=ROOT / "target/around", help="folder of the inputs (3 GB)")
    parser.add_argument("--netra", type=Path, default=ROOT / "target/release/netra-around")
    parser.add_argument("--name", default="around", help="name of the results")
    parser.add_argument("--stages", nargs="*", default=[])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    # Before any of the libraries is loaded.
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    import inputs
    import stages

    unknown = set(options.stages) - set(stages.STAGES)
    if unknown:
        parser.error(f"no stage {', '.join(unknown)}; there are: {', '.join(stages.STAGES)}")
    inputs.write(options.inputs)
    stages.threads(options.threads)
    netra = Netra(options.netra, options.inputs, options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / f"{options.name}.json"
    run = json.loads(file.read_text()) if file.exists() else {"stages": {}}
    run |= {"machine": machine(), "threads": options.threads, "malloc": os.environ.get("GLIBC_TUNABLES", "")}
    run |= {"versions": versions()}
    for name in options.stages or stages.STAGES:
        stage = stages.STAGES[name](options.inputs)
        drop_broken(name, stage)
        copy = float(netra.ask("copy"))
        result = summary(stage, measure(name, stage, netra, options.rounds), copy)
        result["peak_mb"] = float(netra.ask("peak", name)) / 1e6
        result["compared"] = compare(stage, netra, name, options.inputs)
        run["stages"][name] = result
        run["stages"] = {name: run["stages"][name] for name in stages.STAGES if name in run["stages"]}
        file.write_text(json.dumps(run, indent=1) + "\n")
        file.with_suffix(".md").write_text(markdown(run))
        print(f"{name}: {result['netra_ms']:.1f} ms, bound {result['bound_ms']:.1f}, best peer {result['best_peer']} "
              f"{result['peers_ms'].get(result['best_peer'], 0):.1f}, peak {result['peak_mb']:.0f} MB", flush=True)


if __name__ == "__main__":
    main()
