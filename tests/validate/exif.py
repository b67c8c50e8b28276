"""Writes a JPEG in each of the eight EXIF orientations into a folder (`1.jpg` to `8.jpg`), and beside it the picture that Pillow
makes of it: `1.raw`, rows and columns as two little-endian words of 16 bits, then red, green and blue."""
import struct
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

FOLDER = Path(sys.argv[1])
ORIENTATION = 0x0112


def raw(picture):
    pixels = np.asarray(picture.convert("RGB"))
    return struct.pack("<HH", *pixels.shape[:2]) + pixels.tobytes()


y, x = np.mgrid[:40, :56]
pixels = np.stack([4 * x, 6 * y, 128 + 0 * x], -1).astype(np.uint8)
for orientation in range(1, 9):
    picture = Image.fromarray(pixels)
    exif = picture.getexif()
    exif[ORIENTATION] = orientation
    path = FOLDER / f"{orientation}.jpg"
    picture.save(path, quality=95, subsampling=0, exif=exif)
    read = Image.open(path)
    path.with_suffix(".raw").write_bytes(raw(ImageOps.exif_transpose(read)))
