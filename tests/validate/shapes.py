"""Reads the files of a folder with pydicom and DCMTK's dcmdump, and prints for each: name, whether pydicom gives the texts and
frames of the JSON file beside it, whether dcmdump reports no error (`absent` where it is not installed), and why not."""
import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pydicom

FOLDER = Path(sys.argv[1])
warnings.simplefilter("ignore")


def text(data, path):
    for tag in path[:-1]:
        data = data[tag].value[0]
    value = data[path[-1]].value
    values = value if isinstance(value, (list, pydicom.multival.MultiValue)) else [value]
    return "\\".join(str(v) for v in values).strip(" \0")


def same(got, wanted):
    """Numbers may be written in another way."""
    try:
        return [float(v) for v in got.split("\\")] == [float(v) for v in wanted.replace("D", "E").split("\\")]
    except ValueError:
        return got == wanted


def pydicom_reads(path, wanted):
    data = pydicom.dcmread(path, force=True)
    for tags, value in wanted["texts"]:
        got = text(data, tags)
        if not same(got, value):
            return f"{tags[-1]:08x} is {got!r}"
    if not wanted["frames"]:
        return ""
    frames = np.asarray(wanted["frames"])
    pixels = data.pixel_array
    if pixels.size != frames.size or not np.array_equal(pixels.reshape(frames.shape), frames):
        return "other pixels"
    return ""


def why_not(path, wanted):
    try:
        return pydicom_reads(path, wanted)
    except Exception as e:  # whatever it is, the file was not read
        return f"{type(e).__name__}: {e}"


dcmdump = shutil.which("dcmdump")
for path in sorted(FOLDER.glob("*.dcm")):
    wanted = json.loads(path.with_suffix(".json").read_text())
    reason = why_not(path, wanted).replace("\n", " ")
    dcmtk, complaint = "absent", ""
    if dcmdump:
        done = subprocess.run([dcmdump, "-q", path], capture_output=True)
        errors = [line for line in done.stderr.decode("latin-1").splitlines() if line.startswith(("E:", "F:"))]
        dcmtk = str(done.returncode == 0 and not errors).lower()
        complaint = (errors or [""])[0]
    print(path.stem, str(not reason).lower(), dcmtk, f"{reason} {complaint}".strip(), sep=",")
