"""Pseudo-labels: what the teacher says about several views of one radiograph, averaged and tidied.

The teacher sometimes takes air beside the body or the soft tissue above a clavicle for lung. Such
mistakes move when the picture is turned, enlarged or mirrored; the lungs stay. So the label is the
mean over eight views, and an image on which the views disagree is left out of training.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

import data

# (rotation in degrees, zoom, mirrored); the first is the picture as it is.
VIEWS = ((0, 1.0, False), (0, 1.0, True), (6, 1.0, False), (-6, 1.0, True), (0, 0.92, False), (0, 1.1, True))
GAMMAS = (0.75, 1.35)
AGREEMENT = 0.90  # Dice between the teacher's single answer and the label, below which an image is left out


def _warp(image: np.ndarray, matrix: torch.Tensor) -> np.ndarray:
    grid = F.affine_grid(matrix[None], [1, 1, *image.shape], align_corners=False)
    source = torch.from_numpy(image)[None, None]
    return F.grid_sample(source, grid, padding_mode="border", align_corners=False)[0, 0].numpy()


def _view(degrees: float, zoom: float, mirrored: bool):
    """The affine map of a view and its inverse, both as 2 x 3 matrices."""
    c, s = (zoom * f(math.radians(degrees)) for f in (math.cos, math.sin))
    sign = -1.0 if mirrored else 1.0
    there = torch.tensor([[sign * c, -s, 0.0], [sign * s, c, 0.0], [0.0, 0.0, 1.0]])
    return there[:2], torch.linalg.inv(there)[:2]


def consensus(teacher: data.Teacher, grey: np.ndarray) -> np.ndarray:
    """Mean lung probability over the views, float32 [256, 256]."""
    image = data.resize(grey)
    found = [teacher.probability(255.0 * (image / 255.0) ** gamma) for gamma in GAMMAS]
    for view in VIEWS:
        there, back = _view(*view)
        found.append(_warp(teacher.probability(_warp(image, there)), back))
    return np.mean(found, axis=0)


def cleaned(mask: np.ndarray) -> np.ndarray:
    """The two largest parts whose centre lies in the middle 72 % of the width, holes filled."""
    parts, count = ndimage.label(mask)
    if count == 0:
        return mask
    index = np.arange(1, count + 1)
    columns = np.array(ndimage.center_of_mass(mask, parts, index))[:, 1] / mask.shape[1]
    sizes = np.where(np.abs(columns - 0.5) <= 0.36, ndimage.sum(mask, parts, index), 0)
    kept = [i for i in index[np.argsort(sizes)[-2:]] if sizes[i - 1] > 0]
    return ndimage.binary_fill_holes(np.isin(parts, kept))


def label_of(teacher: data.Teacher, grey: np.ndarray):
    """(label as bool [256, 256], Dice between the teacher's single answer and it)."""
    label = cleaned(consensus(teacher, grey) > 0.5)
    return label, data.dice(label, teacher.mask(grey))
