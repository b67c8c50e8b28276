"""What Netra, dcm2niix and SimpleITK make of a series, in one form: a `Reading`."""

import dataclasses
import pathlib
import shutil
import subprocess
import sys

import nibabel
import numpy as np
import SimpleITK as sitk

# Of the wheel, beside the interpreter, else of the system.
DCM2NIIX = shutil.which("dcm2niix", path=pathlib.Path(sys.executable).parent) or "dcm2niix"
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclasses.dataclass
class Reading:
    """Voxels `(i, j, k)`, colours in a fourth axis; `affine` takes indices to RAS mm, None when there is none."""

    values: np.ndarray
    affine: np.ndarray | None
    name: str = ""


class Refused(Exception):
    """A reader gave nothing, and said why."""


def nifti(path):
    """A NIfTI file; values after slope and intercept as float32."""
    image = nibabel.load(path)
    stored = np.asanyarray(image.dataobj)
    if stored.dtype.names:  # RGB24
        stored = np.stack([stored[channel] for channel in "RGB"], axis=-1)
    coded = int(image.header["sform_code"]) or int(image.header["qform_code"])
    return Reading(stored.astype(np.float32), image.affine if coded else None, pathlib.Path(path).name)


def netra(binary, files, out, policy):
    """Every volume that `netra convert` writes for the files."""
    folder = gathered(files, out / "in")
    target = out / f"netra-{policy}" / "out.nii"
    target.parent.mkdir()
    command = [binary, "convert", folder, target, "--quiet", "--policy", policy]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    written = sorted(target.parent.glob("*.nii"))
    if not written:
        raise Refused(done.stderr.strip().removeprefix("error: ") or f"exit code {done.returncode}")
    return [by_both(path) for path in written]


def by_both(path):
    """What nibabel and SimpleITK both read from a NIfTI file of ours."""
    mine = nifti(path)
    image = sitk.ReadImage(str(path))
    theirs = of_itk(image)
    if mine.affine is None:
        theirs.affine = None
    difference = compare(mine, theirs)
    assert difference is None, f"{path.name} is not the same to nibabel and SimpleITK: {difference}"
    return mine


def dcm2niix(files, out):
    """Every volume that dcm2niix writes; display values (`-p n`), tilted and uneven stacks as it corrects them too."""
    folder = gathered(files, out / "in")
    (out / "dcm2niix").mkdir()
    done = subprocess.run(
        [DCM2NIIX, "-z", "n", "-b", "n", "-p", "n", "-f", "out", "-o", out / "dcm2niix", folder],
        capture_output=True, text=True, check=False, errors="replace", timeout=300,
    )
    # Overlay planes are no images of the series.
    written = sorted(path for path in (out / "dcm2niix").glob("*.nii") if "_ROI" not in path.name)
    if not written:
        said = [line for line in done.stdout.splitlines() if not line.startswith(("Chris Rorden", "Found", "Conversion"))]
        raise Refused(" ".join(said)[:200] or f"exit code {done.returncode}")
    return [nifti(path) for path in written]


def simpleitk(files, out):
    """The series as SimpleITK's own series reader sorts it; a single file by its file reader."""
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        if len(files) == 1:
            image = sitk.ReadImage(str(files[0]))
        else:
            names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(gathered(files, out / "in")))
            image = sitk.ReadImage(names)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise Refused((lines or ["?"])[-1][:200]) from None
    if image.GetDimension() != 3:
        raise Refused(f"{image.GetDimension()} dimensions")
    return [of_itk(image)]


def of_itk(image):
    """An image of three dimensions as a reading."""
    array = sitk.GetArrayFromImage(image)
    axes = (2, 1, 0, 3) if array.ndim == 4 else (2, 1, 0)
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return Reading(array.transpose(axes).astype(np.float32), LPS_TO_RAS @ affine)


def gathered(files, folder):
    """The files, copied into one folder of their own under numbered names."""
    if not folder.exists():
        folder.mkdir(parents=True)
        for number, path in enumerate(files):
            shutil.copyfile(path, folder / f"{number:04}.dcm")
    return folder


def match(ones, others, slack=0.0, relative=0.0):
    """None when two lists of readings are one list, in any order; else what differs first."""
    if len(ones) != len(others):
        return f"{len(ones)} and {len(others)} volumes"
    left = list(others)
    for one in ones:
        said = [compare(one, other, slack, relative) for other in left]
        if None not in said:
            return said[0]
        left.pop(said.index(None))
    return None


def compare(a, b, slack=0.0, relative=0.0):
    """None when two readings are one: the same corners of the world within 1e-4 mm and the same values, up to the order
    and direction of axes; else what differs. A single slice has no depth to compare. Without an affine, values only.
    Values may differ by `slack`, and by `relative` of the largest one."""
    if a.values.ndim != b.values.ndim:
        return f"{a.values.ndim} and {b.values.ndim} axes"
    slack += relative * np.nanmax(np.abs(b.values), initial=0)
    if a.affine is None or b.affine is None:
        if a.values.shape != b.values.shape:
            return f"shapes {a.values.shape} and {b.values.shape}"
        # dcm2niix turns the rows around, and has no affine to say so.
        return None if any(same(a.values, b.values[:, ::s], slack) for s in (1, -1)) else values(a.values, b.values)
    turn = axes(a, b)
    if turn is None:
        return f"directions differ: {np.round(a.affine[:3, :3], 3).tolist()} and {np.round(b.affine[:3, :3], 3).tolist()}"
    order, flipped = turn
    turned = np.transpose(b.values, [*order, *range(3, b.values.ndim)])
    affine = b.affine[:, [*order, 3]].copy()
    for axis in range(3):
        if flipped[axis]:
            affine[:3, 3] += affine[:3, axis] * (turned.shape[axis] - 1)
            affine[:3, axis] *= -1
            turned = np.flip(turned, axis)
    if a.values.shape != turned.shape:
        return f"shapes {a.values.shape} and {turned.shape}"
    ends = np.array(a.values.shape[:3]) - 1
    corners = np.array([[i, j, k, 1] for i in (0, ends[0]) for j in (0, ends[1]) for k in (0, ends[2])]).T
    off = np.abs((a.affine - affine) @ corners)[:3].max()
    if off > 1e-4:
        return f"corners differ by {off:.4g} mm"
    return None if same(a.values, turned, slack) else values(a.values, turned)


def axes(a, b):
    """Which axis of `b` runs along each of `a`, and whether against it; None when they are no turn of each other."""
    a_steps, b_steps = (m.affine[:3, :3] / np.maximum(np.linalg.norm(m.affine[:3, :3], axis=0), 1e-12) for m in (a, b))
    product = a_steps.T @ b_steps
    order = np.abs(product).argmax(axis=1)
    if sorted(order) != [0, 1, 2]:
        return None
    picked = product[range(3), order]
    if np.abs(picked).min() < 0.99:
        return None
    return list(order), list(picked < 0)


def same(a, b, slack):
    return np.array_equal(a, b, equal_nan=True) if slack == 0 else np.allclose(a, b, rtol=0, atol=slack, equal_nan=True)


def values(a, b):
    off = np.abs(a.astype(np.float64) - b)
    return f"values differ by up to {np.nanmax(off):.4g} in {np.mean(off != 0):.1%} of the voxels"


def clear(out):
    shutil.rmtree(out, ignore_errors=True)
