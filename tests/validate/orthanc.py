"""Sends DICOM files to an Orthanc of our own on loopback, by STOW-RS and by C-STORE, and takes them back.

usage: orthanc.py FILE...

Each file must be accepted, found by QIDO-RS under its study, series and instance, and come back from WADO-RS with the same
elements, pixels included (Orthanc writes its own file meta information). Exits with 77 where there is no Orthanc with its
DICOMweb plugin (Debian: orthanc orthanc-dicomweb).
"""

import io
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid

import pydicom
import pynetdicom

PLUGIN = pathlib.Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
SKIPPED = 77


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(url, accept="application/json", data=None, kind=None):
    request = urllib.request.Request(url, data=data, headers={"Accept": accept})
    if kind:
        request.add_header("Content-Type", kind)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.headers, answer.read()


class Orthanc:
    """A server with an empty database, for the time of a `with`."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.http, self.dicom = free_port(), free_port()
        settings = {
            "StorageDirectory": self.folder.name,
            "IndexDirectory": self.folder.name,
            "Plugins": [str(PLUGIN)],
            "HttpPort": self.http,
            "DicomPort": self.dicom,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAlwaysAllowStore": True,
            # Label map segmentations are younger than Debian's Orthanc.
            "UnknownSopClassAccepted": True,
            "OverwriteInstances": True,
        }
        path = pathlib.Path(self.folder.name) / "orthanc.json"
        path.write_text(json.dumps(settings))
        self.log = open(pathlib.Path(self.folder.name) / "log", "w+b")
        program = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/bin")
        self.process = subprocess.Popen([program, str(path)], stdout=self.log, stderr=self.log)
        self.web = f"http://127.0.0.1:{self.http}/dicom-web"
        for _ in range(300):
            try:
                ask(f"http://127.0.0.1:{self.http}/system")
                return self
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        raise SystemExit("Orthanc did not start: " + self.told())

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()
        self.folder.cleanup()

    def told(self):
        self.log.seek(0)
        return self.log.read()[-2000:].decode(errors="replace")

    def stow(self, path):
        boundary = uuid.uuid4().hex
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body = head + path.read_bytes() + f"\r\n--{boundary}--".encode()
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        _, answer = ask(f"{self.web}/studies", "application/dicom+json", body, kind)
        answer = json.loads(answer)
        # Failed SOP Sequence; Referenced SOP Sequence holds what was taken.
        if answer.get("00081198", {}).get("Value") or len(answer.get("00081199", {}).get("Value", [])) != 1:
            yield f"STOW refused: {json.dumps(answer)[:300]}"

    def c_store(self, path):
        data = pydicom.dcmread(path)
        sender = pynetdicom.AE("NETRA")
        sender.add_requested_context(data.SOPClassUID, data.file_meta.TransferSyntaxUID)
        association = sender.associate("127.0.0.1", self.dicom, ae_title="ORTHANC")
        if not association.is_established:
            yield "no association"
            return
        try:
            status = association.send_c_store(data)
            if status.get("Status") != 0:
                yield f"C-STORE answers {status}"
        except ValueError as refused:
            yield f"C-STORE refused: {refused}"
        finally:
            association.release()

    def found_and_same(self, path):
        sent = pydicom.dcmread(path)
        study, series, instance = sent.StudyInstanceUID, sent.SeriesInstanceUID, sent.SOPInstanceUID
        _, found = ask(f"{self.web}/studies/{study}/series/{series}/instances?SOPInstanceUID={instance}", "application/dicom+json")
        if len(json.loads(found)) != 1:
            yield "QIDO does not find it"
            return
        url = f"{self.web}/studies/{study}/series/{series}/instances/{instance}"
        headers, body = ask(url, 'multipart/related; type="application/dicom"; transfer-syntax=*')
        boundary = headers["Content-Type"].split("boundary=")[1].split(";")[0].strip('"').encode()
        part = body.split(b"--" + boundary)[1].split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n", 1)[0]
        back = pydicom.dcmread(io.BytesIO(part))
        if back.file_meta.TransferSyntaxUID != sent.file_meta.TransferSyntaxUID:
            yield f"came back as {back.file_meta.TransferSyntaxUID.name}"
        if back != sent:
            yield "came back with other elements"


def main(paths):
    if not (PLUGIN.exists() and shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/bin")):
        print("no Orthanc with its DICOMweb plugin")
        return SKIPPED
    wrong = 0
    for way in ("stow", "c_store"):
        with Orthanc() as server:
            for path in map(pathlib.Path, paths):
                faults = [*getattr(server, way)(path)]
                faults += [*server.found_and_same(path)] if not faults else []
                wrong += bool(faults)
                print(f"{way:8} {path.name}: {'; '.join(faults) or 'accepted, found, identical'}")
    return 1 if wrong or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
