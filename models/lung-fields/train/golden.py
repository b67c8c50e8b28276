"""Writes a golden case: the preprocessed phantom and the logits that PyTorch computes for it.

    python golden.py --model ../model.onnx --phantom phantom.npy --out ../golden/case1.npz

The weights come from model.onnx itself; the sums run in float64 and are stored as float32.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper

import data
from model import Student, folded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--phantom", type=Path, required=True, help="grey image as .npy")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()

    image = data.preprocess(np.load(args.phantom))[None, None]
    weights = {
        tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy())
        for tensor in onnx.load(str(args.model)).graph.initializer
    }
    network = folded(Student())
    network.load_state_dict(weights)
    with torch.no_grad():
        logits = network.double()(torch.from_numpy(image).double()).float().numpy()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(args.out, image=image, logits=logits)
    session = onnxruntime.InferenceSession(str(args.model), providers=["CPUExecutionProvider"])
    other = session.run(None, {"image": image})[0]
    print(
        f"{args.out.stat().st_size} bytes, logits {logits.min():.3f} to {logits.max():.3f}, "
        f"lung {float((logits > 0).mean()):.4f} of the picture, "
        f"ONNX Runtime differs by at most {np.abs(other - logits).max():.2e}"
    )


if __name__ == "__main__":
    main()
