"""Random views of a radiograph for training, and the fixed perturbations of the evaluation.

Works on grey images as float32 torch tensors in 0..1 at SOURCE x SOURCE pixels and on soft
lung masks of the same size; returns the model's input and target at 256 x 256.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

from data import SIDE, preprocess, scale_percentiles

SOURCE = 352  # a little finer than the model's grid, so that zooming in keeps some detail


def _uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def _affine(rng: np.random.Generator) -> torch.Tensor:
    """Output-to-input map: rotation, zoom, aspect change, shift, sometimes a mirror image."""
    if rng.random() < 0.2:  # the picture as it is
        return torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    angle = math.radians(_uniform(rng, -15, 15)) if rng.random() < 0.7 else 0.0
    zoom = math.exp(_uniform(rng, math.log(0.75), math.log(1.25))) if rng.random() < 0.8 else 1.0
    aspect = math.exp(_uniform(rng, -0.2, 0.2)) if rng.random() < 0.6 else 1.0
    sx, sy = zoom * math.sqrt(aspect), zoom / math.sqrt(aspect)
    dx, dy = (_uniform(rng, -0.2, 0.2), _uniform(rng, -0.15, 0.15)) if rng.random() < 0.7 else (0, 0)
    mirror = -1.0 if rng.random() < 0.3 else 1.0
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[mirror * sx * c, -sy * s, dx], [mirror * sx * s, sy * c, dy]])


def _grey(image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Window, gamma, smooth shading, blur, noise and number of grey steps, then inversion."""
    if rng.random() < 0.5:  # a window tighter or wider than the image
        low, high = _uniform(rng, -0.15, 0.25), _uniform(rng, 0.7, 1.15)
        image = ((image - low) / (high - low)).clamp(0, 1)
    if rng.random() < 0.6:
        image = image.clamp(0, 1) ** math.exp(_uniform(rng, -0.7, 0.7))
    if rng.random() < 0.3:  # shading, as from the heel effect or an oblique beam
        field = torch.from_numpy(rng.normal(0, 0.12, (1, 1, 3, 3)).astype(np.float32))
        image = image + F.interpolate(field, size=image.shape, mode="bicubic", align_corners=True)[0, 0]
    if rng.random() < 0.2:
        image = F.avg_pool2d(image[None, None], 3, stride=1, padding=1)[0, 0]
    if rng.random() < 0.4:
        noise = rng.standard_normal(image.shape, dtype=np.float32) * _uniform(rng, 0.005, 0.05)
        image = image + torch.from_numpy(noise)
    if rng.random() < 0.5:  # 8 to 16 bits, of which a narrow range may be in use
        steps = 2 ** _uniform(rng, 5, 16)
        image = torch.round(image * steps) / steps
    if rng.random() < 0.15:  # a bright film marker
        side = int(rng.integers(6, 20))
        y, x = (int(v) for v in rng.integers(0, image.shape[0] - side, 2))
        image = image.clone()
        image[y : y + side // 2, x : x + side] = float(image.max())
    return 1.0 - image if rng.random() < 0.4 else image


def random_view(image: torch.Tensor, mask: torch.Tensor, rng: np.random.Generator):
    """One augmented pair: (input [1, 256, 256] in 0..1, soft mask [1, 256, 256])."""
    grid = F.affine_grid(_affine(rng)[None], [1, 1, SIDE, SIDE], align_corners=False)
    # Outside the picture: black or white collimation, or the border pixels repeated.
    fill = rng.random()
    mode = "border" if fill < 0.4 else "zeros"
    shift = 1.0 if fill > 0.85 else 0.0
    seen = F.grid_sample(image[None, None] - shift, grid, padding_mode=mode, align_corners=False)
    target = F.grid_sample(mask[None, None], grid, padding_mode="zeros", align_corners=False)
    grey = _grey(seen[0, 0] + shift, rng)
    scaled = scale_percentiles(grey.numpy())
    return torch.from_numpy(scaled)[None], target[0]


def rotate(image: np.ndarray, degrees: float) -> np.ndarray:
    """Rotates about the centre; outside the picture stays 0."""
    angle = math.radians(degrees)
    c, s = math.cos(angle), math.sin(angle)
    grid = F.affine_grid(
        torch.tensor([[[c, -s, 0.0], [s, c, 0.0]]]), [1, 1, *image.shape], align_corners=False
    )
    source = torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))[None, None]
    return F.grid_sample(source, grid, align_corners=False)[0, 0].numpy()


def perturbations(image: np.ndarray, mask: np.ndarray, seed: int) -> dict:
    """Name -> (model input, teacher mask to compare with) for one 8-bit grey image."""
    rng = np.random.default_rng(seed)
    wide = image.astype(np.float32)
    low, high = np.percentile(wide, [10, 90])
    sixteen = np.round((wide + rng.random(wide.shape)) * 200.0 + 4000.0)
    return {
        "as published": (preprocess(image), mask),
        "inverted": (preprocess(255 - image), mask),
        "rotated 10 degrees": (preprocess(rotate(image, 10)), rotate(mask, 10) > 0.5),
        "rotated -10 degrees": (preprocess(rotate(image, -10)), rotate(mask, -10) > 0.5),
        "16 bit with offset": (preprocess(sixteen), mask),
        "tight window (10th to 90th percentile)": (preprocess(np.clip(wide, low, high)), mask),
        "centre crop 85 %": crop(image, mask, 0.85),
    }


def crop(image: np.ndarray, mask: np.ndarray, share: float):
    """The centre of the picture, enlarged to the model's grid."""
    def middle(a):
        margin = round(a.shape[0] * (1 - share) / 2)
        return a[margin : a.shape[0] - margin, margin : a.shape[1] - margin]

    enlarged = F.interpolate(
        torch.from_numpy(middle(mask).astype(np.float32))[None, None],
        size=(SIDE, SIDE), mode="bilinear", align_corners=False,
    )
    return preprocess(middle(image)), enlarged[0, 0].numpy() > 0.5
