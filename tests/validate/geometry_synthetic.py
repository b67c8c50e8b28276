"""Handmade series for `geometry.py`: what real ones of the shared set do not show. Written with pydicom."""

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

CLASSES = {"MR": "1.2.840.10008.5.1.4.1.1.4", "CT": "1.2.840.10008.5.1.4.1.1.2"}
ROOT = "1.2.826.0.1.3680043.10.1561."
ROWS, COLUMNS, SLICES = 24, 18, 9


def made(scratch):
    """Cases `(name, [files])`."""
    axial = (np.array([1.0, 0, 0]), np.array([0.0, 1, 0]))
    turn = rotation([0.3, -0.2, 0.5])
    oblique = (turn @ [1, 0, 0], turn @ [0, 1, 0])
    coronal = (np.array([1.0, 0, 0]), np.array([0.0, 0, -1]))
    sagittal = (np.array([0.0, 1, 0]), np.array([0.0, 0, -1]))
    forwards = np.arange(SLICES) * 3.25
    series = {
        "anisotropic": dict(axes=axial),
        "anisotropic-oblique": dict(axes=oblique),
        "anisotropic-coronal": dict(axes=coronal),
        "anisotropic-sagittal": dict(axes=sagittal),
        "negative-step": dict(axes=axial, depths=-forwards),
        "out-of-order": dict(axes=oblique, depths=np.random.default_rng(7).permutation(forwards)),
        "out-of-order-coronal": dict(axes=coronal, depths=np.random.default_rng(8).permutation(forwards)),
        "thickness-is-not-the-step": dict(axes=axial, thickness=5.0),
        "two-slices": dict(axes=oblique, depths=forwards[:2]),
        "one-slice": dict(axes=oblique, depths=forwards[:1], thickness=3.25),
        "fractional-slope": dict(axes=axial, slope="0.1", intercept="-3.7"),
        "slope-by-slice": dict(axes=axial, slope=[str(1 + 0.25 * k) for k in range(SLICES)]),
        "signed": dict(axes=axial, modality="CT", signed=True, intercept="-1024"),
        "gantry-tilt": dict(axes=tilted(15), modality="CT", along=np.array([0.0, 0, 1])),
        "missing-slice": dict(axes=oblique, depths=np.delete(forwards, 4)),
        "uneven-spacing": dict(axes=axial, depths=np.array([0.0, 2, 4, 6, 8, 11, 14, 17, 20])),
        "duplicate-position": dict(axes=axial, depths=np.append(forwards, forwards[3])),
        "two-echoes": dict(axes=axial, depths=np.append(forwards, forwards), echoes=2),
        "two-orientations": dict(axes=[axial] * 5 + [coronal] * 4),
        "mixed-spacing": dict(axes=axial, spacing=[(1.5, 0.75)] * 5 + [(1.5, 0.8)] * 4),
    }
    return [(f"handmade/{name}", write(scratch / "handmade" / name, number, **shape))
            for number, (name, shape) in enumerate(series.items(), start=1)]


def linear(scratch):
    """Series `(name, [files], function)` that are no regular grid; `function` of RAS mm gives every pixel's value."""
    oblique = rotation([0.3, -0.2, 0.5])
    function = lambda x, y, z: 2000 + 12 * x + 9 * y + 14 * z
    uneven = np.array([0.0, 2, 4, 6, 8, 11, 14, 17, 20])
    series = {
        "gantry-tilt": dict(axes=tilted(15), along=np.array([0.0, 0, 1])),
        "gantry-tilt-oblique": dict(axes=[oblique @ axis for axis in tilted(-20)], along=oblique @ [0, 0, 1]),
        "uneven-spacing": dict(axes=(oblique @ [1, 0, 0], oblique @ [0, 1, 0]), depths=uneven),
        "missing-slice": dict(axes=tilted(0), depths=-np.delete(np.arange(SLICES) * 3.25, 4)),
        "tilted-and-missing": dict(axes=tilted(10), along=np.array([0.0, 0, 1]), depths=np.delete(uneven[:5] * 2, 2)),
    }
    for number, (name, shape) in enumerate(series.items(), start=101):
        shape["axes"] = tuple(shape["axes"])
        files = write(scratch / name, number, function=function, **shape)
        yield name, files, function


def write(folder, number, axes, depths=None, along=None, spacing=(1.5, 0.75), modality="MR", signed=False, thickness=3.25,
          slope=None, intercept="0", echoes=1, function=None):
    """One file a slice, in the order of `depths`: millimetres along `along` (the normal by default) from a corner."""
    folder.mkdir(parents=True)
    depths = np.arange(SLICES) * 3.25 if depths is None else depths
    files = []
    for k, depth in enumerate(depths):
        row, column = axes[k] if isinstance(axes, list) else axes
        step = np.cross(row, column) if along is None else along
        position = np.array([-11.5, 7.25, 31.0]) + depth * step
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = CLASSES[modality]
        meta.MediaStorageSOPInstanceUID = f"{ROOT}{number}.{k + 1}"
        d = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        d.SOPClassUID, d.SOPInstanceUID = CLASSES[modality], meta.MediaStorageSOPInstanceUID
        d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = ROOT + "0", f"{ROOT}{number}", ROOT + "9"
        d.Modality, d.Manufacturer, d.PatientPosition, d.PatientName = modality, "Netra", "HFS", "Handmade^Series"
        d.SeriesNumber, d.InstanceNumber, d.AcquisitionNumber = number, k + 1, 1
        d.StudyDate, d.StudyTime, d.ImageType = "20260101", "120000", ["ORIGINAL", "PRIMARY", "AXIAL"]
        d.ImagePositionPatient = [f"{v:.9g}" for v in position]
        d.ImageOrientationPatient = [f"{v:.9g}" for v in (*row, *column)]
        d.PixelSpacing = list(map(str, spacing[k] if isinstance(spacing, list) else spacing))
        d.SliceThickness = str(thickness)
        if modality == "MR":
            d.EchoTime, d.EchoNumbers, d.RepetitionTime = ("10", 1, "500") if k < len(depths) / echoes else ("25", 2, "500")
        if slope is not None or modality == "CT":
            d.RescaleSlope = slope[k] if isinstance(slope, list) else slope or "1"
            d.RescaleIntercept = intercept
        d.Rows, d.Columns, d.SamplesPerPixel, d.PhotometricInterpretation = ROWS, COLUMNS, 1, "MONOCHROME2"
        d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 12, 11, int(signed)
        # Every voxel differs from its neighbours, so that no turn or shift goes unseen.
        pixels = np.random.default_rng([number, k]).integers(-2048 if signed else 0, 2048 if signed else 4096, (ROWS, COLUMNS))
        if function is not None:
            i, j = np.mgrid[:ROWS, :COLUMNS]
            x, y, z = (position[n] + column[n] * i * spacing[0] + row[n] * j * spacing[1] for n in range(3))
            pixels = np.round(function(-x, -y, z))
        d.PixelData = pixels.astype("<i2" if signed else "<u2").tobytes()
        files.append(folder / f"{k + 1:03}.dcm")
        pydicom.dcmwrite(files[-1], d, enforce_file_format=True)
    return files


def rotation(turns):
    """Rotations about x, y and z, one after the other, in radians."""
    whole = np.eye(3)
    for axis, angle in enumerate(turns):
        i, j = [(1, 2), (0, 2), (0, 1)][axis]
        one = np.eye(3)
        one[[i, i, j, j], [i, j, i, j]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        whole = one @ whole
    return whole


def tilted(degrees):
    """An axial plane that leans back, as a tilted gantry scans while its table moves along z."""
    angle = np.radians(degrees)
    return np.array([1.0, 0, 0]), np.array([0, np.cos(angle), -np.sin(angle)])
