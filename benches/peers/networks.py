"""The networks that the engines are timed on: thirteen of the kinds that medical-imaging models are made of.

Each is built from its library, or written here where it is a few lines; its shape and arithmetic are fixed. `gflop` is
twice the multiply-adds of one run at batch 1, as torch's FlopCounterMode counts them; the exporter checks it.
"""

from dataclasses import dataclass
from typing import Callable

import torch
from torch import nn


@dataclass(frozen=True)
class Network:
    """What an engine is asked to run."""

    title: str
    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    gflop: float
    # Where batch statistics are measured: a smaller size of the same network is enough.
    calibrate_at: tuple[int, ...] | None = None
    # The network whose weights this one shares, at another size.
    weights_of: str | None = None


class UNet2d(nn.Module):
    """The classic U-Net with batch normalisation: two convolutions a level, features 32 to 512 (Buda et al. 2019)."""

    def __init__(self, features=(32, 64, 128, 256, 512), inputs=3, outputs=1):
        super().__init__()
        self.down = nn.ModuleList(self.block(a, b) for a, b in zip((inputs, *features), features))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in zip(features, features[1:]))
        self.merge = nn.ModuleList(self.block(2 * a, a) for a in features[:-1])
        self.head = nn.Conv2d(features[0], outputs, 1)

    @staticmethod
    def block(inputs, outputs):
        layers = []
        for n in (inputs, outputs):
            layers += [nn.Conv2d(n, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        return nn.Sequential(*layers)

    def forward(self, x):
        skips = []
        for level, block in enumerate(self.down):
            x = block(nn.functional.max_pool2d(x, 2) if level else x)
            skips.append(x)
        for level in reversed(range(len(self.up))):
            x = self.merge[level](torch.cat((self.up[level](x), skips[level]), 1))
        return torch.sigmoid(self.head(x))


def meshnet():
    """MeshNet (Fedorov et al. 2017) as in Brainchop's larger models: nine dilated layers of 21 channels, three classes."""
    layers, channels = [], 1
    for dilation in (1, 2, 4, 8, 16, 8, 4, 2, 1):
        convolution = nn.Conv3d(channels, 21, 3, padding=dilation, dilation=dilation)
        layers += [convolution, nn.BatchNorm3d(21), nn.ReLU()]
        channels = 21
    return nn.Sequential(*layers, nn.Conv3d(21, 3, 1))


def nnunet():
    """nnU-Net's plain 3-D network (full resolution): five stages, 32 to 320 features, three classes."""
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    return PlainConvUNet(
        input_channels=1,
        n_stages=5,
        features_per_stage=(32, 64, 128, 256, 320),
        conv_op=nn.Conv3d,
        kernel_sizes=3,
        strides=(1, 2, 2, 2, 2),
        n_conv_per_stage=2,
        num_classes=3,
        n_conv_per_stage_decoder=2,
        conv_bias=True,
        norm_op=nn.InstanceNorm3d,
        norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
        deep_supervision=False,
    )


def segresnet():
    """MONAI's SegResNet as in its whole-body CT bundle: 32 initial filters, 105 classes."""
    from monai.networks.nets import SegResNet

    return SegResNet(spatial_dims=3, init_filters=32, in_channels=1, out_channels=105, blocks_down=(1, 2, 2, 4))


def swin_unetr():
    """MONAI's SwinUNETR with 24 features and 14 classes (BTCV)."""
    from monai.networks.nets import SwinUNETR

    return SwinUNETR(in_channels=1, out_channels=14, feature_size=24)


def torchvision_model(name):
    def build():
        import torchvision

        return getattr(torchvision.models, name)(weights=None)

    return build


def square(n):
    return (1, 3, n, n)


def cube(n):
    return (1, 1, n, n, n)


def classifier(title, name, size, gflop):
    return Network(f"torchvision {title}", torchvision_model(name), square(size), gflop)


NETWORKS = {
    "mobilenet_v3_large": classifier("MobileNetV3 large", "mobilenet_v3_large", 224, 0.43),
    "efficientnet_b0": classifier("EfficientNet-B0", "efficientnet_b0", 224, 0.77),
    "efficientnet_b3": classifier("EfficientNet-B3", "efficientnet_b3", 300, 3.65),
    "densenet121": classifier("DenseNet-121", "densenet121", 224, 5.67),
    "resnet50": classifier("ResNet-50", "resnet50", 224, 8.18),
    "unet2d_256": Network("U-Net 2-D, 32 to 512", UNet2d, square(256), 24.14),
    "vit_b_16": classifier("ViT-B/16", "vit_b_16", 224, 35.13),
    "meshnet_64": Network("MeshNet, 21 channels", meshnet, cube(64), 50.27),
    "meshnet_128": Network("MeshNet, 21 channels", meshnet, cube(128), 402.2, cube(64), "meshnet_64"),
    "nnunet_96": Network("nnU-Net plain, 32 to 320", nnunet, cube(96), 398.8),
    "nnunet_128": Network("nnU-Net plain, 32 to 320", nnunet, cube(128), 945.3, None, "nnunet_96"),
    "segresnet_96": Network("MONAI SegResNet, 32 filters", segresnet, cube(96), 494.4),
    "swin_unetr24_96": Network("MONAI SwinUNETR, 24 features", swin_unetr, cube(96), 165.9),
}
