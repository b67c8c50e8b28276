"""Compares the student with its teacher on held-out patients and adds the figures to metrics.json.

    python evaluate.py --images DIR --teacher teacher.onnx --model ../model.onnx --metrics metrics.json \
        [--table Data_Entry_2017_v2020.csv.gz] [--phantom phantom.npy --truth lungs.npy] [--overlays DIR]

Dice is against the teacher's raw answer on the undisturbed image (for rotations and crops, that answer
turned or cut in the same way), so a wrong teacher counts against the student too.
"""

import argparse
import csv
import gzip
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image
from scipy import ndimage

import augment
import data
import labels


def summary(scores) -> dict:
    scores = np.sort(np.asarray(scores))
    tenth = max(1, round(len(scores) / 10))
    figures = {
        "mean": scores.mean(), "percentile_10": np.percentile(scores, 10),
        "mean_of_worst_tenth": scores[:tenth].mean(), "minimum": scores[0],
    }
    return {"images": len(scores)} | {name: round(float(v), 4) for name, v in figures.items()}


class Student:
    def __init__(self, path: Path):
        self.session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def mask(self, image: np.ndarray) -> np.ndarray:
        logits = self.session.run(None, {"image": image[None, None]})[0]
        return logits[0, 0] > 0


def two_parts(mask: np.ndarray) -> np.ndarray:
    """What the package does afterwards: the two largest parts stay, holes are filled."""
    parts, count = ndimage.label(mask)
    if count > 2:
        sizes = ndimage.sum(mask, parts, np.arange(1, count + 1))
        mask = np.isin(parts, 1 + np.argsort(sizes)[-2:])
    return ndimage.binary_fill_holes(mask)


def groups_of(table: Path) -> dict:
    """File stem -> names of its subgroups: view position, sex, age, and some findings."""
    found = {}
    with gzip.open(table, "rt") as lines:
        for row in csv.DictReader(lines):
            age = int(row["Patient Age"])
            labels = row["Finding Labels"].split("|")
            names = [f"view {row['View Position']}", f"sex {row['Patient Gender']}"]
            names.append("age under 18" if age < 18 else "age 18 to 59" if age < 60 else "age 60 and over")
            names += [
                f"finding {label}"
                for label in ("No Finding", "Effusion", "Consolidation", "Pneumothorax", "Cardiomegaly")
                if label in labels
            ]
            found[Path(row["Image Index"]).stem] = names
    return found


def overlay(image: np.ndarray, teacher: np.ndarray, student: np.ndarray) -> np.ndarray:
    """The grey image with the teacher's outline in green and the student's in red."""
    grey = (np.clip(image, 0, 1) * 255).astype(np.uint8)
    picture = np.kron(np.stack([grey] * 3, -1), np.ones((2, 2, 1), np.uint8))
    for mask, colour in ((teacher, (0, 255, 0)), (student, (255, 60, 60))):
        big = np.kron(mask, np.ones((2, 2), bool))
        picture[big ^ ndimage.binary_erosion(big)] = colour
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--metrics", type=Path, required=True)
    parser.add_argument("--table", type=Path, help="NIH's table of views, ages and findings")
    parser.add_argument("--phantom", type=Path, help="simulated radiograph as .npy")
    parser.add_argument("--truth", type=Path, help="its lung fields as .npy")
    parser.add_argument("--overlays", type=Path, help="write pictures of the worst and of some others")
    parser.add_argument("--split", default="test", choices=["train", "validation", "test"])
    args = parser.parse_args()

    teacher, student = data.Teacher(args.teacher), Student(args.model)
    files = [p for p in data.list_images(args.images) if data.split_of(p) == args.split]
    groups = groups_of(args.table) if args.table else {}
    scores, by_group, reference, own, shown = defaultdict(list), defaultdict(list), [], [], []
    for number, path in enumerate(files):
        image = data.load_grey(path)
        expected = teacher.mask(image)
        label, agreement = labels.label_of(teacher, image)
        reference.append(data.dice(student.mask(data.preprocess(image)), label))
        own.append(agreement)
        for name, (view, target) in augment.perturbations(image, expected, number).items():
            found = student.mask(view)
            scores[name].append(data.dice(found, target))
            if name == "as published":
                scores["as published, two parts kept"].append(data.dice(two_parts(found), target))
        score = scores["as published"][-1]
        for group in groups.get(path.stem, []):
            by_group[group].append(score)
        shown.append((score, path.stem, image, expected))

    result = {"split": args.split, "dice_against_teacher": {n: summary(s) for n, s in scores.items()}}
    result["as_published_by_group"] = {
        name: summary(s) for name, s in sorted(by_group.items()) if len(s) >= 5
    }
    result["student_against_the_teacher_averaged_over_views"] = summary(reference)
    result["teacher_against_itself_averaged_over_views"] = summary(own)
    if args.phantom and args.truth:
        image, truth = np.load(args.phantom), data.resize(np.load(args.truth)) > 0.5
        result["phantom"] = {
            "student_dice": round(data.dice(student.mask(data.preprocess(image)), truth), 4),
            "teacher_dice": round(data.dice(teacher.mask(image / 4095.0 * 255.0), truth), 4),
        }
    metrics = json.loads(args.metrics.read_text())
    metrics["evaluation"] = result
    args.metrics.write_text(json.dumps(metrics, indent=1) + "\n")
    print(json.dumps(result, indent=1))

    if args.overlays:
        args.overlays.mkdir(parents=True, exist_ok=True)
        shown.sort(key=lambda entry: entry[0])
        for name, some in (("worst", shown[:8]), ("spread", shown[4 :: max(1, len(shown) // 8)][:8])):
            tiles = []
            for score, stem, image, expected in some:
                found = student.mask(data.preprocess(image))
                tiles.append(overlay(data.preprocess(image), expected, found))
                print(name, stem, round(score, 4))
            half = len(tiles) // 2
            sheet = np.concatenate([np.concatenate(tiles[:half], 1), np.concatenate(tiles[half : 2 * half], 1)])
            Image.fromarray(sheet).save(args.overlays / f"{name}.png")


if __name__ == "__main__":
    main()
