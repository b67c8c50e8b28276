"""Reads a parametric map with pydicom, highdicom and dcmqi and compares it with the heat maps that were meant to be written.

usage: pm.py PM EXPECTED.json [--reference OUT SOURCE...]

EXPECTED.json: {"shape": [slices, rows, columns], "maps": "FILE of float32, (map, slice, row, column), little endian",
"classes": [label of each map], "frames" and "position" as for seg.py}

With --reference, highdicom's own parametric map of the same values on the SOURCE files is written to OUT.
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
import pydicom
from pydicom.sr.codedict import codes

import seg as label_maps


def compare(path, meant, maps):
    data = pydicom.dcmread(path)
    flat = maps.reshape(-1, *maps.shape[2:])
    pixels = data.pixel_array.reshape(flat.shape)
    assert pixels.dtype == np.float32 and np.array_equal(pixels, flat), "pydicom reads other values"

    read = hd.pm.sop.pmread(path)
    # highdicom 0.28 asks single floating-point frames for a Pixel Representation, which they have not; decoded whole it does not.
    assert read.pixel_array.size == flat.size
    slices = meant["shape"][0]
    for index, frame in enumerate(data.PerFrameFunctionalGroupsSequence):
        place = index % slices
        mapping = frame.RealWorldValueMappingSequence[0]
        assert mapping.LUTExplanation == meant["classes"][index // slices], f"frame {index} is of {mapping.LUTExplanation}"
        real = read.get_frame(index + 1, apply_real_world_transform=True)
        assert np.array_equal(real, flat[index]), f"frame {index} has other real world values"
        shown = read.get_frame(index + 1, apply_real_world_transform=False, apply_voi_transform=True)
        assert shown.max() <= 1 and (flat[index].max() <= 0 or shown.max() > 0), f"frame {index} is shown black"
        if meant["frames"] is not None:
            source = frame.DerivationImageSequence[0].SourceImageSequence[0]
            told = [source.ReferencedSOPInstanceUID, int(source.get("ReferencedFrameNumber", 1))]
            assert told == meant["frames"][place], f"frame {index} is of {told}"
        if meant["position"] is not None:
            position = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
            assert np.abs(position - meant["position"][place]).max() < 1e-3, f"frame {index} lies at {position}"
    return data


def compare_with_dcmqi(path, data, maps):
    """dcmqi (1.5.7) reads one map, and only where Frame Anatomy is told; it turns the axes to its own."""
    tool = pathlib.Path(sys.executable).parent / "paramap2itkimage"
    if not tool.exists() or len(maps) > 1 or "FrameAnatomySequence" not in data.SharedFunctionalGroupsSequence[0]:
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [tool, "--inputDICOM", path, "--outputDirectory", folder, "-t", "nii"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, f"dcmqi: {done.stdout}{done.stderr}"
        read = np.asanyarray(nibabel.load(pathlib.Path(folder) / "pmap.nii.gz").dataobj)
    assert np.array_equal(np.sort(read, axis=None), np.sort(maps, axis=None)), "dcmqi reads other values"
    print(f"{path}: dcmqi reads the same values")


def reference(meant, maps, out, paths):
    images, order = label_maps.sources(meant, paths)
    mappings = [
        [
            hd.pm.RealWorldValueMapping(
                label[:16], label, codes.UCUM.NoUnits, (float(values.min()), float(values.max())), slope=1, intercept=0,
                quantity_definition=codes.DCM.ClassActivation,
            )
        ]
        for label, values in zip(meant["classes"], maps)
    ]
    array = np.moveaxis(maps, 0, -1)[order]
    hd.pm.ParametricMap(
        images, array, hd.UID(), 1, hd.UID(), 1, "Maker", "model", "1", "1", False, mappings,
        voi_lut_transformations=[hd.VOILUTTransformation(0.5, 1.0)],
    ).save_as(out)


def main(arguments):
    warnings.simplefilter("ignore")
    path = pathlib.Path(arguments[1])
    meant = json.loads(path.read_text())
    maps = np.fromfile(path.parent / meant["maps"], dtype="<f4").reshape([len(meant["classes"]), *meant["shape"]])
    data = compare(arguments[0], meant, maps)
    compare_with_dcmqi(arguments[0], data, maps)
    if arguments[2:3] == ["--reference"]:
        reference(meant, maps, arguments[3], arguments[4:])
    print(f"{arguments[0]}: {len(meant['classes'])} maps, {data.NumberOfFrames} frames, identical")


if __name__ == "__main__":
    main(sys.argv[1:])
