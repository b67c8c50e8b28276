"""The networks of the zoo: how each is built, what it takes, and how it is exported.

A name is `NETWORK` (TorchScript-based exporter, operator set 17) or `NETWORK@dynamo` / `NETWORK@dynamo23` (exporter
on torch.export, operator set 18 / 23). Shapes are [batch, channels, spatial...]. 2-D networks take their native size;
3-D patches are the smallest at which the deepest level still has 64 voxels, so that no instance normalisation sees a
handful of values.
"""

import torch

# Networks that are also exported by the other exporter.
BOTH = (
    "densenet121@dynamo",
    "resnet50@dynamo",
    "mobilenet_v3_large@dynamo",
    "convnext_tiny@dynamo",
    "vit_b_16@dynamo23",
    "swin_t@dynamo",
    "monai_unet@dynamo",
    "monai_segresnet@dynamo",
    "monai_unetr@dynamo23",
    "nnunet_plain@dynamo",
)

NETWORKS = {}


def network(title, *shape):
    """Registers a builder under its function's name."""

    def register(build):
        NETWORKS[build.__name__] = (title, build, shape)
        return build

    return register


class First(torch.nn.Module):
    """A network whose output is a dictionary or a list, as a tuple of tensors."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        y = self.inner(x)
        return tuple(y.values()) if isinstance(y, dict) else tuple(y)


def tv(name, **options):
    import torchvision

    return getattr(torchvision.models, name)(weights=None, **options)


def timm_model(name):
    import timm

    return timm.create_model(name, pretrained=False)


@network("torchvision DenseNet-121", 1, 3, 224, 224)
def densenet121():
    return tv("densenet121")


@network("torchvision DenseNet-201", 1, 3, 224, 224)
def densenet201():
    return tv("densenet201")


@network("torchvision ResNet-50", 1, 3, 224, 224)
def resnet50():
    return tv("resnet50")


@network("torchvision EfficientNet-B0", 1, 3, 224, 224)
def efficientnet_b0():
    return tv("efficientnet_b0")


@network("timm EfficientNet-B3", 1, 3, 288, 288)
def efficientnet_b3():
    return timm_model("efficientnet_b3")


@network("torchvision MobileNetV3 large", 1, 3, 224, 224)
def mobilenet_v3_large():
    return tv("mobilenet_v3_large")


@network("torchvision ConvNeXt-T", 1, 3, 224, 224)
def convnext_tiny():
    return tv("convnext_tiny")


@network("torchvision Inception-v3", 1, 3, 299, 299)
def inception_v3():
    return tv("inception_v3", init_weights=False)


@network("timm Xception", 1, 3, 299, 299)
def xception():
    return timm_model("legacy_xception")


@network("torchvision ViT-B/16", 1, 3, 224, 224)
def vit_b_16():
    return tv("vit_b_16")


@network("torchvision Swin-T", 1, 3, 224, 224)
def swin_t():
    return tv("swin_t")


@network("torchvision DeepLabV3 (ResNet-50)", 1, 3, 224, 224)
def deeplabv3():
    import torchvision

    return First(torchvision.models.segmentation.deeplabv3_resnet50(weights=None, weights_backbone=None))


@network("MONAI UNet", 1, 1, 64, 64, 64)
def monai_unet():
    from monai.networks.nets import UNet

    return UNet(3, 1, 3, channels=(16, 32, 64, 128), strides=(2, 2, 2), num_res_units=2)


@network("MONAI BasicUNet", 1, 1, 64, 64, 64)
def monai_basic_unet():
    from monai.networks.nets import BasicUNet

    return BasicUNet(3, 1, 3)


@network("MONAI DynUNet", 1, 1, 64, 64, 64)
def monai_dynunet():
    from monai.networks.nets import DynUNet

    return DynUNet(3, 1, 3, kernel_size=[3] * 5, strides=[1, 2, 2, 2, 2], upsample_kernel_size=[2] * 4, res_block=True)


@network("MONAI AttentionUnet", 1, 1, 64, 64, 64)
def monai_attention_unet():
    from monai.networks.nets import AttentionUnet

    return AttentionUnet(3, 1, 3, channels=(16, 32, 64, 128), strides=(2, 2, 2))


@network("MONAI SegResNet", 1, 1, 64, 64, 64)
def monai_segresnet():
    from monai.networks.nets import SegResNet

    return SegResNet(spatial_dims=3, init_filters=16, in_channels=1, out_channels=3, blocks_down=(1, 2, 2, 4))


@network("MONAI SegResNetDS", 1, 1, 64, 64, 64)
def monai_segresnet_ds():
    from monai.networks.nets import SegResNetDS

    return SegResNetDS(spatial_dims=3, init_filters=16, in_channels=1, out_channels=3, dsdepth=2)


@network("MONAI VNet", 1, 1, 64, 64, 64)
def monai_vnet():
    from monai.networks.nets import VNet

    return VNet(spatial_dims=3, in_channels=1, out_channels=2)


@network("MONAI UNETR", 1, 1, 64, 64, 64)
def monai_unetr():
    from monai.networks.nets import UNETR

    return UNETR(in_channels=1, out_channels=3, img_size=(64, 64, 64), feature_size=16)


@network("MONAI SwinUNETR", 1, 1, 64, 64, 64)
def monai_swin_unetr():
    from monai.networks.nets import SwinUNETR

    return SwinUNETR(in_channels=1, out_channels=3, feature_size=24)


@network("MONAI HighResNet", 1, 1, 32, 32, 32)
def monai_highresnet():
    from monai.networks.nets import HighResNet

    return HighResNet(spatial_dims=3, in_channels=1, out_channels=4)


@network("MONAI DenseNet121, 3-D", 1, 1, 64, 64, 64)
def monai_densenet121_3d():
    from monai.networks.nets import DenseNet121

    return DenseNet121(spatial_dims=3, in_channels=1, out_channels=5)


@network("MONAI RetinaNet backbone, 3-D (ResNet-50, FPN)", 1, 1, 64, 64, 64)
def monai_retinanet_3d():
    from monai.apps.detection.networks.retinanet_network import resnet_fpn_feature_extractor
    from monai.networks.nets import resnet50 as resnet

    backbone = resnet(spatial_dims=3, n_input_channels=1, conv1_t_stride=(2, 2, 1), conv1_t_size=(7, 7, 7))
    return First(resnet_fpn_feature_extractor(backbone, 3, False, trainable_backbone_layers=None, returned_layers=[1, 2]))


def nnunet_options():
    return {
        "input_channels": 1,
        "n_stages": 5,
        "features_per_stage": (32, 64, 128, 256, 320),
        "conv_op": torch.nn.Conv3d,
        "kernel_sizes": 3,
        "strides": (1, 2, 2, 2, 2),
        "num_classes": 3,
        "conv_bias": True,
        "norm_op": torch.nn.InstanceNorm3d,
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "nonlin": torch.nn.LeakyReLU,
        "nonlin_kwargs": {"inplace": True},
        "deep_supervision": False,
    }


@network("nnU-Net PlainConvUNet, 3-D", 1, 1, 64, 64, 64)
def nnunet_plain():
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    return PlainConvUNet(n_conv_per_stage=2, n_conv_per_stage_decoder=2, **nnunet_options())


@network("nnU-Net ResidualEncoderUNet, 3-D", 1, 1, 64, 64, 64)
def nnunet_resenc():
    from dynamic_network_architectures.architectures.unet import ResidualEncoderUNet

    return ResidualEncoderUNet(n_blocks_per_stage=(1, 3, 4, 6, 6), n_conv_per_stage_decoder=1, **nnunet_options())
