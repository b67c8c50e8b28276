"""Reads a TID 1500 report with highdicom, dcmqi and DCMTK and compares it with what was meant to be written.

usage: sr.py REPORT EXPECTED.json [--reference OUT SOURCE...]

EXPECTED.json of a segmentation: {"shape": [slices, rows, columns], "labels": "FILE of uint16, little endian",
"numbers": [label of each segment, ascending], "regions": [code of where it lies, or null],
"types": [code of each segment, which is where it lies in that case], "affine": 4x4 of (slice, row, column) to mm, or null,
"spacing": [row, column] of a picture, or null, "binary": whether a binary segmentation is referred to,
"tracking": [UID of each segment], "reader": name of the person who has read it, or null}; of a classifier: {"classes": [[code or null, probability, threshold, present], ...]}.

With --reference, highdicom's own report of the same kind on the SOURCE files is written to OUT.
"""

import copy
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import warnings

import highdicom as hd
import numpy as np
import pydicom
from highdicom import sr
from pydicom.sr.codedict import codes
from scipy.spatial import ConvexHull, distance

VOLUME, AREA, LONG_AXIS = "118565006", "42798000", "103339001"


def longest(mask, step):
    """Greatest distance between corners of the voxels of `mask` (slice, row, column), by another way than Netra's: qhull."""
    slices, rows = np.nonzero(mask.any(axis=2))
    lines = mask[slices, rows]
    first, last = lines.argmax(axis=1), lines.shape[1] - 1 - lines[:, ::-1].argmax(axis=1)
    corners = [
        np.stack([slices + a, rows + b, column], axis=1) for a in (0, 1) for b in (0, 1) for column in (first, last + 1)
    ]
    points = np.concatenate(corners)
    if not step[0].any():  # a picture has no depth
        points, step = points[:, 1:], step[1:]
    points = points @ step
    points = points[:, points.any(axis=0)]
    return distance.pdist(points[ConvexHull(points).vertices]).max()


def wanted_measurements(meant, labels, number):
    mask = labels == number
    if meant["affine"] is not None:
        step = np.array(meant["affine"])[:3, :3].T
        size = (VOLUME, "mm3", mask.sum() * abs(np.linalg.det(step)))
    elif meant["spacing"] is not None:
        row, column = meant["spacing"]
        step = np.array([[0, 0, 0], [0, row, 0], [column, 0, 0]])
        size = (AREA, "mm2", mask.sum() * row * column)
    else:
        return []
    return [size, (LONG_AXIS, "mm", longest(mask, step))]


def groups_of(report, meant):
    content = report.content
    if "classes" in meant or (meant["affine"] is not None and not meant["binary"]):
        return content.get_image_measurement_groups()
    if meant["affine"] is not None:
        return content.get_volumetric_roi_measurement_groups()
    return content.get_planar_roi_measurement_groups()


def check_segments(report, meant, folder):
    labels = np.fromfile(folder / meant["labels"], dtype="<u2").reshape(meant["shape"])
    present = [(i, n) for i, n in enumerate(meant["numbers"]) if (labels == n).any()]
    groups = {g.tracking_uid: g for g in groups_of(report, meant)}
    assert list(groups) == [meant["tracking"][i] for i, _ in present], "other groups than segments"
    values = []
    for rank, (i, number) in enumerate(present):
        group = groups[meant["tracking"][i]]
        assert group.finding_type.value == meant["types"][i] and group.finding_category is not None
        sites = [site.value.value for site in group.finding_sites]
        assert sites == [meant["regions"][i] or meant["types"][i]], sites
        read = [(m.name.value, m.unit.value, m.value) for m in group.get_measurements()]
        wanted = wanted_measurements(meant, labels, number)
        assert [r[:2] for r in read] == [w[:2] for w in wanted], f"{read}, not {wanted}"
        for (_, _, got), (_, _, want) in zip(read, wanted):
            assert np.isclose(got, want, rtol=1e-9, atol=1e-9), f"{read}, not {wanted}"
        values += [w[2] for w in wanted]
        if meant["binary"]:
            if meant["affine"] is not None:
                assert group.referenced_segment[0].ReferencedSOPSequence[0].ReferencedSegmentNumber == i + 1
            else:
                frame = group.referenced_segmentation_frame[0].ReferencedSOPSequence[0]
                assert frame.ReferencedFrameNumber == rank + 1
        elif meant["affine"] is None:
            region = group.roi.value
            rows, columns = np.nonzero(labels[0] == number)
            assert np.array_equal(region[0], region[-1])
            assert region.min(axis=0).tolist() == [columns.min(), rows.min()]
            assert region.max(axis=0).tolist() == [columns.max() + 1, rows.max() + 1]
    return values


def check_classes(report, meant):
    groups = groups_of(report, meant)
    assert len(groups) == len(meant["classes"])
    values = []
    for group, (code, probability, threshold, present) in zip(groups, meant["classes"]):
        (measurement,) = group.get_measurements(codes.DCM.CertaintyOfFinding)
        assert np.isclose(measurement.value, 100 * probability, rtol=1e-6) and measurement.unit.value == "%"
        # highdicom takes every code of a group for an evaluation, the algorithm's family (111000) too.
        items = [evaluation[0] for evaluation in group.get_qualitative_evaluations()]
        answers = [(i.name.value, i.value) for i in items if i.name.value != "111000"]
        if present is not None and code is not None:
            wanted = codes.SCT.Present if present else codes.SCT.Absent
            assert answers == [(code, wanted)], answers
        else:
            assert not answers
        parameters = [i.TextValue for i in group[0].ContentSequence if i.ConceptNameCodeSequence[0].CodeValue == "111002"]
        stated = [float(p.removeprefix("threshold=")) for p in parameters if p.startswith("threshold=")]
        assert np.allclose(stated, [] if threshold is None else [threshold], rtol=1e-6), parameters
        values.append(measurement.value)
    return values


def check_observers(report, meant):
    read = [(o.observer_type.meaning, o.observer_identifying_attributes) for o in report.content.get_observer_contexts()]
    reader = meant.get("reader")
    assert [kind for kind, _ in read] == (["Person"] if reader else []) + ["Device"], read
    if reader:
        assert read[0][1].name == reader, read[0][1].name


def complaints_of(text):
    """Lines that tell of a fault of the file. That DCMTK does not check UTF-8 is none."""
    lines = [line for line in text.splitlines() if line.startswith(("E:", "W:", "F:", "ERROR"))]
    return [line for line in lines if "does not support this Specific Character Set" not in line]


def other_readers(path, values):
    """dcmqi finds the same numbers; DCMTK renders the report without a complaint."""
    beside = pathlib.Path(sys.executable).parent
    reader = beside / "tid1500reader"
    if reader.exists():
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "report.json"
            done = subprocess.run(
                [reader, "--inputDICOM", path, "--outputMetadata", out], capture_output=True, text=True, errors="replace"
            )
            assert done.returncode == 0 and out.exists(), done.stdout + done.stderr
            complaints = complaints_of(done.stdout + done.stderr)
            assert not complaints, complaints
            groups = json.loads(out.read_text())["Measurements"] if values else []
        read = [float(item["value"]) for group in groups for item in group["measurementItems"]]
        assert np.allclose(read, values, rtol=1e-9), f"dcmqi reads {read}, not {values}"
    else:
        print("skipped: no tid1500reader (pip install dcmqi)")
    if shutil.which("dsr2html"):
        done = subprocess.run(["dsr2html", "-v", path], capture_output=True, text=True, errors="replace")
        assert done.returncode == 0 and not complaints_of(done.stderr), done.stderr
        assert "AI result, not for diagnosis" in done.stdout
    else:
        print("skipped: no dsr2html (apt install dcmtk)")


def reference(report, meant, out, paths):
    """highdicom's report on the same procedure with one group of the kind that Netra writes."""
    (item,) = sr.utils.find_content_items(report, name=codes.DCM.ProcedureReported)
    procedure = item.value
    images = [pydicom.dcmread(path) for path in paths]
    for image in images:
        for name in ("AccessionNumber", "StudyID", "StudyDate", "StudyTime", "PatientID", "PatientName", "PatientBirthDate", "PatientSex"):
            if name not in image:
                setattr(image, name, None)
    image, evidence = images[0], list(images)
    algorithm = sr.AlgorithmIdentification("name", "1", parameters=["a"], family=codes.DCM.ArtificialIntelligence)
    common = {
        "tracking_identifier": sr.TrackingIdentifier(uid=hd.UID(), identifier="one"),
        "algorithm_id": algorithm,
    }
    found = {"finding_type": codes.SCT.Lung, "finding_category": codes.SCT.AnatomicalStructure}
    found["finding_sites"] = [sr.FindingSite(codes.SCT.Lung)]
    segmentation = "1.2.840.10008.5.1.4.1.1.66.4"
    if "classes" in meant:
        number = sr.Measurement(codes.DCM.CertaintyOfFinding, 91.0, codes.UCUM.Percent)
        answer = sr.QualitativeEvaluation(codes.SCT.Lung, codes.SCT.Present)
        group = sr.MeasurementsAndQualitativeEvaluations(measurements=[number], qualitative_evaluations=[answer], **common)
    elif meant["affine"] is not None:
        number = sr.Measurement(codes.SCT.Volume, 12.5, codes.UCUM.CubicMillimeter)
        segment = sr.ReferencedSegment(
            segmentation, hd.UID(), 1, source_series=sr.SourceSeriesForSegmentation(image.SeriesInstanceUID)
        )
        if meant["binary"]:
            group = sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
                referenced_segment=segment, measurements=[number], **common, **found
            )
            evidence.append(stand_in(image, segment))
        else:
            group = sr.MeasurementsAndQualitativeEvaluations(measurements=[number], **common, **found)
    else:
        number = sr.Measurement(codes.SCT.Area, 12.5, codes.UCUM.SquareMillimeter)
        if meant["binary"]:
            source = sr.SourceImageForSegmentation(image.SOPClassUID, image.SOPInstanceUID)
            place = {"referenced_segment": sr.ReferencedSegmentationFrame(segmentation, hd.UID(), 1, 1, source)}
            evidence.append(stand_in(image, place["referenced_segment"]))
        else:
            source = sr.SourceImageForRegion(image.SOPClassUID, image.SOPInstanceUID)
            square = np.array([[1.0, 1], [2, 1], [2, 2], [1, 1]])
            place = {"referenced_region": sr.ImageRegion(sr.GraphicTypeValues.POLYLINE, square, source)}
        group = sr.PlanarROIMeasurementsAndQualitativeEvaluations(measurements=[number], **place, **common, **found)
    device = sr.DeviceObserverIdentifyingAttributes(hd.UID(), "name", "maker", "model", "serial")
    person = None
    if meant.get("reader"):
        person = sr.ObserverContext(codes.DCM.Person, sr.PersonObserverIdentifyingAttributes(meant["reader"]))
    context = sr.ObservationContext(person, sr.ObserverContext(codes.DCM.Device, device))
    try:
        report = sr.MeasurementReport(context, procedure, [group], referenced_images=images)
    except (AttributeError, TypeError):  # the library wants attributes that some images lack
        report = sr.MeasurementReport(context, procedure, [group])
    sr.Comprehensive3DSR(evidence, report[0], hd.UID(), 1, hd.UID(), 1, "maker", is_complete=False).save_as(out)


def stand_in(image, reference):
    """A data set with the identifiers of a segmentation, as evidence."""
    segmentation = pydicom.Dataset()
    for element in image:
        if element.tag.group in (0x0008, 0x0010, 0x0020):
            segmentation[element.tag] = copy.deepcopy(element)
    item = reference[0].ReferencedSOPSequence[0]
    segmentation.SOPClassUID, segmentation.SOPInstanceUID = item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID
    segmentation.SeriesInstanceUID = hd.UID()
    return segmentation


def main(arguments):
    warnings.simplefilter("ignore")
    path, expected = pathlib.Path(arguments[0]), pathlib.Path(arguments[1])
    report = sr.srread(path)
    meant = json.loads(expected.read_text())
    check_observers(report, meant)
    values = check_classes(report, meant) if "classes" in meant else check_segments(report, meant, expected.parent)
    other_readers(path, values)
    if arguments[2:3] == ["--reference"]:
        reference(report, meant, arguments[3], arguments[4:])
    print(f"{path}: {len(values)} values, equal")


if __name__ == "__main__":
    main(sys.argv[1:])
