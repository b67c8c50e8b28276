"""Writes the codestreams beside this file: 24 x 20 pixels of waves, in each codec that no dependency of ours encodes.

    python make.py        needs imagecodecs, numpy and pillow
"""

import io
import pathlib

import imagecodecs
import numpy
from PIL import Image

HERE = pathlib.Path(__file__).parent
y, x = numpy.mgrid[0:20, 0:24]
wave = (numpy.sin(x / 3.0) + numpy.cos(y / 2.0) + 2) / 4
grey8 = (wave * 255).astype("uint8")
grey16 = (wave * 4095).astype("uint16")
rgb = numpy.stack([grey8, grey8[::-1], grey8[:, ::-1]], axis=-1).copy()

progressive = io.BytesIO()
Image.fromarray(rgb).save(progressive, "JPEG", progressive=True, quality=80)
streams = {
    "progressive.jpg": progressive.getvalue(),
    "extended12.jpg": imagecodecs.jpeg_encode(grey16, bitspersample=12, level=90),
    "lossless.jpg": imagecodecs.ljpeg_encode(grey16, bitspersample=12),
    "lossless16.jls": imagecodecs.jpegls_encode(grey16),
    "near.jls": imagecodecs.jpegls_encode(rgb, level=2),
    "lossless.j2k": imagecodecs.jpeg2k_encode(grey16, codecformat="j2k", reversible=True, bitspersample=12),
    "lossy.j2k": imagecodecs.jpeg2k_encode(rgb, codecformat="j2k", level=30),
    "lossless.jph": imagecodecs.htj2k_encode(grey16),
    "lossless.jxl": imagecodecs.jpegxl_encode(grey8, lossless=True),
    "lossy.jxl": imagecodecs.jpegxl_encode(rgb, lossless=False, level=80),
}
for name, stream in streams.items():
    (HERE / name).write_bytes(stream)
    print(name, len(stream))
