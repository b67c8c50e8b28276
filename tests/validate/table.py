"""Reads a Parquet table with pyarrow: columns of the right types, and the values of the CSV table of the same rows.

usage: table.py TABLE.parquet TABLE.csv
"""

import csv
import sys

import pyarrow
from pyarrow import parquet

NOT_TEXT = {
    "frame": pyarrow.int64(),
    "value": pyarrow.float64(),
    "threshold": pyarrow.float64(),
    "positive": pyarrow.bool_(),
    "voxels": pyarrow.int64(),
    "warnings": pyarrow.int64(),
}


def is_cell(value, cell):
    """Whether `cell` is how CSV writes `value`: empty for null, and with an apostrophe where a text looks like a formula."""
    if value is None:
        return cell == ""
    if isinstance(value, bool):
        return cell == str(value).lower()
    if isinstance(value, str):
        return cell == ("'" if value[0] in "=+-@\t\r\n" else "") + value
    return float(cell) == value


def main(path, csv_path):
    table = parquet.read_table(path)
    for field in table.schema:
        wanted = NOT_TEXT.get(field.name, pyarrow.string())
        assert field.type == wanted, f"{field.name} is {field.type}, not {wanted}"
    with open(csv_path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, strict=True)
        rows = list(reader)
    assert table.column_names == reader.fieldnames, table.column_names
    read = table.to_pylist()
    assert len(read) == len(rows), f"{len(read)} rows, not {len(rows)}"
    for number, (row, cells) in enumerate(zip(read, rows)):
        for name, value in row.items():
            assert is_cell(value, cells[name]), f"row {number}, {name}: {value!r}, not {cells[name]!r}"
    print(f"{path}: {len(rows)} rows, equal")


if __name__ == "__main__":
    main(*sys.argv[1:])
