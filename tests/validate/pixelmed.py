"""Checks reports against their templates with PixelMed's DicomSRValidator (Debian libpixelmed-java).

usage: pixelmed.py REFERENCE REPORT

Fails when the report has a kind of error that the reference, another writer's report of the same kind, has not: the validator
holds a template of 2022 and finds fault with every report there is. Warnings are counted only.
"""

import glob
import re
import subprocess
import sys

LIMITS = ["-Djdk.xml.xpathExprOpLimit=0", "-Djdk.xml.xpathExprGrpLimit=0", "-Djdk.xml.xpathTotalOpLimit=0"]


def findings(path):
    jars = ":".join(["/usr/share/java/pixelmed.jar", *glob.glob("/usr/share/java/*.jar")])
    command = ["java", *LIMITS, "-cp", jars, "com.pixelmed.validate.DicomSRValidator", path]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    text = done.stdout + done.stderr
    assert "Root Template Validation Complete" in text, text
    # The place of an item is no part of the kind of error.
    lines = [re.sub(r"\b1(\.\d+)+: ", "", line) for line in text.splitlines()]
    return [[line for line in lines if line.startswith(kind)] for kind in ("Error", "Warning")]


def main(arguments):
    reference_errors, reference_warnings = findings(arguments[0])
    errors, warnings = findings(arguments[1])
    new = sorted(set(errors) - set(reference_errors))
    for line in new + sorted(set(warnings) - set(reference_warnings)):
        print("   ", line)
    print(f"{arguments[1]}: {len(new)} kinds of error that the reference lacks, {len(errors)} errors, {len(warnings)} warnings")
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
