"""Compares `netra convert` with dcm2niix and SimpleITK: affine within 1e-4 mm, values exactly, on every series.

usage: geometry.py NETRA [ASSETS [NAME...]]

NETRA: the binary. ASSETS: the folder of shared scans; without it the series of pydicom-data and the handmade ones remain.
NAME: only cases whose name contains one of these.

Where the two peers agree, Netra must give the same. Every other case must have its row in geometry_known.csv, with the
reason, and every row its case: a new disagreement fails, and so does one that has gone. What Netra refuses is converted
once more with `--policy correct`, and compared with what dcm2niix makes of it by itself (`_Tilt`, `_Eq`). Values of lossy
codecs may differ by 4 grey levels: no two decoders round alike.
"""

import collections
import csv
import fnmatch
import json
import pathlib
import sys
import tempfile
import warnings

import numpy as np
import pydicom

import geometry_corpus
import geometry_peers as peers
import geometry_synthetic

KNOWN = pathlib.Path(__file__).with_name("geometry_known.csv")
LOSSY = {f"1.2.840.10008.1.2.4.{code}" for code in (50, 51, 53, 55, 81, 91, 112, 203)}
# A slope that NIfTI rounds to float32.
ROUNDED = 2.0**-22


def attempt(read, *arguments):
    """Readings, or why there are none."""
    try:
        return read(*arguments), None
    except peers.Refused as refusal:
        return None, str(refusal)


def slack(files):
    """What values of these files may differ by: 4 grey levels after a lossy codec."""
    header = pydicom.dcmread(files[0], stop_before_pixels=True, force=True)
    lossy = header.get("file_meta", {}).get("TransferSyntaxUID", "") in LOSSY
    return 4 * abs(float(header.get("RescaleSlope") or 1)) if lossy else 0.0


def judge(binary, files, out):
    """For each policy that was run: its name, what the peers are to each other, what Netra is to them, what was said."""
    niix, niix_refusal = attempt(peers.dcm2niix, files, out)
    itk, itk_refusal = attempt(peers.simpleitk, files, out)
    said = [f"{who}: {refusal}" for who, refusal in (("dcm2niix", niix_refusal), ("simpleitk", itk_refusal)) if refusal]
    room = slack(files)
    fixed = [reading for reading in niix or [] if "_Tilt" in reading.name or "_Eq" in reading.name]
    plain = [reading for reading in niix or [] if not any(reading is one for one in fixed)]
    if plain and itk:
        difference = peers.match(plain, itk, room, ROUNDED)
        relation = "agree" if difference is None else "differ"
        said += [f"peers: {difference}"] if difference else []
    else:
        relation = "dcm2niix only" if plain else "simpleitk only" if itk else "none"
    said += ["dcm2niix corrected the stack"] if fixed else []
    for policy, theirs in (("refuse", plain), ("correct", fixed or plain)):
        ours, refusal = attempt(peers.netra, binary, files, out, policy)
        told = list(said)
        alike = []
        # dcm2niix rounds what it interpolates, and its slope.
        for who, others, spare, relative in (
            ("simpleitk", itk, room, 0),
            ("dcm2niix", theirs, 0.51 if theirs is fixed else room, 0 if relation == "agree" else ROUNDED),
        ):
            difference = peers.match(ours, others, spare, relative) if ours and others else None
            told += [f"netra and {who}: {difference}"] if difference else []
            alike += [who] if ours and others and difference is None else []
        told += [f"netra: {refusal}"] if refusal else []
        # Where the two agree but for the rounding of a slope, one of them has the exact values.
        alike = ["same"] if alike and relation == "agree" else alike
        yield policy, relation, "refused" if refusal else (alike + ["other"])[0], told
        if not refusal:
            return


def main(arguments):
    warnings.filterwarnings("ignore", module="pydicom")
    binary = pathlib.Path(arguments[0]).resolve()
    assets = pathlib.Path(arguments[1]) if len(arguments) > 1 else None
    wanted = arguments[2:]
    with open(KNOWN, newline="") as opened:
        known = list(csv.DictReader(opened))
    used, counts, wrong = collections.Counter(), collections.Counter(), []
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        cases = geometry_corpus.found(assets, scratch) + geometry_synthetic.made(scratch)
        cases = [case for case in cases if not wanted or any(part in case[0] for part in wanted)]
        for name, files in cases:
            for policy, relation, ours, said in judge(binary, files, scratch / "work"):
                counts[policy, relation, ours] += 1
                found = (policy, relation, ours)
                row = next((i for i, row in enumerate(known) if fits(row, name, found)), None)
                used.update([] if row is None else [row])
                fine = found == ("refuse", "agree", "same") or row is not None
                wrong += [] if fine else [f"{name} ({policy})"]
                print(f"{'ok' if fine else 'NEW':3} {policy:7} {relation:14} {ours:9} {name}", flush=True)
                for line in said if not fine else [known[row]["reason"]] if row is not None else []:
                    print(f"        {line}")
            peers.clear(scratch / "work")
        if not wanted:
            wrong += linear(binary, scratch / "linear")
    print()
    for (policy, relation, ours), count in sorted(counts.items()):
        print(f"{count:4}  policy {policy:8} peers: {relation:14} netra: {ours}")
    idle = [row["case"] for i, row in enumerate(known) if not used[i] and (assets or is_everywhere(row))]
    if wrong:
        print(f"{len(wrong)} cases without a row in {KNOWN.name}: {', '.join(wrong)}")
    if idle and not wanted:
        print(f"{len(idle)} rows without a case: {', '.join(idle)}")
    return 1 if wrong or (idle and not wanted) else 0


def linear(binary, scratch):
    """Names of what fails: series whose values are a linear function of the place in the patient. Whatever grid they are
    brought to, every voxel that the report traces to stored pixels must have the value of its place."""
    wrong = []
    for name, files, function in geometry_synthetic.linear(scratch):
        [volume] = peers.netra(binary, files, scratch / "work", "correct")
        report = json.loads((scratch / "work" / "netra-correct" / "out.nii.audit.json").read_text())
        i, j, k = np.indices(volume.values.shape)
        place = np.tensordot(volume.affine[:3, :3], np.stack([i, j, k]), 1) + volume.affine[:3, 3].reshape(3, 1, 1, 1)
        traced = np.ones(volume.values.shape, bool)
        for number, told in enumerate(report["slices"]):
            for source in told["sources"]:
                down, across = source.get("offset", (0, 0))
                row, column = j[:, :, number] + down, i[:, :, number] + across
                inside = (row >= 0) & (row <= geometry_synthetic.ROWS - 1)
                traced[:, :, number] &= inside & (column >= 0) & (column <= geometry_synthetic.COLUMNS - 1)
        off = np.abs(volume.values - function(*place))[traced].max()
        # Stored values are rounded.
        fine = off <= 0.51 and traced.mean() > 0.5
        print(f"{'ok' if fine else 'BAD':3} correct linear {name}: off by up to {off:.2f} in {traced.mean():.0%} of the voxels")
        wrong += [] if fine else [f"linear {name}"]
        peers.clear(scratch / "work")
    return wrong


def fits(row, name, found):
    return (row["policy"], row["peers"], row["netra"]) == found and fnmatch.fnmatchcase(name, row["case"])


def is_everywhere(row):
    """Whether a row is about what needs no shared scans."""
    return row["case"].startswith(("handmade/", "pydicom-data/"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
