"""Compares `netra inspect --tags --json` with pydicom over files, and looks for what should be withheld.

usage: tags.py NETRA [ASSETS]

With --show-patient the document, read by pydicom as DICOM JSON, must hold the values that pydicom reads from the file; without
it, no name, number or address of a person or institution may be anywhere in it, nor in the table for people.
"""

import json
import pathlib
import subprocess
import sys
import warnings

import numpy as np
import pydicom
from pydicom.datadict import DicomDictionary

import geometry_corpus

# What identifies, told by names of attributes and not by Netra's own list.
PARTS = ("Patient", "Physician", "Operator", "Institution", "Address", "Telephone", "Accession", "AdmissionID", "Person")
KEYWORDS = [row[4] for row in DicomDictionary.values()]
NOT = ("PatientPosition", "PatientOrientation", "ImagePositionPatient", "ImageOrientationPatient", "PatientIdentityRemoved")


def run(binary, path, *more):
    command = [binary, "--quiet", "inspect", "--tags", path, *more]
    if "--json" not in more:
        command.remove("--quiet")
    return subprocess.run(command, capture_output=True, text=True, check=False, errors="replace").stdout


def told(binary, path):
    """What is wrong with what Netra tells of a file."""
    shown = json.loads(run(binary, path, "--json", "--show-patient") or "[]")
    if len(shown) != 1:
        return None
    theirs = pydicom.dcmread(path, stop_before_pixels=True, force=True)
    wrong = list(differences(shown[0], theirs, ""))
    texts = [run(binary, path), run(binary, path, "--json")]
    # A maker's name that is the institution's too, and words of the standard, give nobody away.
    makers = [str(element.value) for element in theirs.iterall() if element.keyword.startswith("Manufacturer")]
    innocent = [path.name, *KEYWORDS, *makers]
    for keyword, value in identifying(theirs):
        if not any(value in text for text in innocent):
            wrong += [f"{keyword} is told" for text in texts if value in text]
    return wrong


def differences(ours, theirs, place):
    """Elements whose values are not those of pydicom. Binary values, and what the file calls UN, are not compared."""
    for key, attribute in ours.items():
        tag = pydicom.tag.Tag(int(key, 16))
        where = f"{place}{key}"
        if tag not in theirs:
            yield f"{where} is not in the file"
            continue
        element = theirs[tag]
        if element.VR == "SQ" and attribute["vr"] == "SQ":
            items = attribute.get("Value", [])
            if len(items) != len(element.value):
                yield f"{where} has {len(items)} items, not {len(element.value)}"
            for i, (one, other) in enumerate(zip(items, element.value)):
                yield from differences(one, other, f"{where}[{i}].")
        elif element.VR == attribute["vr"] and element.VR[0] != "O" and element.VR != "UN":
            stated = attribute.get("Value", [])
            try:
                mine = values(pydicom.DataElement.from_json(type(theirs), key, attribute["vr"], stated, "Value"))
            except ValueError:
                # A number that is none stays text (PS3.18 F.2.3), which pydicom does not take.
                mine = [str(value) for value in stated]
            other = values(element)
            if mine != other:
                yield f"{where} {element.keyword} is {mine[:3]}, not {other[:3]}"


def values(element):
    """Values as text, empty ones left out at the end."""
    value = element.value
    several = value if isinstance(value, (list, pydicom.multival.MultiValue)) else [value]
    number = np.float32 if element.VR == "FL" else np.float64
    texts = [str(number(v)) if isinstance(v, (int, float)) else str(v).strip(" \0") for v in several if v is not None]
    texts = [text.rstrip("=^") if element.VR == "PN" else text for text in texts]
    return texts if any(texts) else []


def identifying(dataset):
    """(keyword, value) of what should not be told; values that are short, or numbers, prove nothing."""
    for element in dataset.iterall():
        name = element.keyword
        if element.VR == "PN" or (any(part in name for part in PARTS) and name not in NOT and element.VR in ("LO", "SH", "LT", "ST")):
            for text in values(element) if element.value is not None else []:
                if len(text) > 4 and not text.replace(".", "").isdigit():
                    yield name, text


def main(arguments):
    warnings.filterwarnings("ignore", module="pydicom")
    binary = pathlib.Path(arguments[0]).resolve()
    roots = [geometry_corpus.pydicom_data()] + [pathlib.Path(arguments[1]) / "dicom"] * (len(arguments) > 1)
    files = [path for root in roots for _, members in geometry_corpus.group("", root) for path in members]
    failed = read = 0
    for path in files:
        wrong = told(binary, path)
        read += wrong is not None
        failed += bool(wrong)
        for line in wrong or []:
            print(f"{path.name}: {line}")
    print(f"{len(files)} files, {read} told, {failed} with differences")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
