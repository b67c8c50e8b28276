"""Reads a NIfTI label map with nibabel and compares it with what was meant to be written.

usage: nifti.py FILE EXPECTED.json

EXPECTED.json: {"shape": [slices, rows, columns], "labels": "FILE of uint16, little endian",
"affine": 4x4 of (slice, row, column) to LPS mm, or null, "dtype": name}
"""

import json
import pathlib
import sys

import nibabel
import numpy as np


def main(arguments):
    meant = json.loads(pathlib.Path(arguments[1]).read_text())
    labels = np.fromfile(pathlib.Path(arguments[1]).parent / meant["labels"], dtype="<u2").reshape(meant["shape"])
    image = nibabel.load(arguments[0])
    assert image.get_data_dtype() == np.dtype(meant["dtype"]), image.get_data_dtype()
    read = np.asanyarray(image.dataobj).transpose(2, 1, 0)
    assert np.array_equal(read, labels), "labels differ"
    header = image.header
    if meant["affine"] is None:
        assert header["sform_code"] == 0 and header["qform_code"] == 0
    else:
        lps = np.array(meant["affine"])
        ras = np.diag([-1.0, -1, 1, 1]) @ lps[:, [2, 1, 0, 3]]
        assert np.allclose(image.affine, ras, atol=1e-4), f"{image.affine} is not {ras}"
        assert header["sform_code"] == 1
        if header["qform_code"] != 0:
            assert np.allclose(header.get_qform(), ras, atol=1e-3), f"qform {header.get_qform()} is not {ras}"
    print(f"{arguments[0]}: {read.shape} {read.dtype}, identical")


if __name__ == "__main__":
    main(sys.argv[1:])
