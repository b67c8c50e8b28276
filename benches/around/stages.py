"""The stages and who else can do them. Each peer is a function of no arguments; the table names it by its library.

A stage also says how many bytes it has to move: its input once and its result once, and the input twice where numbers
over the whole input come before the change.
"""

import time
from dataclasses import dataclass
from functools import partial

import numpy as np

from inputs import CHANNELS, CLASSES, MERGED, SCAN, SMALL, SPACING, TARGET, WINDOW, read

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    torch = None
try:
    import SimpleITK as sitk
except ImportError:
    sitk = None
try:
    import cc3d
except ImportError:
    cc3d = None
try:
    import scipy.ndimage as ndi
except ImportError:
    ndi = None
try:
    import monai
    import monai.transforms as mt
    from monai.data import MetaTensor
    from monai.inferers import sliding_window_inference
except ImportError:
    monai = None


@dataclass
class Stage:
    """What a stage is called in the table, its peers, its bytes, and how its results are compared.

    `same` names the peer whose result ours must equal within `tolerance` (a share of its range; 0 for labels), on all but
    `differing` of the elements.
    """

    title: str
    peers: dict
    bytes: int
    same: str = ""
    kind: type = np.float32
    tolerance: float = 1e-5
    differing: float = 0.0


# Seconds of a peer's run that are not its own: what a pretended network takes.
not_counted = 0.0


def fresh(output):
    """What a network does: an output that is the caller's to change."""
    global not_counted
    start = time.perf_counter()
    made = output.clone()
    not_counted += time.perf_counter() - start
    return made


def size(shape, each):
    return int(np.prod(shape)) * each


def threads(n):
    if torch:
        torch.set_num_threads(n)
    if sitk:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(n)


def available(**peers):
    """Drops the peers whose library is missing; a name's first part is the library's."""
    have = {"torch": torch, "sitk": sitk, "cc3d": cc3d, "scipy": ndi, "monai": monai, "numpy": np}
    return {name: run for name, run in peers.items() if have[name.split("_")[0]] is not None}


def itk_image(array, spacing):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing[::-1])
    return image


def itk_onto(image, shape, spacing, how):
    return sitk.Resample(image, shape[::-1], sitk.Transform(), how, image.GetOrigin(), spacing[::-1],
                         image.GetDirection(), 0.0, image.GetPixelID())


def array_of(made):
    """A peer's result as an array."""
    return sitk.GetArrayFromImage(made) if sitk and isinstance(made, sitk.Image) else np.asarray(made)


def meta(array, spacing):
    return MetaTensor(torch.from_numpy(array)[None], affine=np.diag([*spacing, 1.0]))


def positions(from_spacing, to_shape, to_spacing, from_shape):
    """grid_sample's coordinates (align_corners) of a grid with the same first voxel."""
    axes = [torch.arange(n) * (t / s) / (m - 1) * 2 - 1
            for n, t, s, m in zip(to_shape, to_spacing, from_spacing, from_shape)]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    return torch.stack([x, y, z], -1)[None].float()


def resample(folder, linear):
    array = read(folder, "scan.f32" if linear else "mask.u16")
    target = (TARGET,) * 3
    peers = {}
    if torch:
        values = torch.from_numpy(array.astype(np.float32))[None, None]
        grid = positions(SPACING, SMALL, target, SCAN)
        mode = "bilinear" if linear else "nearest"
        plain = {"mode": "trilinear", "align_corners": False} if linear else {"mode": "nearest-exact"}
        peers["torch_interpolate"] = lambda: F.interpolate(values, SMALL, **plain)
        peers["torch_grid_sample"] = lambda: F.grid_sample(values, grid, mode, "border", align_corners=True)
    if monai:
        volume = meta(array.astype(np.float32), SPACING)
        change = mt.Spacing(target, mode="bilinear" if linear else "nearest", padding_mode="border")
        peers["monai_Spacing"] = lambda: change(volume)
    if sitk:
        image = itk_image(array, SPACING)
        how = sitk.sitkLinear if linear else sitk.sitkNearestNeighbor
        peers["sitk_Resample"] = lambda: itk_onto(image, SMALL, target, how)
    if ndi:
        zoom = [n / m for n, m in zip(SMALL, SCAN)]
        peers["scipy_zoom"] = lambda: ndi.zoom(array, zoom, order=int(linear), mode="nearest", prefilter=False)
    each = 4 if linear else 2
    # Nearest reads every voxel's cache line along the rows, but only the slices that it takes.
    source = SCAN if linear else (SMALL[0], *SCAN[1:])
    title = "resample to 1.5 mm, " + ("linear" if linear else "labels, nearest")
    return Stage(title, peers, size(source, each) + size(SMALL, each), "monai_Spacing",
                 np.float32 if linear else np.uint16, 1e-4 if linear else 0,
                 # Every other slice lies midway between two, of which MONAI takes the even one.
                 0 if linear else 5e-3)


def prepare(folder):
    volume_of = lambda: MetaTensor(torch.from_numpy(array)[None], affine=affine)
    array, peers = read(folder, "scan.f32"), {}
    if monai:
        # Slices to the head, rows to the back, columns to the left, seen from MONAI's RAS.
        affine = np.array([[0, 0, -SPACING[2], 0], [0, -SPACING[1], 0, 0], [SPACING[0], 0, 0, 0], [0, 0, 0, 1.0]])
        volume = volume_of()
        chain = mt.Compose([mt.Orientation("RAS"), mt.Spacing((TARGET,) * 3, padding_mode="border"),
                            mt.ScaleIntensityRange(-175, 250, 0, 1, clip=True)])
        peers["monai_Compose"] = lambda: chain(volume)
    if sitk:
        image = itk_image(array, SPACING)

        def run():
            turned = sitk.PermuteAxes(itk_onto(image, SMALL, (TARGET,) * 3, sitk.sitkLinear), (2, 1, 0))
            return sitk.IntensityWindowing(sitk.Flip(turned, (False, True, True)), -175, 250, 0, 1)

        peers["sitk_chain"] = run
    return Stage("orient RAS, resample to 1.5 mm, scale", peers, size(SCAN, 4) + size(SMALL, 4), "monai_Compose",
                 tolerance=1e-4)


def intensity(folder, name):
    array = read(folder, "channels.f32" if name == "normalize_channels" else "scan.f32")
    array = array if array.ndim == 4 else array[None]
    values = torch.from_numpy(array) if torch else None
    image = itk_image(array[0], SPACING) if sitk and name != "normalize_channels" else None
    across = (1, 2, 3)

    def torch_range(v):
        return v.sub(-175).div_(425).clamp_(0, 1)

    def torch_nonzero(v):
        inside = v != 0
        count = inside.sum(across, keepdim=True)
        mean = v.sum(across, keepdim=True) / count
        deviation = ((v - mean).square_().mul_(inside).sum(across, keepdim=True) / count).sqrt_()
        return torch.where(inside, (v - mean) / deviation, v)

    def torch_normal(v):
        deviation, mean = torch.std_mean(v, correction=0)
        return v.sub(mean).div_(deviation)

    def numpy_percentiles():
        low, high = np.percentile(array, [0.5, 99.5])
        return np.clip((array - np.float32(low)) / np.float32(high - low), 0, 1)

    def monai_chain(v):
        return mt.NormalizeIntensity()(mt.ScaleIntensityRange(-175, 250, 0, 1, clip=True)(v))

    def itk_chain():
        return sitk.Normalize(sitk.IntensityWindowing(image, -175, 250, 0, 1))

    if name == "scale_range":
        peers = available(
            torch_ops=lambda: torch_range(values),
            monai_ScaleIntensityRange=lambda: mt.ScaleIntensityRange(-175, 250, 0, 1, clip=True)(values),
            sitk_IntensityWindowing=lambda: sitk.IntensityWindowing(image, -175, 250, 0, 1),
            numpy_ops=lambda: np.clip((array + np.float32(175)) / np.float32(425), 0, 1))
        return Stage("scale a range, clip", peers, 2 * array.nbytes, "monai_ScaleIntensityRange")
    if name == "scale_range_in_place":
        own = values.clone() if torch else None

        def numpy_in_place():
            np.add(array, np.float32(175), out=array)
            np.divide(array, np.float32(425), out=array)
            np.clip(array, 0, 1, out=array)

        # Run after run on the same values, which tend to 0.41: how long it takes does not depend on them.
        peers = available(torch_ops=lambda: own.sub_(-175).div_(425).clamp_(0, 1), numpy_ops=numpy_in_place)
        return Stage("scale a range, clip, in place", peers, 2 * array.nbytes)
    if name == "normalize":
        peers = available(
            torch_ops=lambda: torch_normal(values), monai_NormalizeIntensity=lambda: mt.NormalizeIntensity()(values),
            sitk_Normalize=lambda: sitk.Normalize(image))
        return Stage("normalise", peers, 3 * array.nbytes, "monai_NormalizeIntensity")
    if name == "normalize_nonzero":
        peers = available(torch_ops=lambda: torch_nonzero(values),
                          monai_NormalizeIntensity=lambda: mt.NormalizeIntensity(nonzero=True)(values))
        return Stage("normalise what is not 0", peers, 3 * array.nbytes, "monai_NormalizeIntensity")
    if name == "normalize_channels":
        change = partial(mt.NormalizeIntensity, nonzero=True, channel_wise=True) if monai else None
        peers = available(torch_ops=lambda: torch_nonzero(values),
                          monai_NormalizeIntensity=lambda: change()(values.clone()))
        return Stage("normalise each of 4 channels (4x155x240x240)", peers, 3 * size(CHANNELS, 4),
                     "monai_NormalizeIntensity")
    if name == "percentiles":
        peers = available(
            numpy_percentile=numpy_percentiles,
            monai_Percentiles=lambda: mt.ScaleIntensityRangePercentiles(0.5, 99.5, 0, 1, clip=True)(values))
        # The histogram of the upper halves of the values, that of the lower halves, the change.
        return Stage("scale between percentiles, clip", peers, 4 * array.nbytes, "numpy_percentile")
    peers = available(torch_ops=lambda: torch_normal(torch_range(values)), monai_chain=lambda: monai_chain(values),
                      sitk_chain=itk_chain)
    return Stage("scale a range, clip, normalise", peers, 3 * array.nbytes, "monai_chain")


def merge(folder, labels):
    peers = {}
    if torch:
        output = torch.from_numpy(read(folder, "window.f32"))[None]
        scan = torch.zeros(1, 1, *MERGED)
        decide = (lambda v: v[0].argmax(0)) if labels else (lambda v: v[0])
        starts = [sorted({*range(0, n - w, w // 2), n - w}) for n, w in zip(MERGED, WINDOW)]
        axes = [torch.exp(-((torch.arange(w) - (w - 1) / 2) ** 2) / (2 * (0.125 * w) ** 2)) for w in WINDOW]
        weights = (axes[0][:, None, None] * axes[1][:, None] * axes[2]).clamp_(min=1e-3)

        def by_hand():
            total, weight = torch.zeros(1, CLASSES, *MERGED), torch.zeros(MERGED)
            for z in starts[0]:
                for y in starts[1]:
                    for x in starts[2]:
                        at = (slice(z, z + WINDOW[0]), slice(y, y + WINDOW[1]), slice(x, x + WINDOW[2]))
                        total[(..., *at)] += output * weights
                        weight[at] += weights
            return decide(total.div_(weight))

        peers["torch_by_hand"] = by_hand
    if monai:
        peers["monai_sliding_window"] = lambda: decide(sliding_window_inference(
            scan, WINDOW, 1, lambda window: fresh(output), overlap=0.5, mode="gaussian"))
    # Each of the 75 windows is read once, and the sum under it read and written.
    windows = 75 * size((CLASSES, *WINDOW), 4)
    kind = np.uint16 if labels else np.float32
    title = "Gaussian merge of 75 windows 14x96x96x96" + (", argmax" if labels else "")
    return Stage(title, peers, 3 * windows + size(MERGED, 2) * labels, "monai_sliding_window", kind,
                 0 if labels else 1e-5, 1e-4 if labels else 0)


def discrete(folder, softmax):
    array = read(folder, "logits.f32")
    values = torch.from_numpy(array) if torch else None
    moved = array.nbytes + size(MERGED, 2)

    def threshold(probabilities):
        value, at = probabilities.max(0)
        return torch.where(value >= 0.5, at + 1, 0)

    if softmax:
        peers = available(torch_softmax=lambda: threshold(values.softmax(0)),
                          monai_Activations=lambda: threshold(mt.Activations(softmax=True)(values)))
        return Stage("softmax, threshold of 14 classes", peers, moved, "torch_softmax", np.uint16, 0, 1e-6)
    peers = available(torch_argmax=lambda: values.argmax(0), torch_max=lambda: values.max(0)[1],
                      numpy_argmax=lambda: array.argmax(0), monai_AsDiscrete=lambda: mt.AsDiscrete(argmax=True)(values))
    return Stage("argmax of 14 classes", peers, moved, "torch_argmax", np.uint16, 0)


def invert_labels(folder):
    array, peers = read(folder, "small_mask.u16"), {}
    if torch:
        values = torch.from_numpy(array.astype(np.uint8))[None, None]
        peers["torch_interpolate"] = lambda: F.interpolate(values, SCAN, mode="nearest")
    if sitk:
        image = itk_image(array, (TARGET,) * 3)
        peers["sitk_Resample"] = lambda: itk_onto(image, SCAN, SPACING, sitk.sitkNearestNeighbor)
    if ndi:
        zoom = [n / m for n, m in zip(SCAN, SMALL)]
        peers["scipy_zoom"] = lambda: ndi.zoom(array, zoom, order=0, mode="nearest", prefilter=False)
    return Stage("labels back to the scan's grid, nearest", peers, size(SMALL, 2) + size(SCAN, 2), "sitk_Resample",
                 np.uint16, 0, 1e-3)


def invert_argmax(folder):
    array, peers = read(folder, "small_logits.f32"), {}
    if torch:
        values = torch.from_numpy(array)[None]

        def by_channel():
            best = F.interpolate(values[:, :1], SCAN, mode="trilinear", align_corners=False)
            at = torch.zeros(best.shape, dtype=torch.uint8)
            for channel in range(1, CLASSES):
                value = F.interpolate(values[:, channel:channel + 1], SCAN, mode="trilinear", align_corners=False)
                at.masked_fill_(value > best, channel)
                torch.maximum(best, value, out=best)
            return at

        peers["torch_whole"] = lambda: F.interpolate(values, SCAN, mode="trilinear", align_corners=False).argmax(1)
        peers["torch_by_channel"] = by_channel
    return Stage("logits back to the scan's grid, linear, argmax", peers, array.nbytes + size(SCAN, 2),
                 kind=np.uint16)


def components(folder, name):
    array = read(folder, "mask.u16")
    mask = array.astype(np.uint8)
    image = itk_image(mask, SPACING) if sitk else None
    corners = np.ones((3, 3, 3))
    if name == "components":
        def itk():
            return sitk.ConnectedComponent(image, True)

        peers = available(cc3d_connected_components=lambda: cc3d.connected_components(mask, connectivity=26),
                          scipy_label=lambda: ndi.label(mask, corners)[0], sitk_ConnectedComponent=itk)
        return Stage("26-connected components", peers, array.nbytes, kind=np.uint64)
    if name == "keep_largest":
        values = torch.from_numpy(mask)[None] if torch else None
        peers = available(cc3d_largest_k=lambda: cc3d.largest_k(mask, 1, connectivity=26),
                          monai_KeepLargest=lambda: mt.KeepLargestConnectedComponent(connectivity=3)(values.clone()))
        return Stage("keep the largest component", peers, array.nbytes, "cc3d_largest_k", np.uint16, 0)
    peers = available(scipy_fill_holes=lambda: ndi.binary_fill_holes(mask),
                      sitk_BinaryFillhole=lambda: sitk.BinaryFillhole(image))
    return Stage("fill holes", peers, array.nbytes, "scipy_fill_holes", np.uint16, 0)


STAGES = {
    "resample_linear": partial(resample, linear=True),
    "resample_nearest": partial(resample, linear=False),
    "prepare": prepare,
    "scale_range": partial(intensity, name="scale_range"),
    "scale_range_in_place": partial(intensity, name="scale_range_in_place"),
    "normalize": partial(intensity, name="normalize"),
    "normalize_nonzero": partial(intensity, name="normalize_nonzero"),
    "normalize_channels": partial(intensity, name="normalize_channels"),
    "percentiles": partial(intensity, name="percentiles"),
    "intensity_chain": partial(intensity, name="intensity_chain"),
    "merge": partial(merge, labels=False),
    "merge_argmax": partial(merge, labels=True),
    "argmax": partial(discrete, softmax=False),
    "softmax_threshold": partial(discrete, softmax=True),
    "invert_labels": invert_labels,
    "invert_argmax": invert_argmax,
    "components": partial(components, name="components"),
    "keep_largest": partial(components, name="keep_largest"),
    "fill_holes": partial(components, name="fill_holes"),
}
