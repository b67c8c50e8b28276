"""Inputs that both sides read: raw little-endian files made by seeded formulas."""

import numpy as np

SCAN = (300, 512, 512)
SPACING = (1.0, 0.7, 0.7)
TARGET = 1.5
SMALL = (200, 239, 239)
CLASSES = 14
MERGED = (192, 256, 256)
WINDOW = (96, 96, 96)
CHANNELS = (4, 155, 240, 240)


def axes(shape):
    """Coordinates from -1 to 1 along each axis, ready to broadcast."""
    return np.meshgrid(*(np.linspace(-1, 1, n, dtype=np.float32) for n in shape), indexing="ij", sparse=True)


def scan(rng):
    """Something like an abdomen in Hounsfield units: air, a body, organs, noise, whole numbers."""
    z, y, x = axes(SCAN)
    values = np.full(SCAN, -1000, np.float32)
    body = (x / 0.8) ** 2 + (y / 0.6) ** 2 < 1
    values[np.broadcast_to(body, SCAN)] = 40
    values += 300 * np.sin(9 * x + 4 * z) * np.cos(7 * y - 3 * z) * body
    values += rng.standard_normal(SCAN, np.float32) * 20
    return np.rint(values).clip(-1024, 3071)


def mask(rng, shape):
    """Several solid organs, one of them hollow, and scattered noise of one voxel and more."""
    z, y, x = axes(shape)
    found = np.zeros(shape, np.uint16)
    for _ in range(12):
        centre, radius = rng.uniform(-0.7, 0.7, 3), rng.uniform(0.08, 0.3)
        found[(z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 < radius**2] = 1
    found[z**2 + y**2 + x**2 < 0.05**2] = 1
    found[z**2 + y**2 + x**2 < 0.02**2] = 0
    found[rng.random(shape, np.float32) < 0.002] = 1
    return found


def logits(rng, shape):
    """Smooth values a class, so that classes form regions, with a little noise."""
    z, y, x = axes(shape)
    made = np.empty((CLASSES, *shape), np.float32)
    for k in range(CLASSES):
        centre, width = rng.uniform(-0.8, 0.8, 3).astype(np.float32), np.float32(rng.uniform(0.2, 0.6))
        distance = (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2
        made[k] = 6 * np.exp(-distance / width**2) + 0.2 * rng.standard_normal(shape, np.float32)
    made[0] += 2
    return made


def channels(rng):
    """Four MR sequences with a background of exact zeros."""
    _, z, y, x = axes(CHANNELS)
    head = z**2 + (y / 0.9) ** 2 + (x / 0.75) ** 2 < 0.8
    scale = np.array([100, 400, 900, 250], np.float32).reshape(4, 1, 1, 1)
    return (scale * (1 + 0.2 * rng.standard_normal(CHANNELS, np.float32)) * head).astype(np.float32)


FILES = {
    "scan.f32": scan,
    "mask.u16": lambda rng: mask(rng, SCAN),
    "small_mask.u16": lambda rng: mask(rng, SMALL),
    "window.f32": lambda rng: logits(rng, WINDOW),
    "logits.f32": lambda rng: logits(rng, MERGED),
    "small_logits.f32": lambda rng: logits(rng, SMALL),
    "channels.f32": channels,
}
SHAPES = {
    "scan.f32": SCAN,
    "mask.u16": SCAN,
    "small_mask.u16": SMALL,
    "window.f32": (CLASSES, *WINDOW),
    "logits.f32": (CLASSES, *MERGED),
    "small_logits.f32": (CLASSES, *SMALL),
    "channels.f32": CHANNELS,
}


def write(folder):
    """Writes what is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, make) in enumerate(FILES.items()):
        if not (folder / name).exists():
            make(np.random.default_rng(seed)).tofile(folder / name)


def read(folder, name):
    kind = {"f32": np.float32, "u16": np.uint16}[name.split(".")[1]]
    return np.fromfile(folder / name, kind).reshape(SHAPES[name])
