"""Originals of the architectures that netra_graph::arch builds: one folder a case, for architectures.rs.

    python architectures.py OUT [tiny|full] [PART OF NAME]

Each folder holds config.json (what Architecture::from_json reads), state.npz (the state dict), and case.npz: the input, the
output in float64, and those of torch and of ONNX Runtime in float32. Weights are random with seeds, batch statistics too.
"""

import contextlib, io, json, pathlib, sys, warnings

import numpy as np
import torch
from torch import nn

warnings.filterwarnings("ignore")
torch.set_num_threads(2)


def target(config):
    """The class behind a configuration, and its arguments as Python wants them."""
    args = {k: v for k, v in config.items() if k not in ("name", "_target_")}
    name = config.get("_target_", config.get("name"))
    if name == "MeshNet":
        return mesh_net(**args)
    if name.startswith("torchvision."):
        import torchvision

        channels = args.pop("in_channels", None) or args.pop("n_input_channels", None)
        net = getattr(torchvision.models, name.split(".")[-1])(**args)
        if channels:  # torchvision has no argument for it: one replaces the first layer
            path, old = next((n, m) for n, m in net.named_modules() if isinstance(m, nn.Conv2d))
            new = nn.Conv2d(channels, old.out_channels, old.kernel_size, old.stride, old.padding, bias=False)
            parent, _, leaf = path.rpartition(".")
            setattr(net.get_submodule(parent), leaf, new)
        return net
    if name.startswith("torchxrayvision."):
        import torchxrayvision as xrv

        args.pop("input_resolution", None)
        points = args.pop("op_threshs", None)
        if points is not None:
            points = torch.tensor([float("nan") if p is None else p for p in points])
        return xrv.models.DenseNet(op_threshs=points, **args)
    if name.endswith("ConvUNet") or name.endswith("EncoderUNet"):
        import pydoc
        from dynamic_network_architectures.architectures import unet

        for key in ("conv_op", "norm_op", "nonlin", "dropout_op"):
            if args.get(key):
                args[key] = pydoc.locate(args[key])
        return getattr(unet, name.split(".")[-1])(**args)
    import monai.networks.nets as nets

    tuples = {k: (v[0], v[1]) if isinstance(v, list) and len(v) == 2 and isinstance(v[1], dict) else v for k, v in args.items()}
    if name == "EfficientNetBN":
        tuples["pretrained"] = False
    return getattr(nets, name.split(".")[-1])(**tuples)


def mesh_net(in_channels, n_classes, channels, layers=None, norm="batch", act="relu", bias=True, form="nested"):
    """MeshNet from its paper: there is no package of it. Layers as in the public PyTorch ports."""
    if layers is None:
        layers = [dict(kernel_size=3, padding=d, dilation=d) for d in (1, 1, 1, 2, 4, 8, 1)] + [dict(kernel_size=1)]
    norms = lambda: [] if norm is None else [nn.BatchNorm3d(channels)] if norm == "batch" else [nn.GroupNorm(channels, channels, affine=norm[1]["affine"])]
    acts = {"relu": nn.ReLU, "gelu": nn.GELU, "elu": nn.ELU}
    parts = []
    for i, layer in enumerate(layers[:-1]):
        conv = nn.Conv3d(in_channels if i == 0 else channels, channels, bias=bias, **layer)
        if form == "flat":
            parts += [conv, acts[act](), *norms()]
        else:
            parts.append(nn.Sequential(conv, *norms(), acts[act]()))
    parts.append(nn.Conv3d(channels, n_classes, **layers[-1]))
    net = nn.Module()
    net.model = nn.Sequential(*parts)
    net.forward = net.model.forward
    return net


CONV = "torch.nn.modules.conv.Conv{}d"
NORM = "torch.nn.modules.instancenorm.InstanceNorm{}d"


def nnu(residual=False, dims=3, **more):
    kind = dict(n_blocks_per_stage=[1, 2, 2]) if residual else dict(n_conv_per_stage=[2, 1, 2])
    base = dict(
        name="ResidualEncoderUNet" if residual else "PlainConvUNet",
        input_channels=2, num_classes=3, n_stages=3, features_per_stage=[4, 6, 8], conv_op=CONV.format(dims),
        kernel_sizes=[[1, 3, 3][3 - dims:], [3] * dims, [3] * dims], strides=[[1] * dims, [1, 2, 2][3 - dims:], [2] * dims],
        n_conv_per_stage_decoder=[2, 1], conv_bias=True, norm_op=NORM.format(dims), norm_op_kwargs=dict(eps=1e-5, affine=True),
        dropout_op=None, dropout_op_kwargs=None, nonlin="torch.nn.LeakyReLU", nonlin_kwargs=dict(inplace=True),
    )
    return {**base, **kind, **more}


def unet(dims=3, **more):
    return {**dict(name="UNet", spatial_dims=dims, in_channels=2, out_channels=3, channels=[4, 6, 8], strides=[2, 2]), **more}


def basic(dims=3, **more):
    return {**dict(name="BasicUNet", spatial_dims=dims, in_channels=1, out_channels=2, features=[4, 4, 6, 8, 10, 5]), **more}


def dyn(dims=3, **more):
    return {**dict(name="DynUNet", spatial_dims=dims, in_channels=1, out_channels=2, kernel_size=[3, 3, 3, 3], strides=[1, 2, 2, 2],
                   upsample_kernel_size=[2, 2, 2], filters=[4, 6, 8, 10]), **more}


def seg(dims=3, **more):
    return {**dict(name="SegResNet", spatial_dims=dims, in_channels=2, out_channels=3, init_filters=8, blocks_down=[1, 2, 1],
                   blocks_up=[1, 2]), **more}


def dense(name, **more):
    tv = name.startswith("torchvision")
    base = {} if tv else dict(spatial_dims=3, in_channels=1, out_channels=3, init_features=8)
    base |= dict(num_init_features=8, num_classes=5) if tv else {}
    return {**dict(name=name, growth_rate=4, block_config=[2, 3, 2], bn_size=2), **base, **more}


# Name, configuration, shape of the input.
TINY = [
    ("unet-plain", unet(), (2, 2, 16, 8, 12)),
    ("unet-res", unet(num_res_units=2, channels=[4, 8, 8, 12], strides=[2, [1, 2, 2], 2]), (1, 2, 8, 16, 16)),
    ("unet-batch-2d", unet(2, num_res_units=1, norm="BATCH", act="RELU", dropout=0.2, bias=False), (2, 2, 24, 16)),
    ("unet-group-1d", unet(1, out_channels=4, norm=["GROUP", {"num_groups": 2}], act=["elu", {"alpha": 0.5}], num_res_units=3), (1, 2, 32)),
    ("unet-kernels", unet(2, kernel_size=[5, 3], up_kernel_size=[3, 5], strides=[1, 2], adn_ordering="AN", norm=["instance", {"affine": True}]), (1, 2, 16, 20)),
    ("unet-prelu", unet(2, act=["prelu", {"num_parameters": 1, "init": 0.1}], norm=None, num_res_units=2), (1, 2, 16, 16)),
    ("basic-unet", basic(), (1, 1, 16, 32, 16)),
    ("basic-unet-odd", basic(2, norm="batch", act="gelu"), (1, 1, 37, 50)),
    ("basic-unet-nontrainable", basic(2, upsample="nontrainable", norm=["group", {"num_groups": 1}]), (2, 1, 32, 48)),
    ("basic-unet-shuffle", basic(3, upsample="pixelshuffle"), (1, 1, 16, 16, 32)),
    ("basic-unet-1d", basic(1, bias=False), (1, 1, 401)),
    ("dynunet", dyn(), (1, 1, 16, 8, 16)),
    ("dynunet-res", dyn(2, res_block=True, deep_supervision=True, deep_supr_num=2, trans_bias=True, strides=[1, [1, 2], 2, 2], upsample_kernel_size=[[1, 2], 2, 2], kernel_size=[[1, 3], 3, 3, 3]), (1, 1, 16, 32)),
    ("dynunet-batch", dyn(norm_name="batch", act_name="relu", dropout=0.1), (2, 1, 8, 8, 16)),
    ("nnunet-plain", nnu(), (1, 2, 8, 16, 16)),
    ("nnunet-plain-2d", nnu(dims=2, conv_bias=False, nonlin="torch.nn.ReLU", nonlin_first=True, norm_op="torch.nn.BatchNorm2d", norm_op_kwargs={}), (2, 2, 24, 16)),
    ("nnunet-dropout", nnu(dropout_op="torch.nn.Dropout3d", dropout_op_kwargs={"p": 0.1}, deep_supervision=False), (1, 2, 4, 8, 8)),
    ("nnunet-resenc", nnu(True), (1, 2, 8, 16, 16)),
    ("nnunet-resenc-2d", nnu(True, dims=2, stem_channels=5, norm_op_kwargs={}), (1, 2, 16, 24)),
    ("segresnet", seg(), (1, 2, 8, 16, 12)),
    ("segresnet-deconv", seg(2, upsample_mode="deconv", norm="instance", act=["leakyrelu", {"negative_slope": 0.2}]), (2, 2, 16, 24)),
    ("segresnet-shuffle", seg(2, upsample_mode="pixelshuffle", dropout_prob=0.2, act="prelu"), (1, 2, 16, 16)),
    ("segresnet-features", seg(2, use_conv_final=False, norm="batch"), (1, 2, 16, 16)),
    ("meshnet", dict(name="MeshNet", in_channels=1, n_classes=3, channels=5), (1, 1, 20, 18, 22)),
    ("meshnet-flat", dict(name="MeshNet", in_channels=1, n_classes=1, channels=5, form="flat", act="elu"), (1, 1, 16, 17, 18)),
    ("meshnet-plain", dict(name="MeshNet", in_channels=1, n_classes=2, channels=5, norm=None), (1, 1, 20, 18, 22)),
    ("meshnet-group", dict(name="MeshNet", in_channels=1, n_classes=3, channels=5, norm=["group", {"num_groups": 5, "affine": False}], act="gelu", bias=False,
                           layers=[dict(kernel_size=3, padding=2, stride=1, dilation=2), dict(kernel_size=3, padding=4, stride=1, dilation=4), dict(kernel_size=1, padding=0, stride=1, dilation=1)]), (1, 1, 12, 12, 12)),
    ("densenet-monai", dense("DenseNet"), (2, 1, 32, 40, 32)),
    ("densenet-monai-2d", dense("DenseNet", spatial_dims=2, norm="instance", act="leakyrelu"), (2, 1, 64, 48)),
    ("densenet-torchvision", dense("torchvision.models.DenseNet"), (2, 3, 64, 48)),
    ("densenet-xrv", dict(_target_="torchxrayvision.models.DenseNet", growth_rate=4, block_config=[2, 2], num_init_features=8, bn_size=2, num_classes=4,
                          op_threshs=[0.2, None, 0.7, 0.5], input_resolution=64), (2, 1, 64, 64)),
    ("densenet-xrv-sigmoid", dict(_target_="torchxrayvision.models.DenseNet", growth_rate=4, block_config=[2, 2], num_init_features=8, bn_size=2, num_classes=4,
                                  apply_sigmoid=True, input_resolution=None), (1, 1, 48, 64)),
    ("resnet-basic", dict(name="ResNet", block="basic", layers=[1, 2, 1, 1], block_inplanes=[4, 6, 8, 10], n_input_channels=1, num_classes=3), (1, 1, 24, 32, 16)),
    ("resnet-a", dict(name="ResNet", block="basic", layers=[1, 1, 2, 1], block_inplanes=[4, 6, 8, 10], n_input_channels=1, num_classes=3, shortcut_type="A",
                      conv1_t_stride=[1, 2, 2], conv1_t_size=[3, 7, 5], no_max_pool=True), (1, 1, 15, 24, 17)),
    ("resnet-bottleneck", dict(name="ResNet", block="bottleneck", layers=[1, 1, 1, 1], block_inplanes=[8, 8, 16, 16], spatial_dims=2, n_input_channels=2,
                               feed_forward=False, bias_downsample=False, widen_factor=0.5, act="elu", norm=["instance", {"affine": True}]), (2, 2, 48, 64)),
    ("resnet10-monai", dict(name="resnet10", spatial_dims=3, n_input_channels=1, num_classes=2, widen_factor=0.125), (1, 1, 20, 24, 28)),
    ("resnet18-torchvision", {"_target_": "torchvision.models.resnet18", "num_classes": 4, "n_input_channels": 1}, (1, 1, 64, 64)),
    ("efficientnet-torchvision", dict(name="torchvision.models.efficientnet_b0", num_classes=5), (1, 3, 64, 96)),
    ("efficientnet-monai", dict(name="EfficientNetBN", model_name="efficientnet-b0", spatial_dims=2, in_channels=1, num_classes=5), (1, 1, 64, 50)),
]

PLAN = dict(input_channels=1, num_classes=15, n_stages=6, features_per_stage=[32, 64, 128, 256, 320, 320], kernel_sizes=[[3, 3, 3]] * 6,
            strides=[[1, 1, 1]] + [[2, 2, 2]] * 5, n_conv_per_stage_decoder=[1] * 5)
XRV = dict(_target_="torchxrayvision.models.DenseNet", op_threshs=[0.1 + 0.04 * i for i in range(18)])
# Classifiers have hundreds of classes here: the largest error of two numbers says little.
FULL = [
    ("full-unet", unet(in_channels=1, out_channels=2, channels=[16, 32, 64, 128, 256], strides=[2, 2, 2, 2], num_res_units=2, norm="batch"), (1, 1, 96, 96, 96)),
    ("full-basic-unet", dict(name="BasicUNet", spatial_dims=3, in_channels=1, out_channels=2), (1, 1, 64, 64, 64)),
    ("full-dynunet", dyn(kernel_size=[3] * 5, strides=[1, 2, 2, 2, 2], upsample_kernel_size=[2] * 4, filters=None, res_block=True), (1, 1, 64, 64, 64)),
    ("full-nnunet-plain", nnu(**PLAN, n_conv_per_stage=[2] * 6), (1, 1, 64, 64, 64)),
    ("full-nnunet-resenc", nnu(True, **PLAN, n_blocks_per_stage=[1, 3, 4, 6, 6, 6]), (1, 1, 64, 64, 64)),
    ("full-segresnet", dict(name="SegResNet", init_filters=16, in_channels=4, out_channels=3, blocks_down=[1, 2, 2, 4], blocks_up=[1, 1, 1]), (1, 4, 64, 64, 64)),
    ("full-meshnet", dict(name="MeshNet", in_channels=1, n_classes=3, channels=21), (1, 1, 48, 48, 48)),
    ("full-densenet121-3d", dict(name="DenseNet121", spatial_dims=3, in_channels=1, out_channels=400), (1, 1, 64, 64, 64)),
    ("full-densenet121", dict(name="torchvision.models.densenet121"), (1, 3, 224, 224)),
    ("full-densenet169", dict(name="torchvision.models.densenet169"), (1, 3, 224, 224)),
    ("full-densenet201", dict(name="torchvision.models.densenet201"), (1, 3, 224, 224)),
    ("full-xrv", XRV, (1, 1, 224, 224)),
    *[(f"full-resnet{d}", dict(name=f"torchvision.models.resnet{d}"), (1, 3, 224, 224)) for d in (18, 34, 50, 101, 152)],
    ("full-resnext50", dict(name="torchvision.models.resnext50_32x4d"), (1, 3, 224, 224)),
    ("full-resnet18-3d", dict(name="resnet18", spatial_dims=3, n_input_channels=1, shortcut_type="A", conv1_t_stride=2), (1, 1, 64, 64, 64)),
    ("full-resnet50-3d", dict(name="resnet50", spatial_dims=3, n_input_channels=1, conv1_t_stride=2), (1, 1, 64, 64, 64)),
    *[(f"full-efficientnet-b{v}", dict(name=f"torchvision.models.efficientnet_b{v}"), (1, 3, s, s)) for v, s in ((0, 224), (3, 300), (5, 456), (7, 300))],
    *[(f"full-efficientnet-monai-b{v}", dict(name="EfficientNetBN", model_name=f"efficientnet-b{v}"), (1, 3, s, s)) for v, s in ((0, 224), (1, 240), (2, 260), (4, 380), (6, 300))],
]


def randomise(net, seed):
    torch.manual_seed(seed)
    # ReLU halves the variance. Sums of many blocks grow it again, and squeeze and excitation is chaotic once activations
    # explode.
    gain = 1 if type(net).__name__.startswith(("EfficientNet", "ResNet")) else 2
    for module in net.modules():
        for name, p in list(module.named_parameters(recurse=False)) + list(module.named_buffers(recurse=False)):
            if name in ("running_mean", "bias"):
                p.data.normal_(0, 0.2)
            elif name == "running_var":
                p.data.uniform_(0.5, 1.5)
            elif name == "weight" and p.dim() == 1:
                low, high = (0.1, 0.4) if isinstance(module, nn.PReLU) else (0.5, 1.5)
                p.data.uniform_(low, high)
            elif name == "weight":
                p.data.normal_(0, (gain / p[0].numel()) ** 0.5)


def onnx_runtime(net, x):
    import onnxruntime

    file = io.BytesIO()
    with contextlib.redirect_stdout(io.StringIO()):
        torch.onnx.export(net, (x,), file, opset_version=17, dynamo=False, input_names=["x"])
    return onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"]).run(None, {"x": x.numpy()})[0]


def make(out, name, config, shape, seed):
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    net = target(config)
    randomise(net, seed)
    net = net.eval()
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.normal(size=shape).astype(np.float32))
    np.savez(folder / "state.npz", **{k: v.numpy() for k, v in net.state_dict().items()})
    with torch.no_grad():
        single = net(x).numpy()
        try:
            ort = onnx_runtime(net, x)
        except Exception as e:
            print(f"{name}: no ONNX Runtime figure ({type(e).__name__})", file=sys.stderr)
            ort = single
        torch.set_default_dtype(torch.float64)  # torchxrayvision makes its output of the default type
        double = net.double()(x.double()).numpy()
        torch.set_default_dtype(torch.float32)
    np.savez(folder / "case.npz", input=x.numpy(), float64=double, torch=single, onnxruntime=ort)


if __name__ == "__main__":
    out, which, part = pathlib.Path(sys.argv[1]), (sys.argv + ["tiny"])[2], (sys.argv + ["", "", ""])[3]
    for i, (name, config, shape) in enumerate(FULL if which == "full" else TINY):
        if part in name:
            make(out, name, config, shape, 100 + i)
