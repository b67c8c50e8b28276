"""What a run of the side-by-side comparison says: medians, ratios, a table to read."""

import math
import statistics

from engines import PEERS

# A sample counts as undisturbed when others used less than this share of the machine.
QUIET = 0.05
# What the median of undisturbed samples needs; with fewer, all samples count and the figure is marked.
ENOUGH = 3
# Ratio to the best float32 peer that the project wants, 2 threads.
BARS = {
    "mobilenet_v3_large": 0.95,
    "efficientnet_b0": 0.90,
    "efficientnet_b3": 0.90,
    "densenet121": 0.90,
    "resnet50": 0.90,
    "unet2d_256": 0.65,
    "vit_b_16": 0.95,
    "meshnet_64": 0.45,
    "meshnet_128": 0.45,
    "nnunet_96": 0.50,
    "nnunet_128": 0.50,
    "segresnet_96": 0.45,
    "swin_unetr24_96": 0.75,
}


def settle(samples):
    """Median (ms) over samples, undisturbed ones where there are enough; whether that was so; mean foreign load."""
    quiet = [s["ms"] for s in samples if s["foreign"] < QUIET]
    enough = len(quiet) >= ENOUGH
    chosen = quiet if enough else [s["ms"] for s in samples]
    return {
        "median_ms": statistics.median(chosen),
        "undisturbed": enough,
        "foreign": statistics.fmean(s["foreign"] for s in samples),
    }


def error(sample, reference):
    """Largest difference between two engines' output samples, as a share of the reference's range."""
    if not sample or not reference or len(sample) != len(reference):
        return None
    spread = max(reference) - min(reference)
    return max(abs(a - b) for a, b in zip(sample, reference)) / spread if spread else None


def add_ratios(network):
    """Names the best float32 peer of a network's results and Netra's ratios to it."""
    engines = network["engines"]
    peers = {name: engines[name]["median_ms"] for name in PEERS if "median_ms" in engines.get(name, {})}
    reference = engines.get("onnxruntime", {}).get("sample")
    for result in engines.values():
        result["error_vs_onnxruntime"] = error(result.get("sample"), reference)
    if not peers:
        return
    network["best_f32_peer"] = min(peers, key=peers.get)
    for name, result in engines.items():
        if "median_ms" in result:
            result["ratio_to_best_f32"] = result["median_ms"] / min(peers.values())


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(v) for v in values)) if values else None


def figure(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(heading, networks, names, cell):
    lines = [f"\n## {heading}\n", "| network | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(names)]
    for name, network in networks.items():
        cells = (cell(network["engines"].get(engine, {})) for engine in names)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def markdown(document):
    """The whole report."""
    settings, networks = document["settings"], document["networks"]
    names = [e for e in settings["engines"] if any("median_ms" in n["engines"].get(e, {}) for n in networks.values())]
    lines = [f"# Side by side, {settings['date']}, {settings['processor']}, {settings['threads']} threads\n"]
    lines.append(
        f"{settings['rounds']} interleaved rounds, medians. `~`: fewer than {ENOUGH} samples with less than "
        f"{QUIET:.0%} of the machine used by others; all samples count then. Versions: "
        + ", ".join(f"{k} {v}" for k, v in settings["versions"].items())
        + "."
    )

    def warm(result):
        if "median_ms" not in result:
            return "-"
        mark = "" if result["undisturbed"] else "~"
        return figure(result["median_ms"]) + mark

    lines += table("Warm run, ms", networks, names, warm)
    lines.append("\n## Netra against the best float32 peer\n")
    ours = [e for e in names if e.startswith("netra")]
    lines.append("| network | GFLOP | best peer | bar | " + " | ".join(f"{e} | of OpenVINO bf16" for e in ours) + " |")
    lines.append("| --- | --- | --- | --- |" + " --- | --- |" * len(ours))
    for name, network in networks.items():
        bf16 = network["engines"].get("openvino-bf16", {}).get("median_ms")
        row = [name, figure(network["gflop"]), network.get("best_f32_peer", "-"), figure(BARS.get(name))]
        for engine in ours:
            result = network["engines"].get(engine, {})
            row.append(figure(result.get("ratio_to_best_f32")))
            row.append(figure(result["median_ms"] / bf16 if bf16 and "median_ms" in result else None))
        lines.append("| " + " | ".join(row) + " |")
    for engine in ours:
        ratios = [n["engines"].get(engine, {}).get("ratio_to_best_f32") for n in networks.values()]
        ratios = [r for r in ratios if r]
        lines.append(f"\nGeometric mean of {engine} over {len(ratios)} networks: {figure(geometric_mean(ratios))}")
    for heading, key in (
        ("Peak resident memory of the process, MB (Python's include the interpreter)", "peak_rss_mb"),
        ("Load, ms", "load_ms"),
        ("Cold start, process spawn to first result, ms", "cold_ms"),
        ("CPU used by others during samples, % of the machine", "foreign_percent"),
    ):
        lines += table(heading, networks, names, lambda result: figure(result.get(key)))
    lines.append("\n## Output samples against ONNX Runtime's, share of range\n")
    for name, network in networks.items():
        found = ((e, r.get("error_vs_onnxruntime")) for e, r in network["engines"].items())
        lines.append(f"- {name}: " + ", ".join(f"{e} {v:.1e}" for e, v in found if v is not None))
    missing = [
        f"- {name}, {engine}: {result['missing']}"
        for name, network in networks.items()
        for engine, result in network["engines"].items()
        if "missing" in result
    ]
    return "\n".join([*lines, *(["\n## Not run\n", *missing] if missing else [])]) + "\n"
