"""A CT-like series of 300 slices 512 x 512 int16 in each codec, by pydicom, DCMTK and GDCM."""
import sys, os, subprocess, numpy as np
from concurrent.futures import ThreadPoolExecutor
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import generate_uid, ExplicitVRLittleEndian
out = sys.argv[1]; n = int(sys.argv[2]) if len(sys.argv) > 2 else 300
rng = np.random.default_rng(1)
for c in "raw rle jpll jls j2k".split(): os.makedirs(f"{out}/{c}", exist_ok=True)
y, x = np.mgrid[:512, :512].astype(np.float32) - 255.5
series, frame_ref, study = generate_uid(), generate_uid(), generate_uid()
def smooth(a):
    return (a + np.roll(a, 1, 0) + np.roll(a, 1, 1) + np.roll(a, 1, (0, 1))) / 4
for k in range(n):
    z = (k - n / 2) / n
    body = (x / 210) ** 2 + (y / 160) ** 2 < 1 - z * z
    img = np.full((512, 512), -1024, np.float32)
    circle = x * x + y * y < 250 ** 2
    img[circle] = -1000 + smooth(rng.normal(0, 8, img.shape))[circle]
    img[body] = 40 + smooth(rng.normal(0, 24, img.shape))[body]
    for cx, cy, r, v in [(-90, -20, 60, -850), (90, -20, 60, -850), (0, 90, 25, 700), (0, -60, 40, 120), (60, 60, 20, -80)]:
        m = ((x - cx) ** 2 + (y - cy) ** 2 < (r * (1 - z * z)) ** 2) & body
        img[m] = v + smooth(rng.normal(0, 30, img.shape))[m]
    a = np.round(img).astype("<i2")
    d = Dataset(); m = FileMetaDataset()
    m.TransferSyntaxUID = ExplicitVRLittleEndian; m.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    m.MediaStorageSOPInstanceUID = generate_uid(); d.file_meta = m
    d.SOPClassUID = m.MediaStorageSOPClassUID; d.SOPInstanceUID = m.MediaStorageSOPInstanceUID
    d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = study, series, frame_ref
    d.Modality = "CT"; d.PatientID = "x"; d.PatientName = "x"; d.InstanceNumber = k + 1
    d.ImagePositionPatient = [-255.5, -255.5, float(k)]; d.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    d.PixelSpacing = [1, 1]; d.SliceThickness = 1; d.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    d.RescaleSlope = 1; d.RescaleIntercept = 0; d.SamplesPerPixel = 1; d.PhotometricInterpretation = "MONOCHROME2"
    d.Rows = d.Columns = 512; d.BitsAllocated = d.BitsStored = 16; d.HighBit = 15; d.PixelRepresentation = 1
    d.add_new(0x7FE00010, "OW", a.tobytes())
    d.save_as(f"{out}/raw/{k:04}.dcm", enforce_file_format=True)
def conv(k):
    f = f"{out}/raw/{k:04}.dcm"
    for c, cmd in [("rle", ["dcmcrle"]), ("jpll", ["dcmcjpeg", "+e1"]), ("jls", ["dcmcjpls"]), ("j2k", ["gdcmconv", "--j2k"])]:
        subprocess.run([*cmd, f, f"{out}/{c}/{k:04}.dcm"], check=True)
with ThreadPoolExecutor(2) as p: list(p.map(conv, range(n)))
