"""The engines that are timed: how each one's worker is started, and why it cannot be where it cannot."""

import functools
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# Float32 engines that are not ours: the best of them in a run is what Netra's ratio refers to.
PEERS = ("onnxruntime", "openvino-f32", "ncnn", "torch", "tract", "rten")


class Missing(Exception):
    """An engine cannot run a network here; the text says why."""


@dataclass(frozen=True)
class Task:
    """One network to run."""

    name: str
    path: Path
    shape: tuple[int, ...]
    threads: int
    netra: Path
    rust_peers: Path


@functools.cache
def netra_help(binary):
    if not binary.is_file():
        raise Missing(f"{binary} is not built")
    return subprocess.run([binary, "bench", "--help"], check=True, capture_output=True, text=True).stdout


@functools.cache
def netra_adapters(binary):
    """Graphics adapters that a build of netra sees: the backend's name, and whether it is a software one."""
    netra_help(binary)
    rows = json.loads(subprocess.run([binary, "devices", "--json"], check=True, capture_output=True).stdout)
    return [(row["backend"], row["software"]) for row in rows if row["backend"] != "cpu"]


def netra_wgpu(software):
    """Netra on a graphics adapter; a software one has to be asked for by name, since it takes minutes where a processor
    takes a second."""

    def command(task):
        found = [backend for backend, is_software in netra_adapters(task.netra) if is_software == software]
        if not found:
            raise Missing(f"no {'software' if software else 'hardware'} adapter, or a build of netra without wgpu")
        return netra()(task) + ["--backends", found[0]]

    return command


def netra(precision=None):
    def command(task):
        known = netra_help(task.netra)
        if "--serve" not in known:
            raise Missing("this build of netra has no bench --serve")
        line = [task.netra, "bench", task.path, "--serve", "--threads", task.threads, "--shape", sizes(task)]
        if precision and "--precision" not in known:
            raise Missing("this build of netra has no --precision")
        return line + (["--precision", precision] if precision else [])

    return command


def python(engine, module):
    def command(task):
        if importlib.util.find_spec(module) is None:
            raise Missing(f"python module {module} is not installed")
        return [sys.executable, HERE / "worker.py", engine, task.path, sizes(task), task.threads]

    return command


def torch(task):
    line = python("torch", "torch")(task)
    from networks import NETWORKS

    if task.name not in NETWORKS:
        raise Missing("only the ONNX file is known")
    return line


def torch_cuda(engine):
    def command(task):
        line = torch(task)
        import torch as module

        if not module.cuda.is_available():
            raise Missing("no CUDA device")
        return [engine if word == "torch" else word for word in line]

    return command


def openvino_bf16(task):
    if not any("avx512_bf16" in line or "amx_bf16" in line for line in open("/proc/cpuinfo")):
        raise Missing("this processor has no bf16 instructions: OpenVINO's default is float32")
    return python("openvino-bf16", "openvino")(task)


def ncnn(task):
    if len(task.shape) != 4:
        raise Missing("its 3-D convolution is a plain loop: minutes a run")
    line = python("ncnn", "ncnn")(task)
    converted = task.path.with_suffix(".ncnn.param")
    if not converted.exists():
        converter = shutil.which("pnnx", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
        if converter is None:
            raise Missing("its converter pnnx is not installed")
        shape = f"inputshape=[{sizes(task)}]f32"
        # fp16=0: weights stay in float32.
        done = subprocess.run([converter, task.path, shape, "fp16=0"], cwd=task.path.parent, capture_output=True)
        for leftover in (".pnnx.param", ".pnnx.bin", ".pnnx.onnx", ".pnnxsim.onnx", "_pnnx.py", "_ncnn.py"):
            task.path.with_name(task.path.stem + leftover).unlink(missing_ok=True)
        if done.returncode or not converted.exists():
            raise Missing("pnnx does not convert it")
    return line


def rust(engine):
    def command(task):
        if engine == "rten" and len(task.shape) == 5:
            raise Missing("no 3-D convolution")
        if not task.rust_peers.is_file():
            raise Missing(f"{task.rust_peers} is not built")
        return [task.rust_peers, engine, task.path, sizes(task), task.threads]

    return command


def sizes(task):
    return ",".join(map(str, task.shape))


ENGINES: dict[str, Callable[[Task], list]] = {
    "netra": netra(),
    "netra-exact": netra("exact"),
    "netra-bf16": netra("bf16"),
    "netra-int8": netra("int8"),
    "netra-wgpu": netra_wgpu(software=False),
    "netra-wgpu-software": netra_wgpu(software=True),
    "onnxruntime": python("onnxruntime", "onnxruntime"),
    "openvino-f32": python("openvino-f32", "openvino"),
    "openvino-bf16": openvino_bf16,
    "ncnn": ncnn,
    "torch": torch,
    "torch-cuda": torch_cuda("torch-cuda"),
    "torch-cuda-tf32": torch_cuda("torch-cuda-tf32"),
    "torch-cuda-f16": torch_cuda("torch-cuda-f16"),
    "tract": rust("tract"),
    "rten": rust("rten"),
}
# All but those that are only run when they are named.
USUAL = [name for name in ENGINES if name != "netra-wgpu-software"]
