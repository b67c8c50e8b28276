"""Reading the radiographs, the split by patient, the input definition, the teacher."""

import hashlib
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from PIL import Image

SIDE = 256


def resize(image: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Stretches a grey image to side x side: bilinear, half-pixel centres, antialiased."""
    grid = torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))[None, None]
    out = torch.nn.functional.interpolate(
        grid, size=(side, side), mode="bilinear", align_corners=False, antialias=True
    )
    return out[0, 0].numpy()


def scale_percentiles(image: np.ndarray, lower: float = 1.0, upper: float = 99.0) -> np.ndarray:
    """Maps the lower..upper percentiles (linear interpolation) to 0..1 and clips."""
    low, high = np.percentile(image, [lower, upper])
    if high <= low:
        return np.zeros_like(image, dtype=np.float32)
    return np.clip((image - low) / (high - low), 0.0, 1.0).astype(np.float32)


def preprocess(image: np.ndarray) -> np.ndarray:
    """The model's input definition: resize, then percentile scaling over the resized image."""
    return scale_percentiles(resize(image))


def list_images(folder: Path) -> list[Path]:
    files = sorted(Path(folder).glob("*.jpg"), key=lambda p: p.name)
    if not files:
        raise SystemExit(f"no .jpg files in {folder}")
    return files


def digest(files: list[Path]) -> str:
    """SHA-256 over the lines 'name sha256' (one newline after each), sorted by name."""
    lines = [f"{p.name} {hashlib.sha256(p.read_bytes()).hexdigest()}\n" for p in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def split_of(path: Path) -> str:
    """train, validation or test: 70/10/20 by a hash of the patient id before the '_'."""
    patient = path.name.split("_")[0]
    share = int(hashlib.sha256(patient.encode()).hexdigest()[:8], 16) % 100
    return "train" if share < 70 else "validation" if share < 80 else "test"


def load_grey(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("L"))


class Teacher:
    """The LungAIR network: raw 0..255 grey at 256 x 256 in, argmax == 1 is lung."""

    def __init__(self, path: Path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2
        self.session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self.input = self.session.get_inputs()[0]

    def probability(self, grid: np.ndarray) -> np.ndarray:
        """Lung probability of a 256 x 256 picture of raw grey values 0 to 255."""
        shape = (1, 1, SIDE, SIDE) if len(self.input.shape) == 4 else (1, SIDE, SIDE)
        grid = np.ascontiguousarray(grid, dtype=np.float32).reshape(shape)
        background, lung = np.squeeze(self.session.run(None, {self.input.name: grid})[0])
        return 1.0 / (1.0 + np.exp(np.clip(background - lung, -50, 50)))

    def mask(self, image: np.ndarray) -> np.ndarray:
        """The teacher's own answer (argmax == 1), without any clean-up, as bool [256, 256]."""
        return self.probability(resize(image)) > 0.5


def dice(a: np.ndarray, b: np.ndarray) -> float:
    total = int(a.sum()) + int(b.sum())
    return 1.0 if total == 0 else 2.0 * int((a & b).sum()) / total
