"""The student: a small U-Net that works at half resolution inside.

Input  [batch, 1, 256, 256], grey values in 0..1.
Output [batch, 1, 256, 256], logits; sigmoid(logit) > 0.5 (logit > 0) is lung.

The stem halves the grid at once, because lung borders are smooth at 256 pixels
and the full-resolution level is where a U-Net spends most of its time.
"""

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

WIDTHS = (16, 32, 48, 64, 96)  # channels at 128, 64, 32, 16 and 8 pixels


class ConvBlock(nn.Sequential):
    """3x3 convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


def pair(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(ConvBlock(inputs, outputs, stride), ConvBlock(outputs, outputs))


class Student(nn.Module):
    def __init__(self, widths=WIDTHS):
        super().__init__()
        self.down = nn.ModuleList([pair(1, widths[0], stride=2)])
        self.down.extend(pair(a, b) for a, b in zip(widths, widths[1:]))
        self.pool = nn.MaxPool2d(2)
        deep_first = list(zip(widths[1:], widths))[::-1]
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for b, a in deep_first)
        self.join = nn.ModuleList(pair(2 * a, a) for _, a in deep_first)
        self.to_full = nn.ConvTranspose2d(widths[0], 8, 2, stride=2)
        self.head = nn.Conv2d(8, 1, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x, kept = image, []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else self.pool(x))
            kept.append(x)
        kept.pop()
        for up, join in zip(self.up, self.join):
            x = join(torch.cat([up(x), kept.pop()], dim=1))
        return self.head(torch.relu(self.to_full(x)))


def folded(model: Student) -> Student:
    """A copy in evaluation mode whose batch norms are folded into the convolutions."""
    import copy

    model = copy.deepcopy(model).eval()
    for block in [m for m in model.modules() if isinstance(m, ConvBlock)]:
        block[0] = fuse_conv_bn_eval(block[0], block[1])
        block[1] = nn.Identity()
    return model


def multiply_adds(model: nn.Module, side: int = 256) -> int:
    """Multiply-adds of one forward pass over one image."""
    total = 0

    def count(layer, inputs, output):
        nonlocal total
        weight = layer.weight
        grid = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        total += weight.numel() * grid.shape[-2] * grid.shape[-1]

    hooks = [
        m.register_forward_hook(count)
        for m in model.modules()
        if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))
    ]
    with torch.no_grad():
        model.eval()(torch.zeros(1, 1, side, side))
    for hook in hooks:
        hook.remove()
    return total
