"""Trains the lung-fields student from the teacher's pseudo-labels and writes model.onnx.

    python train.py --images DIR --teacher model.onnx --out ../model.onnx --metrics metrics.json
"""

import argparse
import json
import platform
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import scipy
import torch
import torch.nn.functional as F

import augment
import data
import labels
from model import WIDTHS, Student, folded, multiply_adds


class Radiographs(torch.utils.data.Dataset):
    """Random views of the training images; the view depends on (seed, epoch, index) only."""

    def __init__(self, pairs, seed: int, repeats: int):
        self.pairs, self.seed, self.epoch, self.repeats = pairs, seed, 0, repeats

    def __len__(self):
        return len(self.pairs) * self.repeats

    def __getitem__(self, item):
        epoch, index = divmod(item, len(self.pairs))
        rng = np.random.default_rng([self.seed, epoch, index])
        return augment.random_view(*self.pairs[index], rng)


class Order(torch.utils.data.Sampler):
    """Every epoch's shuffled order in one stream, so that workers live through the whole run."""

    def __init__(self, count: int, epochs: int, batch: int, seed: int):
        self.count, self.epochs, self.batch, self.seed = count, epochs, batch, seed

    def __len__(self):
        return self.epochs * (self.count // self.batch)

    def __iter__(self):
        for epoch in range(self.epochs):
            order = np.random.default_rng([self.seed, epoch]).permutation(self.count)
            for start in range(0, self.count - self.batch + 1, self.batch):
                yield [int(epoch * self.count + i) for i in order[start : start + self.batch]]


def loss_of(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy plus soft Dice, both averaged over the batch."""
    entropy = F.binary_cross_entropy_with_logits(logits, target)
    p = torch.sigmoid(logits)
    overlap = (p * target).sum((1, 2, 3))
    dice = 1 - (2 * overlap + 1) / (p.sum((1, 2, 3)) + target.sum((1, 2, 3)) + 1)
    return entropy + dice.mean()


@torch.no_grad()
def dice_on(model, inputs, masks) -> np.ndarray:
    model.eval()
    found = torch.cat([model(chunk) for chunk in inputs.split(16)]) > 0
    return np.array([data.dice(f.numpy()[0], m) for f, m in zip(found, masks)])


def export(model: Student, path: Path) -> None:
    """ONNX opset 17 with folded batch norms and a dynamic batch."""
    plain = folded(model)
    torch.onnx.export(
        plain, (torch.zeros(1, 1, data.SIDE, data.SIDE),), str(path), opset_version=17,
        input_names=["image"], output_names=["logits"], dynamo=False,
        dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
    )
    network = onnx.load(str(path))
    network.producer_name, network.producer_version, network.doc_string = "netra", "", ""
    for node in network.graph.node:
        node.ClearField("doc_string")
        node.ClearField("metadata_props")
    onnx.checker.check_model(network, full_check=True)
    onnx.save(network, str(path))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="folder of *.jpg radiographs")
    parser.add_argument("--teacher", type=Path, required=True, help="the teacher's model.onnx")
    parser.add_argument("--out", type=Path, required=True, help="where to write model.onnx")
    parser.add_argument("--metrics", type=Path, required=True, help="where to write metrics.json")
    parser.add_argument("--checkpoint", type=Path, help="where to keep the PyTorch weights")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=20240917)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()

    start = time.time()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    files = data.list_images(args.images)
    teacher = data.Teacher(args.teacher)
    parts = {"train": [], "validation": [], "test": []}
    for path in files:
        parts[data.split_of(path)].append(path)

    pairs, left_out = [], []
    for path in parts["train"]:
        grey = data.load_grey(path)
        label, agreement = labels.label_of(teacher, grey)
        if agreement < labels.AGREEMENT:
            left_out.append(path.name)
            continue
        wide = F.interpolate(
            torch.from_numpy(label.astype(np.float32))[None, None], size=(augment.SOURCE,) * 2, mode="bilinear"
        )[0, 0]
        pairs.append((torch.from_numpy(data.resize(grey, augment.SOURCE)) / 255.0, wide))
    validation = [data.load_grey(path) for path in parts["validation"]]
    inputs = torch.from_numpy(np.stack([data.preprocess(g) for g in validation]))[:, None]
    masks = [teacher.mask(g) for g in validation]
    print(f"{len(pairs)} to train, {len(left_out)} left out, {len(masks)} to validate; ready after {time.time() - start:.0f} s")

    model = Student().to(memory_format=torch.channels_last)
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995), use_buffers=True
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.rate, weight_decay=1e-3)
    order = Order(len(pairs), args.epochs, args.batch, args.seed)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.rate, total_steps=len(order))
    loader = torch.utils.data.DataLoader(
        Radiographs(pairs, args.seed, args.epochs), batch_sampler=order,
        num_workers=1, prefetch_factor=6, multiprocessing_context="fork",
    )
    steps = len(order) // args.epochs
    history, running = [], 0.0
    for step, (images, targets) in enumerate(loader, 1):
        model.train()
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model(images.contiguous(memory_format=torch.channels_last)), targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(model)
        running += float(loss.detach()) / steps
        if step % steps == 0:
            epoch = step // steps
            line = {"epoch": epoch, "loss": round(running, 4)}
            if epoch % 5 == 0 or epoch == args.epochs:
                scores = dice_on(average.module, inputs, masks)
                line["validation_dice"] = round(float(scores.mean()), 4)
                line["validation_p10"] = round(float(np.percentile(scores, 10)), 4)
                if args.checkpoint:
                    torch.save(average.module.state_dict(), args.checkpoint)
            history.append(line)
            running = 0.0
            print(f"{time.time() - start:6.0f} s  {line}", flush=True)

    final = average.module.to(memory_format=torch.contiguous_format).eval()
    export(final, args.out)
    metrics = {
        "seed": args.seed,
        "data": {
            "images": len(files), "sha256_of_names_and_digests": data.digest(files),
            "split": {name: len(part) for name, part in parts.items()},
            "left_out_of_training": left_out,
            "patients": len({p.name.split("_")[0] for p in files}),
        },
        "teacher_sha256": data.hashlib.sha256(args.teacher.read_bytes()).hexdigest(),
        "model": {
            "sha256": data.hashlib.sha256(args.out.read_bytes()).hexdigest(),
            "bytes": args.out.stat().st_size, "widths": list(WIDTHS),
            "parameters": sum(p.numel() for p in folded(final).parameters()),
            "multiply_adds": multiply_adds(folded(final)),
        },
        "training": {
            "epochs": args.epochs, "batch": args.batch, "rate": args.rate,
            "threads": args.threads, "wall_minutes": round((time.time() - start) / 60, 1),
            "history": history,
        },
        "versions": {
            "python": platform.python_version(), "torch": torch.__version__,
            "numpy": np.__version__, "scipy": scipy.__version__,
            "onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__,
        },
    }
    args.metrics.write_text(json.dumps(metrics, indent=1) + "\n")


if __name__ == "__main__":
    main()
