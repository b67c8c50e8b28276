"""Times a CT series of each transfer syntax to a float32 volume: Netra beside pydicom (with its plugins) and SimpleITK.

usage: peers.py SERIES [--rounds N] [--threads N] [--syntaxes raw,rle,...] [--out FILE.json]

SERIES is what make.py wrote. In every round each reader in turn reads the series once; the page cache is warm. Netra's time is
that of `cargo run --release -p netra-dicom --example series`, from opening the folder to the finished volume.
"""
import argparse
import json
import os
import statistics
import subprocess
import time
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK

parser = argparse.ArgumentParser()
parser.add_argument("series", type=Path)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--syntaxes", default="raw,rle,jpll,jls,j2k")
parser.add_argument("--netra", default=os.environ.get("CARGO_TARGET_DIR", "target") + "/release/examples/series")
parser.add_argument("--out", type=Path)
options = parser.parse_args()
SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(options.threads)


def netra(folder):
    environment = os.environ | {"RAYON_NUM_THREADS": str(options.threads)}
    done = subprocess.run([options.netra, folder, "1"], env=environment, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[0])


def timed(read):
    def run(folder):
        start = time.perf_counter()
        read(folder)
        return 1e3 * (time.perf_counter() - start)

    return run


def with_pydicom(folder):
    slices = sorted((pydicom.dcmread(f) for f in Path(folder).iterdir()), key=lambda s: s.ImagePositionPatient[2])
    volume = np.empty((len(slices), slices[0].Rows, slices[0].Columns), np.float32)
    for out, one in zip(volume, slices):
        np.multiply(one.pixel_array, np.float32(one.RescaleSlope), out=out)
        out += np.float32(one.RescaleIntercept)
    return volume


def with_simpleitk(folder):
    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    return SimpleITK.ReadImage(names, SimpleITK.sitkFloat32)


readers = {"netra": netra, "pydicom": timed(with_pydicom), "SimpleITK": timed(with_simpleitk)}
results = {}
for syntax in options.syntaxes.split(","):
    times = {name: [] for name in readers}
    for round in range(options.rounds + 1):
        for name, read in readers.items():
            taken = read(options.series / syntax)
            if round > 0:  # the first fills caches and loads libraries
                times[name].append(taken)
    results[syntax] = times
    medians = {name: statistics.median(t) for name, t in times.items()}
    best = min(v for name, v in medians.items() if name != "netra")
    text = ", ".join(f"{name} {v:.0f} (best {min(times[name]):.0f})" for name, v in medians.items())
    print(f"{syntax}: {text} ms; netra is {medians['netra'] / best:.2f} of the best peer", flush=True)
if options.out:
    options.out.write_text(json.dumps({"threads": options.threads, "load": os.getloadavg(), "times_ms": results}, indent=1))
