"""Writes small DICOM files coded by other people's encoders (CharLS, libjpeg-turbo, liblj92, OpenJPEG, OpenJPH,
libjxl, pydicom; where they are installed also DCMTK and OpenJPEG's tools), the pixels that they hold, and `cases.csv`: name, bytes a sample, largest difference allowed. Argument: the folder."""
import csv
import io
import itertools
import shutil
import subprocess
import sys
from pathlib import Path

import imagecodecs
import jpeg2000
import jpeg_ls
import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid

FOLDER = Path(sys.argv[1])
RNG = np.random.default_rng(7)
CASES = []


def picture(rows, columns, samples, bits):
    """Smooth waves, flat areas, an edge and noise: (rows, columns, samples), all of 0 to 2^bits - 1."""
    y, x = np.mgrid[:rows, :columns]
    top = 2**bits - 1
    planes = []
    for s in range(samples):
        wave = 0.5 + 0.4 * np.sin(x / (5 + s)) * np.cos(y / (7 - s))
        wave[rows // 3 : rows // 2] = 0.25 * (s + 1)
        wave[:, columns // 2 : columns // 2 + 2] = 1 - s / 3
        noise = RNG.normal(0, 0.01, wave.shape) * (x > columns // 4)
        planes.append(np.clip(np.round((wave + noise) * top), 0, top))
    return np.stack(planes, -1).astype(np.uint8 if bits <= 8 else np.uint16)


def dataset(pixels, bits, syntax, photometric):
    data, meta = Dataset(), FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    data.file_meta = meta
    data.StudyInstanceUID, data.SeriesInstanceUID = generate_uid(), generate_uid()
    data.Modality, data.PatientID, data.PatientName = "OT", "", ""
    data.Rows, data.Columns, data.SamplesPerPixel = pixels.shape
    data.PhotometricInterpretation = photometric
    data.BitsAllocated = 8 * pixels.itemsize
    data.BitsStored, data.HighBit, data.PixelRepresentation = bits, bits - 1, int(pixels.dtype.kind == "i")
    if data.SamplesPerPixel == 3:
        data.PlanarConfiguration = 0
    return data


def case(name, pixels, tolerance):
    (FOLDER / f"{name}.raw").write_bytes(np.ascontiguousarray(pixels).tobytes())
    CASES.append([name, pixels.itemsize, tolerance])


def add(name, stream, pixels, bits, syntax, tolerance, photometric=None):
    photometric = photometric or ("MONOCHROME2" if pixels.shape[2] == 1 else "RGB")
    data = dataset(pixels, bits, f"1.2.840.10008.1.2.4.{syntax}", photometric)
    data.PixelData = encapsulate([bytes(stream)])
    data["PixelData"].VR = "OB"
    data.save_as(FOLDER / f"{name}.dcm", enforce_file_format=True)
    case(name, pixels, tolerance)


SIZES = [(1, 1), (1, 9), (9, 1), (3, 2), (37, 53), (64, 200)]

# JPEG-LS: every depth, near values, interleave modes, odd sizes.
for (rows, columns), samples in itertools.product(SIZES, [1, 3]):
    depths = range(2, 17) if (rows, columns) == (37, 53) else [8, 12, 16]
    for bits, near in itertools.product(depths, [0, 1, 3, 10]):
        if near > (2**bits - 1) // 2:
            continue
        pixels = picture(rows, columns, samples, bits)
        for mode in [0] if samples == 1 else [0, 1, 2]:
            ordered = pixels.transpose(2, 0, 1) if mode == 0 else pixels
            source = np.ascontiguousarray(ordered).tobytes()
            try:
                stream = jpeg_ls.encode_buffer(source, rows, columns, samples, bits, near, mode)
            except RuntimeError:  # its buffer is too small for the header of a tiny picture
                assert pixels.size < 100
                continue
            add(f"jls-{rows}x{columns}x{samples}-{bits}-{near}-{mode}", stream, pixels, bits, 81, near)

# Lossless JPEG: every predictor (libjpeg-turbo) and depth, and the other encoder's choice.
for (rows, columns), samples in itertools.product(SIZES, [1, 3]):
    depths = range(2, 17) if (rows, columns) == (37, 53) else [8, 16]
    for bits in depths:
        pixels = picture(rows, columns, samples, bits)
        plain = pixels[..., 0] if samples == 1 else pixels
        for predictor in range(1, 8):
            stream = imagecodecs.jpeg8_encode(
                plain, lossless=True, predictor=predictor, bitspersample=bits,
                colorspace="RGB" if samples == 3 else None, outcolorspace="RGB" if samples == 3 else None)
            add(f"sof3-{rows}x{columns}x{samples}-{bits}-{predictor}", stream, pixels, bits, 57, 0)
        if samples == 1 and rows > 1 and columns > 1:
            stream = imagecodecs.ljpeg_encode(plain, bitspersample=bits)
            add(f"lj92-{rows}x{columns}-{bits}", stream, pixels, bits, 57, 0)

# DCT of 8 bits: subsampling, restarts, progression. What libjpeg-turbo decodes is within 1 of exact arithmetic, and so are we.
for (rows, columns), mode in itertools.product(SIZES, ["grey", "444", "422", "420", "440", "411"]):
    grey = mode == "grey"
    pixels = picture(rows, columns, 1 if grey else 3, 8)
    for progressive, restart, quality in itertools.product([False, True], [0, 1, 3], [40, 95]):
        file = io.BytesIO()
        subsampling = {"444": "4:4:4", "422": "4:2:2", "420": "4:2:0", "440": "4:4:0", "411": "4:1:1"}
        options = {} if grey else {"subsampling": subsampling[mode]}
        image = Image.fromarray(pixels[..., 0] if grey else pixels)
        try:
            image.save(file, "JPEG", quality=quality, progressive=progressive, restart_marker_blocks=restart, **options)
        except (TypeError, ValueError):
            continue
        stream = file.getvalue()
        back = imagecodecs.jpeg8_decode(stream, outcolorspace=None if grey else "YCBCR")
        name = f"dct-{rows}x{columns}-{mode}-{int(progressive)}-{restart}-{quality}"
        # Where a picture is a block or two wide, libjpeg repeats chrominance instead of blending it.
        blends = mode in ("grey", "444") or min(rows, columns) > 4
        add(name, stream, back.reshape(pixels.shape), 8, 50, 1 if blends else 40, "MONOCHROME2" if grey else "YBR_FULL")

# DCT of 12 bits, sequential.
for rows, columns in SIZES:
    pixels = picture(rows, columns, 1, 12)
    stream = imagecodecs.jpeg8_encode(pixels[..., 0], level=90, bitspersample=12)
    back = imagecodecs.jpeg8_decode(stream)
    add(f"dct12-{rows}x{columns}", stream, back.reshape(pixels.shape), 12, 51, 1)

# JPEG 2000: every depth, colour transform, tiles; with OpenJPEG's own tool all else (jpeg2000.py).
for (rows, columns), samples in itertools.product(SIZES, [1, 3]):
    for bits in range(2, 17) if (rows, columns) == (37, 53) else [8, 16]:
        pixels = picture(rows, columns, samples, bits)
        plain = pixels[..., 0] if samples == 1 else pixels
        options = {"codecformat": "J2K", "bitspersample": bits, "numthreads": 1}
        for name, more in {"plain": {"mct": False}, "few": {"resolutions": 1}, "rct": {"mct": True}}.items():
            if "mct" in more and samples == 1:
                continue
            stream = imagecodecs.jpeg2k_encode(plain, level=0, reversible=True, **options, **more)
            add(f"j2k-{rows}x{columns}x{samples}-{bits}-{name}", stream, pixels, bits, 90, 0)
        stream = imagecodecs.jpeg2k_encode(plain, level=60, reversible=False, **options)
        back = imagecodecs.jpeg2k_decode(stream, numthreads=1).reshape(pixels.shape)
        add(f"j2k-{rows}x{columns}x{samples}-{bits}-lossy", stream, back, bits, 91, 2)
if shutil.which("opj_compress"):
    jpeg2000.variants(FOLDER, picture, add)

# HTJ2K, JPEG XL and RLE of whole bytes.
for (rows, columns), samples, bits in itertools.product(SIZES, [1, 3], [8, 16]):
    pixels = picture(rows, columns, samples, bits)
    plain = pixels[..., 0] if samples == 1 else pixels
    name = f"{rows}x{columns}x{samples}-{bits}"
    add(f"htj2k-{name}", imagecodecs.htj2k_encode(plain, reversible=True), pixels, bits, 201, 0)
    add(f"jxl-{name}", imagecodecs.jpegxl_encode(plain, lossless=True, numthreads=1), pixels, bits, 201, 0)
    file = FOLDER / f"jxl-{name}.dcm"  # pydicom writes no syntax that it does not know
    content = file.read_bytes().replace(b"1.2.840.10008.1.2.4.201", b"1.2.840.10008.1.2.4.110", 1)
    file.unlink()
    file.write_bytes(content)
for (rows, columns), samples, bits in itertools.product(SIZES, [1, 3], [8, 16]):
    pixels = picture(rows, columns, samples, bits)
    data = dataset(pixels, bits, ExplicitVRLittleEndian, "RGB" if samples == 3 else "MONOCHROME2")
    name = f"rle-{rows}x{columns}x{samples}-{bits}"
    data.compress(RLELossless, pixels if samples == 3 else pixels[..., 0], encoding_plugin="pydicom", generate_instance_uid=False)
    data.save_as(FOLDER / f"{name}.dcm", enforce_file_format=True)
    case(name, pixels, 0)

# DCMTK's own libjpeg: the retired processes, 8 and 12 bits, and point transforms.
if shutil.which("dcmcjpeg"):
    for (rows, columns), bits in itertools.product([(37, 53), (64, 200), (9, 1)], [8, 12, 16]):
        pixels = picture(rows, columns, 1, bits)
        source, coded, plain = (FOLDER / f"dcmtk.{kind}" for kind in ("source", "coded", "plain"))
        data = dataset(pixels, bits, ExplicitVRLittleEndian, "MONOCHROME2")
        data.add_new(0x7FE00010, "OW" if bits > 8 else "OB", pixels.tobytes() + b"\0" * (pixels.nbytes % 2))
        data.save_as(source, enforce_file_format=True)
        lossy = [] if bits == 16 else [["+ee"], ["+es"], ["+ep"]]
        exact = [["+el", "+sv", str(s), "+pt", str(t)] for s in range(1, 8) for t in (0, 2)]
        for options in [*lossy, *exact]:
            coded.unlink(missing_ok=True)
            plain.unlink(missing_ok=True)
            subprocess.run(["dcmcjpeg", *options, source, coded], check=True, capture_output=True)
            subprocess.run(["dcmdjpeg", coded, plain], check=True, capture_output=True)
            back = dcmread(plain)
            back = np.frombuffer(back.PixelData, f"<u{back.BitsAllocated // 8}")[: rows * columns]
            name = f"dcmtk-{rows}x{columns}-{bits}{''.join(options)}".replace("+", "-")
            shutil.copy(coded, FOLDER / f"{name}.dcm")
            case(name, back.reshape(pixels.shape), 1 if options in lossy else 0)

with open(FOLDER / "cases.csv", "w", newline="") as file:
    csv.writer(file).writerows(CASES)
print(len(CASES), "codestreams")
