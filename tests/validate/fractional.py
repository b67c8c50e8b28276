"""Reads a fractional segmentation with highdicom and dcmqi and compares it with what was meant to be written.

usage: fractional.py SEG EXPECTED.json [--reference OUT SOURCE...]

EXPECTED.json: as for seg.py, with "shares": "FILE of uint8, (segment, slice, row, column), segments in ascending order".

With --reference, highdicom's own segmentation of the same probabilities on the SOURCE files is written to OUT.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

import highdicom as hd
import nibabel
import numpy as np
from pydicom.sr.codedict import codes

import seg as label_maps


def by_source(seg, meant, rescale):
    uids = [uid for uid, _ in meant["frames"]]
    options = {"assert_missing_frames_are_empty": True, "rescale_fractional": rescale}
    if len(set(uids)) == len(uids) and all(frame == 1 for _, frame in meant["frames"]):
        return seg.get_pixels_by_source_instance(uids, **options)
    return seg.get_pixels_by_source_frame(uids[0], [frame for _, frame in meant["frames"]], **options)


def compare(seg, meant, shares):
    assert seg.segmentation_fractional_type.value == "PROBABILITY"
    assert int(seg.MaximumFractionalValue) == 255
    assert list(seg.segment_numbers) == list(range(1, len(shares) + 1)), f"segments {seg.segment_numbers}"
    wanted = np.moveaxis(shares, 0, -1)
    if meant["frames"] is not None:
        assert np.array_equal(by_source(seg, meant, False), wanted), "values by source frame differ"
        read = by_source(seg, meant, True)
        assert np.array_equal(np.rint(read * 255), wanted) and read.max() <= 1, "probabilities by source frame differ"
    if meant["position"] is None:
        return
    volume = seg.get_volume(rescale_fractional=False, allow_missing_positions=True)
    for plane, read in enumerate(volume.array):
        position = np.array(volume.affine @ [plane, 0, 0, 1])[:3]
        distance = np.linalg.norm(np.array(meant["position"]) - position, axis=1)
        slice_ = int(distance.argmin())
        assert distance[slice_] < 1e-3, f"plane {plane} lies {distance[slice_]} mm from every slice"
        assert np.array_equal(read, wanted[slice_]), f"plane {plane} is not slice {slice_}"


def compare_with_dcmqi(path, shares):
    """dcmqi (1.5.7) reads segmentations that lie in the patient: a file a segment, with axes of its own."""
    tool = pathlib.Path(sys.executable).parent / "segimage2itkimage"
    if not tool.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [tool, "--inputDICOM", path, "--outputDirectory", folder, "-t", "nii"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, f"dcmqi: {done.stdout}{done.stderr}"
        for number, wanted in enumerate(shares, 1):
            file = pathlib.Path(folder) / f"{number}.nii.gz"
            # Planes without a value have no frame.
            read = np.asanyarray(nibabel.load(file).dataobj) if file.exists() else np.zeros(0)
            same = np.array_equal(np.sort(read[read > 0]), np.sort(wanted[wanted > 0]))
            assert same, f"dcmqi reads other values of segment {number}"
    print(f"{path}: dcmqi reads the same values")


def reference(meant, shares, out, paths):
    images, order = label_maps.sources(meant, paths)
    algorithm = hd.AlgorithmIdentificationSequence("reference", codes.cid7162.ArtificialIntelligence, "1")
    descriptions = [
        hd.seg.SegmentDescription(n + 1, str(n), codes.SCT.Organ, codes.SCT.Lung, "AUTOMATIC", algorithm)
        for n in range(len(shares))
    ]
    array = np.moveaxis(shares, 0, -1)[order].astype(np.float32) / 255
    hd.seg.Segmentation(
        images, array, "FRACTIONAL", descriptions, hd.UID(), 1, hd.UID(), 1, "Maker", "model", "1", "1",
        fractional_type="PROBABILITY", max_fractional_value=255,
    ).save_as(out)


def main(arguments):
    warnings.simplefilter("ignore")
    seg = hd.seg.segread(arguments[0])
    path = pathlib.Path(arguments[1])
    meant = json.loads(path.read_text())
    shape = [len(meant["numbers"]), *meant["shape"]]
    shares = np.fromfile(path.parent / meant["shares"], dtype=np.uint8).reshape(shape)
    compare(seg, meant, shares)
    if meant["position"] is not None:
        compare_with_dcmqi(arguments[0], shares)
    if arguments[2:3] == ["--reference"]:
        reference(meant, shares, arguments[3], arguments[4:])
    print(f"{arguments[0]}: {seg.segmentation_type.value}, {seg.NumberOfFrames} frames, identical")


if __name__ == "__main__":
    main(sys.argv[1:])
