"""The series that `geometry.py` converts: those of a folder of scans and of pydicom-data, and handmade ones."""

import collections
import pathlib
import zipfile

import pydicom


def found(assets, scratch):
    """Cases `(name, [files])` of the shared scans (unless None) and of pydicom-data, in the order of their names."""
    roots = []
    if assets:
        roots += [("dicom", assets / "dicom"), ("scans", assets / "scans" / "ct_totalsegmentator")]
    for archive in sorted((assets / "scans").glob("*.zip")) if assets else []:
        target = scratch / "unzipped" / archive.stem
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(target)
        roots.append((archive.stem, target))
    roots.append(("pydicom-data", pydicom_data()))
    cases = []
    for label, root in roots:
        cases += group(label, root)
    return sorted(cases)


def pydicom_data():
    import data_store

    return pathlib.Path(data_store.__file__).parent


def group(label, root):
    """Files of one series in one collection are a case; copies of one instance (re-encodings) are a case each."""
    series = collections.defaultdict(list)
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        with open(path, "rb") as opened:
            head = opened.read(132)
        if head[128:] != b"DICM" and path.suffix.lower() not in (".dcm", ".ima", ""):
            continue
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            uid, instance = str(header.get("SeriesInstanceUID", "")), str(header.get("SOPInstanceUID", "") or path)
            rows = header.get("Rows")
        except Exception:  # what pydicom cannot read may still be a case for the others
            uid, instance, rows = "", "", 1
        if rows is None:
            continue
        collection = path.parent
        series[(collection, uid or str(path))].append((instance, path))
    cases = []
    for members in series.values():
        count = collections.Counter(instance for instance, _ in members)
        together = [path for instance, path in members if count[instance] == 1]
        alone = [[path] for instance, path in members if count[instance] > 1]
        for files in ([together] if together else []) + alone:
            name = f"{label}/{files[0].relative_to(root)}"
            cases.append((name if len(files) == 1 else f"{name} +{len(files) - 1}", files))
    return cases
