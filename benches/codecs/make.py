"""Writes a CT-like series of 512 x 512 int16 slices: native by pydicom, RLE, JPEG lossless and JPEG-LS by DCMTK, JPEG 2000 by GDCM.

usage: make.py FOLDER [SLICES]
"""
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

FOLDER = Path(sys.argv[1])
SLICES = int(sys.argv[2]) if len(sys.argv) > 2 else 300
RNG = np.random.default_rng(1)
SERIES, FRAME_OF_REFERENCE, STUDY = generate_uid(), generate_uid(), generate_uid()
CODERS = {
    "rle": ["dcmcrle"],
    "jpll": ["dcmcjpeg", "+e1"],
    "jls": ["dcmcjpls"],
    "j2k": ["gdcmconv", "--j2k"],
}


def noise(deviation):
    """Noise as a reconstruction has it, alike in neighbours."""
    n = RNG.normal(0, deviation, (512, 512))
    return (n + np.roll(n, 1, 0) + np.roll(n, 1, 1) + np.roll(n, 1, (0, 1))) / 4


def pixels(k):
    """A body with lungs, a spine and softer parts, in air, in the circle of the scanner."""
    y, x = np.mgrid[:512, :512].astype(np.float32) - 255.5
    z = (k - SLICES / 2) / SLICES
    body = (x / 210) ** 2 + (y / 160) ** 2 < 1 - z * z
    image = np.full((512, 512), -1024, np.float32)
    circle = x * x + y * y < 250**2
    image[circle] = -1000 + noise(8)[circle]
    image[body] = 40 + noise(24)[body]
    parts = [(-90, -20, 60, -850), (90, -20, 60, -850), (0, 90, 25, 700), (0, -60, 40, 120), (60, 60, 20, -80)]
    for cx, cy, radius, value in parts:
        part = ((x - cx) ** 2 + (y - cy) ** 2 < (radius * (1 - z * z)) ** 2) & body
        image[part] = value + noise(30)[part]
    return np.round(image).astype("<i2")


def write(k):
    data, meta = Dataset(), FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    data.file_meta = meta
    data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = STUDY, SERIES, FRAME_OF_REFERENCE
    data.Modality, data.PatientID, data.PatientName = "CT", "none", "none"
    data.InstanceNumber, data.ImageType = k + 1, ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.ImagePositionPatient, data.ImageOrientationPatient = [-255.5, -255.5, float(k)], [1, 0, 0, 0, 1, 0]
    data.PixelSpacing, data.SliceThickness = [1, 1], 1
    data.RescaleSlope, data.RescaleIntercept = 1, 0
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows = data.Columns = 512
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 1
    data.add_new(0x7FE00010, "OW", pixels(k).tobytes())
    data.save_as(FOLDER / "raw" / f"{k:04}.dcm", enforce_file_format=True)


def code(k):
    for name, command in CODERS.items():
        files = [FOLDER / "raw" / f"{k:04}.dcm", FOLDER / name / f"{k:04}.dcm"]
        subprocess.run([*command, *files], check=True)


for name in ["raw", *CODERS]:
    (FOLDER / name).mkdir(parents=True, exist_ok=True)
for k in range(SLICES):
    write(k)
with ThreadPoolExecutor(2) as pool:
    list(pool.map(code, range(SLICES)))
