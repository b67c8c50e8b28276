"""Reads a key object selection with highdicom and DCMTK and compares it with what was meant to be written.

usage: ko.py SELECTION EXPECTED.json [--reference OUT SOURCE...]

EXPECTED.json: {"images": [[SOP Instance UID, frame number of a multi-frame image or null], ...],
"results": [[value type, SOP Class UID, SOP Instance UID], ...]}, both in the order of the document.

With --reference, highdicom's own selection of the SOURCE files is written to OUT.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import warnings

import highdicom as hd
import pydicom
from highdicom import ko, sr
from pydicom.sr.codedict import codes

BANNER = "AI result, not for diagnosis"


def compare(selection, meant):
    content = selection.content
    assert content[0].name == codes.DCM.OfInterest and content[0].template_id == "2010"
    (observer,) = content.get_observer_contexts(codes.DCM.Device)
    assert observer.observer_type == codes.DCM.Device
    texts = [item.value for item in content[0].ContentSequence if item.value_type.value == "TEXT" and item.name.value == "113012"]
    assert len(texts) == 1 and texts[0].startswith(BANNER), texts

    references = content.get_references()
    read = [
        (item.value_type.value, item.referenced_sop_class_uid, item.referenced_sop_instance_uid, frames_of(item))
        for item in references
    ]
    images, results = read[: len(meant["images"])], read[len(meant["images"]) :]
    assert [[uid, frame] for _, _, uid, frame in images] == meant["images"], images
    assert all(kind == "IMAGE" for kind, *_ in images)
    assert [[kind, class_, uid] for kind, class_, uid, _ in results] == meant["results"], results

    # Every reference is found in the evidence, which lists nothing else.
    series = {uid: selection.resolve_reference(uid) for _, _, uid, _ in read}
    assert all(study == selection.StudyInstanceUID and instance == uid for uid, (study, _, instance) in series.items())
    listed = [
        instance.ReferencedSOPInstanceUID
        for study in selection.CurrentRequestedProcedureEvidenceSequence
        for one in study.ReferencedSeriesSequence
        for instance in one.ReferencedSOPSequence
    ]
    assert len(listed) == len(set(listed)) and set(listed) == set(series), listed
    return len(read)


def frames_of(item):
    reference = item.ReferencedSOPSequence[0]
    return int(reference.ReferencedFrameNumber) if "ReferencedFrameNumber" in reference else None


def rendered(path):
    if not shutil.which("dsr2html"):
        print("skipped: no dsr2html (apt install dcmtk)")
        return
    done = subprocess.run(["dsr2html", "-v", path], capture_output=True, text=True, errors="replace")
    # That DCMTK checks neither UTF-8 nor templates is no fault of the file.
    lines = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W:", "F:"))]
    own = ("does not support this Specific Character Set", "Check for template constraints not yet supported")
    complaints = [line for line in lines if not any(words in line for words in own)]
    assert done.returncode == 0 and not complaints, complaints
    assert BANNER in done.stdout and "Of Interest" in done.stdout


def reference(out, paths):
    images = [pydicom.dcmread(path) for path in paths]
    for image in images:
        for name in ("AccessionNumber", "StudyID", "StudyDate", "StudyTime", "PatientID", "PatientName", "PatientBirthDate", "PatientSex"):
            if name not in image:
                setattr(image, name, None)
    device = sr.DeviceObserverIdentifyingAttributes(hd.UID(), "name", "maker", "model", "serial")
    observer = sr.ObserverContext(codes.DCM.Device, device)
    content = ko.KeyObjectSelection(codes.DCM.OfInterest, images, observer_device_context=observer, description=BANNER)
    ko.KeyObjectSelectionDocument(images, content, hd.UID(), 1, hd.UID(), 1, "maker").save_as(out)


def main(arguments):
    warnings.simplefilter("ignore")
    path, expected = pathlib.Path(arguments[0]), pathlib.Path(arguments[1])
    selection = ko.KeyObjectSelectionDocument.from_dataset(pydicom.dcmread(path))
    count = compare(selection, json.loads(expected.read_text()))
    rendered(path)
    if arguments[2:3] == ["--reference"]:
        reference(arguments[3], arguments[4:])
    print(f"{path}: {count} references, equal")


if __name__ == "__main__":
    main(sys.argv[1:])
