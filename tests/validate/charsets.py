"""Prints, a line of JSON a file, the texts that pydicom reads from the DICOM files below the folders given, and from the files of
character sets that come with pydicom: `[file, [[path, text], ...]]`, a path being tags with the numbers of items between them."""
import json
import sys
import warnings
from pathlib import Path

import pydicom
import pydicom.data

TEXTS = {"LO", "SH", "PN", "UC", "LT", "ST", "UT"}
warnings.simplefilter("ignore")


def texts(data, path=()):
    for element in data:
        here = (*path, int(element.tag))
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                yield from texts(item, (*here, number))
        elif element.VR in TEXTS and element.value and not element.tag.is_private:
            values = element.value if element.VM > 1 else [element.value]
            yield here, "\\".join(str(value) for value in values)


own = Path(pydicom.data.__file__).parent / "charset_files"
for folder in [own, *map(Path, sys.argv[1:])]:
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix not in {".csv", ".md", ".txt", ".json"}):
        try:
            found = list(texts(pydicom.dcmread(path, stop_before_pixels=True)))
        except Exception:  # files that pydicom does not read say nothing about text
            continue
        if found:
            print(json.dumps([str(path), found]))
