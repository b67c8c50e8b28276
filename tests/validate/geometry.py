"""Compares `netra convert` with dcm2niix and SimpleITK: affine within 1e-4 mm, values exactly, on every series.

usage: geometry.py NETRA ASSETS [NAME...]

NETRA: the binary. ASSETS: the folder of shared scans. NAME: only cases whose name contains one of these.
Where the two peers agree, Netra must give the same; every case in which the three are not one must have its row in
geometry_known.csv, with the reason, and every row must have its case.
"""

import collections
import csv
import fnmatch
import pathlib
import sys
import tempfile

import geometry_corpus
import geometry_peers as peers
import geometry_synthetic

KNOWN = pathlib.Path(__file__).with_name("geometry_known.csv")


def attempt(read, *arguments):
    """Readings, or why there are none."""
    try:
        return read(*arguments), None
    except peers.Refused as refusal:
        return None, str(refusal)


def corrected(readings):
    """Whether dcm2niix wrote a resampled volume (`_Tilt`, `_Eq`) beside the plain one."""
    return [reading for reading in readings if "_Tilt" in reading.name or "_Eq" in reading.name]


def judge(binary, files, out):
    """(what the peers are to each other, what Netra is to them, what was said)."""
    ours, our_refusal = attempt(peers.netra, binary, files, out)
    niix, niix_refusal = attempt(peers.dcm2niix, files, out)
    itk, itk_refusal = attempt(peers.simpleitk, files, out)
    said = []
    if niix:
        fixed = corrected(niix)
        niix = [reading for reading in niix if not any(reading is one for one in fixed)]
        said += ["dcm2niix corrected the stack"] if fixed else []
    for who, refusal in (("netra", our_refusal), ("dcm2niix", niix_refusal), ("simpleitk", itk_refusal)):
        said += [f"{who}: {refusal}"] if refusal else []
    if niix and itk:
        difference = peers.match(niix, itk, rounded=True)
        relation = "agree" if difference is None else "differ"
        said += [f"peers: {difference}"] if difference else []
    else:
        relation = "dcm2niix only" if niix else "simpleitk only" if itk else "none"
    if ours is None:
        return relation, "refused", said
    alike = []
    for who, theirs in (("simpleitk", itk), ("dcm2niix", niix)):
        difference = peers.match(ours, theirs) if theirs else None
        if theirs and difference is None:
            alike.append(who)
        elif theirs:
            said.append(f"netra and {who}: {difference}")
    if relation == "agree" and alike:
        # Where the slope has no exact float32, dcm2niix's file is the one that is rounded.
        return relation, "same", said
    return relation, alike[0] if alike else "other", said


def rows():
    with open(KNOWN, newline="") as opened:
        return list(csv.DictReader(opened))


def main(arguments):
    binary, assets, wanted = pathlib.Path(arguments[0]).resolve(), pathlib.Path(arguments[1]), arguments[2:]
    known, used, wrong = rows(), collections.Counter(), []
    counts = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        cases = geometry_corpus.found(assets, scratch) + geometry_synthetic.made(scratch)
        for name, files in cases:
            if wanted and not any(part in name for part in wanted):
                continue
            relation, ours, said = judge(binary, files, scratch / "work")
            peers.clear(scratch / "work")
            counts[relation, ours] += 1
            row = None
            if (relation, ours) != ("agree", "same"):
                matching = [i for i, row in enumerate(known) if fnmatch.fnmatchcase(name, row["case"].replace("[", "[[]"))]
                exact = [i for i in matching if (known[i]["peers"], known[i]["netra"]) == (relation, ours)]
                used.update(exact[:1])
                row = known[exact[0]] if exact else None
                if row is None:
                    wrong.append(name)
            mark = "ok" if row or (relation, ours) == ("agree", "same") else "NEW"
            print(f"{mark:3} {relation:14} {ours:9} {name}", flush=True)
            for line in [row["reason"]] if row else said if mark == "NEW" else []:
                print(f"        {line}")
    print()
    for (relation, ours), count in sorted(counts.items()):
        print(f"{count:4}  peers: {relation:14} netra: {ours}")
    idle = [row["case"] for i, row in enumerate(known) if not used[i]] if not wanted else []
    if wrong:
        print(f"{len(wrong)} cases without a row in {KNOWN.name}: {', '.join(wrong)}")
    if idle:
        print(f"{len(idle)} rows without a case: {', '.join(idle)}")
    return 1 if wrong or idle else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
