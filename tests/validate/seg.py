"""Reads a DICOM segmentation with highdicom and compares it with what was meant to be written.

usage: seg.py SEG EXPECTED.json [--reference OUT SOURCE...]

EXPECTED.json: {"shape": [slices, rows, columns], "labels": "FILE of uint16, little endian",
"numbers": [label of each segment, ascending], "regions": [code of the Anatomic Region of each, or null], "frames": [[SOP Instance UID, frame number] for each slice], or null when the
slices are not the source's own frames,
"position": [position of each slice in mm] or null}

With --reference, highdicom's own segmentation of the same labels on the SOURCE files is written to OUT.
"""

import json
import pathlib
import sys
import warnings

import highdicom as hd
import numpy as np
import pydicom
from pydicom.sr.codedict import codes


def expected(path):
    meant = json.loads(pathlib.Path(path).read_text())
    labels = np.fromfile(pathlib.Path(path).parent / meant["labels"], dtype="<u2").reshape(meant["shape"])
    return meant, labels


def relabel(array, seg, numbers):
    """Segment numbers of a binary segmentation back to the labels."""
    if seg.segmentation_type.value == "LABELMAP":
        return array
    table = np.zeros(len(numbers) + 1, dtype=np.uint16)
    table[1:] = numbers
    return table[array]


def compare(seg, meant, labels):
    numbers = meant["numbers"]
    described = [n for n in seg.segment_numbers if n != 0]
    wanted = numbers if seg.segmentation_type.value == "LABELMAP" else list(range(1, len(numbers) + 1))
    assert list(described) == wanted, f"segments {described}, not {wanted}"
    regions = [seg.get_segment_description(n).anatomic_regions for n in wanted]
    regions = [[region.value for region in of_segment] for of_segment in regions]
    assert regions == [[] if code is None else [code] for code in meant["regions"]], regions

    if meant["frames"] is not None:
        compare_by_source(seg, meant, labels)
    if meant["position"] is not None:
        compare_by_place(seg, meant, labels)


def compare_by_source(seg, meant, labels):
    numbers = meant["numbers"]
    uids = [uid for uid, _ in meant["frames"]]
    if len(set(uids)) == len(uids) and all(frame == 1 for _, frame in meant["frames"]):
        read = seg.get_pixels_by_source_instance(
            uids, combine_segments=True, assert_missing_frames_are_empty=True, relabel=False
        )
    else:
        assert len(set(uids)) == 1, "frames of several multi-frame instances"
        read = seg.get_pixels_by_source_frame(
            uids[0],
            [frame for _, frame in meant["frames"]],
            combine_segments=True,
            assert_missing_frames_are_empty=True,
            relabel=False,
        )
    read = relabel(read, seg, numbers)
    assert read.shape == labels.shape, f"{read.shape}, not {labels.shape}"
    assert np.array_equal(read, labels), f"{np.count_nonzero(read != labels)} pixels by source frame differ"


def compare_by_place(seg, meant, labels):
    numbers = meant["numbers"]
    volume = seg.get_volume(combine_segments=True, relabel=False, allow_missing_positions=True)
    array = relabel(volume.array, seg, numbers)
    covered = 0
    for plane in range(array.shape[0]):
        position = np.array(volume.affine @ [plane, 0, 0, 1])[:3]
        distance = np.linalg.norm(np.array(meant["position"]) - position, axis=1)
        slice_ = int(distance.argmin())
        assert distance[slice_] < 1e-3, f"plane {plane} lies {distance[slice_]} mm from every slice"
        assert np.array_equal(array[plane], labels[slice_]), f"plane {plane} is not slice {slice_}"
        covered += 1
    occupied = [i for i in range(labels.shape[0]) if labels[i].any()]
    assert covered >= len(occupied), f"{covered} planes for {len(occupied)} occupied slices"


def sources(meant, paths):
    """The source images in the order of the slices, and which slice each of their frames is."""
    images = []
    for path in paths:
        image = pydicom.dcmread(path)
        images.append(image)
        for name in ("AccessionNumber", "StudyID", "StudyDate", "StudyTime", "PatientID", "PatientName", "PatientBirthDate", "PatientSex"):
            if name not in image:
                setattr(image, name, None)
    order = {uid: i for i, (uid, _) in enumerate(meant["frames"])}
    images = sorted((i for i in images if i.SOPInstanceUID in order), key=lambda i: order[i.SOPInstanceUID])
    if len(images) == 1 and int(images[0].get("NumberOfFrames", 1)) > 1:
        return images, np.argsort([frame for _, frame in meant["frames"]])
    return images, np.arange(len(images))


def reference(seg, meant, labels, out, paths):
    images, order = sources(meant, paths)
    labels = labels[order]
    algorithm = hd.AlgorithmIdentificationSequence("reference", codes.cid7162.ArtificialIntelligence, "1")
    numbers = meant["numbers"]
    kind = seg.segmentation_type.value
    used = numbers if kind == "LABELMAP" else list(range(1, len(numbers) + 1))
    descriptions = [
        hd.seg.SegmentDescription(n, str(n), codes.SCT.Organ, codes.SCT.Lung, "AUTOMATIC", algorithm) for n in used
    ]
    array = labels if kind == "LABELMAP" else np.searchsorted([0, *numbers], labels)
    array = array.astype(np.uint8 if array.max() < 256 else np.uint16)
    hd.seg.Segmentation(
        images, array, kind, descriptions, hd.UID(), 1, hd.UID(), 1, "Maker", "model", "1", "1"
    ).save_as(out)


def main(arguments):
    warnings.simplefilter("ignore")
    seg = hd.seg.segread(arguments[0])
    meant, labels = expected(arguments[1])
    compare(seg, meant, labels)
    if arguments[2:3] == ["--reference"]:
        reference(seg, meant, labels, arguments[3], arguments[4:])
    print(f"{arguments[0]}: {seg.segmentation_type.value}, {seg.NumberOfFrames} frames, identical")


if __name__ == "__main__":
    main(sys.argv[1:])
