"""Reads a presentation state with pydicom, highdicom and DCMTK and compares it with what was meant to be written.

usage: pr.py STATE EXPECTED.json [--reference OUT SOURCE...]

EXPECTED.json: {"shape": [slices, rows, columns], "labels": "FILE of uint16, little endian",
"frames": [[SOP Instance UID, frame number] of each slice, or null for a slice that no frame has],
"segments": {number: [label, [red, green, blue], Tracking UID]}}

The outlines are filled by the even-odd rule, border by border, and must give the labels of every frame. With --reference,
highdicom's own presentation state of the SOURCE files is written to OUT.
"""

import io
import json
import pathlib
import shutil
import subprocess
import sys
import warnings

import highdicom as hd
import numpy as np
import pydicom
from highdicom import pr
from PIL import Image, ImageCms

BANNER = "AI result, not for diagnosis"


def fill(lines, shape):
    """A pixel is inside when an odd number of vertical borders lie left of it."""
    mask = np.zeros(shape, dtype=bool)
    for points in lines:
        for (x, y), (to_x, to_y) in zip(points, points[1:]):
            assert (x == to_x) != (y == to_y), "a line that is not on pixel borders"
            if x == to_x:
                mask[int(min(y, to_y)) : int(max(y, to_y)), int(x) :] ^= True
    return mask


def key_of(reference):
    return reference.ReferencedSOPInstanceUID, int(reference.get("ReferencedFrameNumber", 1))


def compare_outlines(state, meant, labels):
    wanted = {
        (tuple(frame), number): labels[slice_] == number
        for slice_, frame in enumerate(meant["frames"])
        if frame is not None
        for number in np.unique(labels[slice_]).tolist()
        if number != 0
    }
    read = {}
    for annotation in state.GraphicAnnotationSequence:
        if "ReferencedImageSequence" not in annotation:
            assert "GraphicObjectSequence" not in annotation, "outlines on every image"
            continue
        (reference,) = annotation.ReferencedImageSequence
        number = int(annotation.GraphicLayer.removeprefix("SEGMENT_"))
        lines = []
        for item in annotation.GraphicObjectSequence:
            points = np.array(item.GraphicData).reshape(-1, 2)
            # highdicom's own object refuses what is outside the image or not of its type.
            pr.GraphicObject(item.GraphicType, points, item.GraphicAnnotationUnits)
            assert points.min() >= 0 and (points.max(axis=0) <= labels.shape[:0:-1]).all()
            assert len(points) == item.NumberOfGraphicPoints and item.GraphicDimensions == 2
            assert item.GraphicType == "POLYLINE" and item.GraphicAnnotationUnits == "PIXEL"
            assert (points[0] == points[-1]).all() and item.GraphicFilled == "N"
            label, _, tracking = meant["segments"][str(number)]
            assert item.TrackingUID == tracking and item.TrackingID.endswith("/" + label)
            lines.append(points)
        assert (key_of(reference), number) not in read
        read[key_of(reference), number] = fill(lines, labels.shape[1:])
    assert read.keys() == wanted.keys(), f"{sorted(read.keys() ^ wanted.keys())}"
    for key, mask in wanted.items():
        assert np.array_equal(read[key], mask), f"{key}: {np.count_nonzero(read[key] != mask)} pixels differ"
    return len(read)


def seen_as(profile, samples):
    """L*, a*, b* under D50 of 8-bit samples, as whole numbers, by LittleCMS."""
    transform = ImageCms.buildTransform(profile, ImageCms.createProfile("LAB"), "RGB", "LAB")
    values = np.array(ImageCms.applyTransform(Image.fromarray(samples), transform))
    return np.concatenate([values[..., :1] / 2.55, values[..., 1:].astype(np.int8)], axis=-1)


def compare_layers(state, meant, labels):
    layers = {layer.GraphicLayer: layer for layer in state.GraphicLayerSequence}
    found = [number for number in np.unique(labels).tolist() if number != 0]
    assert list(layers) == [f"SEGMENT_{number}" for number in found] + ["AI_RESULT"], list(layers)
    assert [layer.GraphicLayerOrder for layer in layers.values()] == list(range(1, len(layers) + 1))
    for number in found:
        label, colour, _ = meant["segments"][str(number)]
        layer = layers[f"SEGMENT_{number}"]
        assert layer.GraphicLayerDescription == label
        lab = hd.color.CIELabColor.from_dicom_value(layer.GraphicLayerRecommendedDisplayCIELabValue).lab
        wanted = seen_as(ImageCms.createProfile("sRGB"), np.array([[colour]], np.uint8))[0, 0]
        assert np.abs(lab - wanted).max() <= 1, f"{lab}, not {wanted}"
    (text,) = state.GraphicAnnotationSequence[0].TextObjectSequence
    assert text.UnformattedTextValue.startswith(BANNER)
    assert state.GraphicAnnotationSequence[0].GraphicLayer == "AI_RESULT"


def frame_of(image, number, group, name):
    """An attribute of a frame: its own, the shared one, or the image's."""
    groups = [*image.get("PerFrameFunctionalGroupsSequence", [])[number - 1 : number], *image.get("SharedFunctionalGroupsSequence", [])]
    for item in [*(g[group][0] for g in groups if group in g), image]:
        if item.get(name) not in (None, ""):
            return item.get(name)
    return None


def first(value):
    return float(value[0] if isinstance(value, pydicom.multival.MultiValue) else value)


def compare_transformations(state, meant, images):
    frames = [tuple(frame) for frame in meant["frames"] if frame is not None]
    listed = []
    for reference in state.ReferencedSeriesSequence[0].ReferencedImageSequence:
        image = images[reference.ReferencedSOPInstanceUID]
        every = range(1, int(image.get("NumberOfFrames", 1)) + 1)
        numbers = reference.get("ReferencedFrameNumber", every)
        numbers = [numbers] if isinstance(numbers, int) else numbers
        listed += [(image.SOPInstanceUID, int(n)) for n in numbers]
    assert sorted(listed) == sorted(frames), "other frames than the source's"

    (area,) = state.DisplayedAreaSelectionSequence
    image = images[frames[0][0]]
    assert area.DisplayedAreaTopLeftHandCorner == [1, 1]
    assert area.DisplayedAreaBottomRightHandCorner == [image.Columns, image.Rows]
    assert ("PresentationPixelSpacing" in area) != ("PresentationPixelAspectRatio" in area)
    if image.SamplesPerPixel == 3 or image.PhotometricInterpretation == "PALETTE COLOR":
        assert "ICCProfile" in state and "PresentationLUTShape" not in state
        return
    assert state.PresentationLUTShape == ("INVERSE" if image.PhotometricInterpretation == "MONOCHROME1" else "IDENTITY")
    for uid, number in frames:
        image = images[uid]
        for name in ("RescaleSlope", "RescaleIntercept"):
            stated = frame_of(image, number, "PixelValueTransformationSequence", name)
            assert (stated is None) == (name not in state) and (stated is None or float(stated) == float(state[name].value))
        windows = [
            window
            for window in state.get("SoftcopyVOILUTSequence", [])
            if "ReferencedImageSequence" not in window
            or any(
                r.ReferencedSOPInstanceUID == uid and number in np.atleast_1d(r.get("ReferencedFrameNumber", number))
                for r in window.ReferencedImageSequence
            )
        ]
        centre = frame_of(image, number, "FrameVOILUTSequence", "WindowCenter")
        if centre is not None and "VOILUTSequence" not in image:
            (window,) = windows
            width = frame_of(image, number, "FrameVOILUTSequence", "WindowWidth")
            assert (float(window.WindowCenter), float(window.WindowWidth)) == (first(centre), first(width))
        elif "VOILUTSequence" in image:
            (window,) = windows
            (table,), source = window.VOILUTSequence, image.VOILUTSequence[0]
            assert table.LUTDescriptor[:2] == source.LUTDescriptor[:2] and table.LUTDescriptor[2] == 16
            scale = 65535 / (2 ** source.LUTDescriptor[2] - 1)
            assert np.array_equal(numbers_of(table), np.round(numbers_of(source) * scale))
        elif "ModalityLUTSequence" in image:
            (table,), (source,) = state.ModalityLUTSequence, image.ModalityLUTSequence
            assert np.array_equal(numbers_of(table), numbers_of(source)) and table.LUTDescriptor == source.LUTDescriptor
            assert table.ModalityLUTType == source.ModalityLUTType
        else:
            assert not windows


def numbers_of(table):
    data = table.LUTData
    return np.frombuffer(data, "<u2") if isinstance(data, bytes) else np.array(data)


def compare_profile(state):
    """The profile is one for input devices, and LittleCMS makes of it what it makes of sRGB."""
    profile = state.ICCProfile
    assert profile[12:24] == b"scnrRGB XYZ ", profile[:40]
    samples = np.stack(np.meshgrid(*[np.arange(0, 256, 15, dtype=np.uint8)] * 3), axis=-1).reshape(1, -1, 3)
    ours = seen_as(ImageCms.ImageCmsProfile(io.BytesIO(profile)), samples)
    difference = np.abs(ours - seen_as(ImageCms.createProfile("sRGB"), samples)).max()
    assert difference <= 1, f"{difference} from sRGB"


def other_readers(path, state):
    """DCMTK checks the state."""
    if not shutil.which("dcmpschk"):
        print("skipped: no dcmpschk (apt install dcmtk)")
        return
    if "ICCProfile" in state:
        return  # DCMTK knows no colour presentation states.
    done = subprocess.run(["dcmpschk", path], capture_output=True, text=True, errors="replace")
    told = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith(("E:", "F:", "W:"))]
    assert done.returncode == 0 and told == [f"W: Testing: {path}", "W: Test passed."], told


def reference(state, out, images):
    for image in images:
        for name in ("AccessionNumber", "StudyID", "StudyDate", "StudyTime", "PatientID", "PatientName", "PatientBirthDate", "PatientSex"):
            if name not in image:
                setattr(image, name, None)
    layer = pr.GraphicLayer("ONE", 1, "one", hd.color.CIELabColor(50.0, 0.0, 0.0))
    square = np.array([[0.0, 0], [2, 0], [2, 2], [0, 0]])
    line = pr.GraphicObject("POLYLINE", square, "PIXEL", tracking_id="one", tracking_uid=hd.UID())
    text = pr.TextObject(BANNER, "DISPLAY", bounding_box=(0.0, 0.9, 1.0, 1.0))
    note = pr.GraphicAnnotation(images, layer, text_objects=[text])
    drawn = pr.GraphicAnnotation(images[:1], layer, graphic_objects=[line])
    kind = pr.ColorSoftcopyPresentationState if "ICCProfile" in state else pr.GrayscaleSoftcopyPresentationState
    profile = {"icc_profile": state.ICCProfile} if "ICCProfile" in state else {}
    made = kind(
        images, hd.UID(), 1, hd.UID(), 1, "maker", "model", "1", "serial", "LABEL", content_description="text",
        graphic_annotations=[note, drawn], graphic_layers=[layer], **profile,
    )  # fmt: skip
    # highdicom leaves this out, where dciodvfy asks for it.
    made.Laterality = state.get("Laterality")
    made.save_as(out)


def main(arguments):
    warnings.simplefilter("ignore")
    path, expected = pathlib.Path(arguments[0]), pathlib.Path(arguments[1])
    referring = arguments[2:3] == ["--reference"]
    images = [pydicom.dcmread(source) for source in arguments[4:]]
    state = pydicom.dcmread(path)
    meant = json.loads(expected.read_text())
    labels = np.fromfile(expected.parent / meant["labels"], dtype="<u2").reshape(meant["shape"])
    count = compare_outlines(state, meant, labels)
    compare_layers(state, meant, labels)
    if images:
        compare_transformations(state, meant, {image.SOPInstanceUID: image for image in images})
    if state.get("ColorSpace") == "SRGB":
        compare_profile(state)
    other_readers(path, state)
    if referring:
        reference(state, arguments[3], images)
    print(f"{path}: {count} outlined segments of frames, identical")


if __name__ == "__main__":
    main(sys.argv[1:])
