"""Files of the real torch.save for tests/pytorch.rs, each with what should be read from it: `name.npz` with the tensors, or
`name.txt` with words of the error. The one argument is the folder to write to."""

import argparse
import collections
import pathlib
import sys
import warnings

import numpy as np
import torch

warnings.simplefilter("ignore")
folder = pathlib.Path(sys.argv[1])
torch.manual_seed(3)


def expected(name, tensors):
    arrays = {}
    for key, tensor in tensors.items():
        tensor = tensor.detach()
        if tensor.dtype in (torch.float16, torch.bfloat16):
            tensor = tensor.float()
        arrays[key] = np.ascontiguousarray(tensor.numpy()).reshape(tensor.shape)
    np.savez(folder / f"{name}.npz", **arrays)


def save(name, what, tensors=None, **options):
    torch.save(what, folder / f"{name}.pth", **options)
    if tensors is not None:
        expected(name, tensors)


def refuse(name, what, words, **options):
    torch.save(what, folder / f"{name}.pth", **options)
    (folder / f"{name}.txt").write_text(words)


network = torch.nn.Sequential(torch.nn.Conv3d(2, 4, 3), torch.nn.BatchNorm3d(4), torch.nn.Conv3d(4, 1, 1))
weights = network.state_dict()

base = torch.randn(4, 5, 6)
types = {
    "half": torch.randn(7).half(),
    "bfloat16": torch.randn(3, 2).bfloat16(),
    "double": torch.randn(2, 2).double(),
    "long": torch.tensor([-(2**62), 5]),
    "int": torch.tensor([[1, -2]], dtype=torch.int32),
    "short": torch.tensor([-300, 7], dtype=torch.int16),
    "char": torch.tensor([-3, 7], dtype=torch.int8),
    "byte": torch.tensor([200, 7], dtype=torch.uint8),
    "bool": torch.tensor([True, False, True]),
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(0, 3),
    "transposed": base.permute(2, 0, 1),
    "sliced": base[1:3, ::2, 1:5:3],
    "expanded": torch.randn(3, 1).expand(3, 4),
    "whole": base,
    "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "parameter": torch.nn.Parameter(torch.randn(2, 3)),
}
marked = torch.nn.Parameter(torch.randn(2))
marked.note = "an attribute"
types["marked"] = marked
save("types", types, types)
save("types_legacy", types, types, _use_new_zipfile_serialization=False)
save("types_protocol_4", types, types, pickle_protocol=4)
save("types_protocol_5_legacy", types, types, pickle_protocol=5, _use_new_zipfile_serialization=False)
unsigned = {f"u{n}": torch.tensor([1, 2**n // 3]).to(getattr(torch, f"uint{n}")) for n in (16, 32, 64)}
save("unsigned", unsigned, unsigned)

optimiser = torch.optim.Adam(network.parameters())
network(torch.randn(2, 2, 4, 4, 4)).sum().backward()
optimiser.step()
weights = collections.OrderedDict((k, v.clone()) for k, v in network.state_dict().items())
training = {
    "epoch": 3,
    "best": np.float64(0.25),
    "losses": [1.0, 2.0],
    "best_loss": torch.tensor(0.5),
    "seen": {1, 2},
    "arguments": argparse.Namespace(rate=0.1, device=torch.device("cpu"), kind=torch.float32, size=torch.Size([1, 2])),
    "array": np.arange(3),
    "optimizer_state": optimiser.state_dict(),
    "rng": torch.get_rng_state()[:0].sum(),
}
save("training", {**training, "network_weights": weights}, weights)
wrapped = {f"module._orig_mod.{k}": v for k, v in weights.items()}
save("wrapped", {**training, "state_dict": wrapped}, weights)
save("other_name", {**training, "segmenter": weights}, weights)
save("numbers_beside", {**weights, "epoch": 3}, weights)
both = {f"{part}.{k}": v for part in ("encoder", "decoder") for k, v in weights.items()}
save("nested", {"epoch": 3, "encoder": weights, "decoder": {"epoch": 1, **weights}}, both)
save("deeper", {"checkpoint": {"a": {"b": {"c": {"w": base}}}}}, {"checkpoint.a.b.c.w": base})
save("lists", {"model": {"w": base, "list": [base]}}, {"w": base})


class Derived(torch.Tensor):
    pass


torch.serialization.add_safe_globals([Derived])
derived = torch.randn(3).as_subclass(Derived)
derived.affine = torch.eye(4)
save("derived", {"w": derived}, {"w": derived.as_subclass(torch.Tensor)})

refuse("whole_module", network, "torch.nn.modules.container.Sequential")
refuse("whole_module_legacy", network, "torch.nn.modules.container.Sequential", _use_new_zipfile_serialization=False)
refuse("module_beside", {"epoch": 1, "model": network}, "torch.nn.modules.container.Sequential")
refuse("two_places", {"model": weights, "net": {"w": base}}, 'any of ["model", "net"]')
refuse("sparse", {"w": torch.eye(3).to_sparse()}, "torch._utils._rebuild_sparse_tensor")
refuse("complex", {"w": torch.zeros(2, dtype=torch.complex64)}, "complex64")
refuse("quantised", {"w": torch.quantize_per_tensor(torch.randn(3), 0.1, 0, torch.qint8)}, "_rebuild_qtensor")
refuse("meta", {"w": torch.empty(3, device="meta")}, "torch._utils._rebuild_meta_tensor_no_storage")
refuse("float8", {"w": torch.randn(3).to(torch.float8_e4m3fn)}, "float8_e4m3fn")
refuse("one_tensor", base, "a tensor where a state dict is wanted")
refuse("no_tensor", {"epoch": 3}, "without tensors")
refuse("optimiser_only", {"optimizer": optimiser.state_dict()}, "without tensors")


class Scripted(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
        self.sizes = [1, 2]
        self.rates = [0.5]
        self.names = {"a": 1}
        self.register_buffer("table", torch.arange(12).reshape(3, 4).t())

    def forward(self, x):
        return self.inner(x) + self.table.sum() * self.rates[0] + self.sizes[0]


scripted = Scripted().eval()
torch.jit.script(scripted).save(folder / "scripted.pth")
expected("scripted", scripted.state_dict())
torch.jit.trace(scripted, torch.randn(1, 1, 8, 8)).save(folder / "traced.pth")
expected("traced", scripted.state_dict())
torch.jit.freeze(torch.jit.script(scripted)).save(folder / "frozen.pth")
(folder / "frozen.txt").write_text("constants")
