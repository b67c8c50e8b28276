//! What `arch` refuses, and how it says so. That the networks are right is for netra-cpu's `architectures`.

#![allow(clippy::unwrap_used)] // helpers of tests may panic

use std::time::Instant;

use netra_graph::arch::{self, Architecture, plans};
use netra_graph::{Data, Dim, ErrorKind, Graph, Result, StateDict, Tensor};
use netra_testkit::patience;
use serde_json::{Value, json};

fn read(table: Value) -> Result<Architecture> {
    Architecture::from_json(&table)
}

/// Every tensor that the network needs, filled with one number.
fn state(architecture: &Architecture) -> StateDict {
    let filled = |shape: Vec<usize>| Tensor::from_f32(shape.clone(), vec![0.5; shape.iter().product()]).unwrap();
    arch::expected(architecture).unwrap().into_iter().map(|(name, shape)| (name, filled(shape))).collect()
}

fn unet() -> Architecture {
    let table = json!({"name": "UNet", "spatial_dims": 2, "in_channels": 1, "out_channels": 2, "channels": [4, 8, 16],
        "strides": [2, 2], "num_res_units": 1, "norm": "batch"});
    read(table).unwrap()
}

fn nnunet(residual: bool) -> Architecture {
    let (name, list) =
        if residual { ("ResidualEncoderUNet", "n_blocks_per_stage") } else { ("PlainConvUNet", "n_conv_per_stage") };
    let table = json!({"name": name, "input_channels": 1, "num_classes": 2, "n_stages": 3, "features_per_stage": [2, 3, 4],
        "conv_op": "torch.nn.modules.conv.Conv3d", "kernel_sizes": 3, "strides": [1, 2, 2], list: 1,
        "n_conv_per_stage_decoder": 1, "norm_op": "torch.nn.InstanceNorm3d", "norm_op_kwargs": {"affine": true},
        "nonlin": "torch.nn.LeakyReLU"});
    read(table).unwrap()
}

fn malformed(result: Result<Graph>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
    error.to_string()
}

#[test]
fn sizes_are_symbolic_and_the_output_is_named() {
    let graph = arch::build(&unet(), state(&unet())).unwrap();
    let shape = &graph.value(graph.inputs[0]).declared.as_ref().unwrap().shape;
    let symbol = |s: &str| Dim::Symbol(s.into());
    assert_eq!(shape, &[symbol("batch"), Dim::Known(1), symbol("height"), symbol("width")]);
    for (input, spatial) in [([1, 1, 16, 16], [16, 16]), ([3, 1, 8, 20], [8, 20])] {
        let program = graph.specialise(&[input.to_vec()]).unwrap();
        let output = program.value(program.outputs[0]);
        assert_eq!((output.name.as_str(), &output.shape[..]), ("output", &[input[0], 2, spatial[0], spatial[1]][..]));
    }
}

#[test]
fn every_missing_wrong_and_surplus_tensor_is_named() {
    let mut tensors = state(&unet());
    tensors.remove("model.0.conv.unit0.conv.weight").unwrap();
    tensors.remove("model.2.1.conv.unit0.conv.bias").unwrap();
    tensors.insert("model.0.residual.bias".into(), Tensor::from_f32([5], vec![0.0; 5]).unwrap());
    tensors.insert("model.0.residual.weight".into(), Tensor::new([4, 1, 3, 3], Data::I64(vec![0; 36])).unwrap());
    tensors.insert("optimizer.step".into(), Tensor::from_f32([1], vec![0.0]).unwrap());
    tensors.insert("model.0.conv.unit0.adn.N.num_batches_tracked".into(), Tensor::from_i64s(&[7]));
    let message = malformed(arch::build(&unet(), tensors));
    for part in [
        "2 missing: model.0.conv.unit0.conv.weight [4, 1, 3, 3], model.2.1.conv.unit0.conv.bias [2]",
        "2 of a wrong shape or type: model.0.residual.weight int64 [4, 1, 3, 3] for float32 [4, 1, 3, 3], model.0.residual.bias float32 [5] for float32 [4]",
        "1 surplus: optimizer.step [1]",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert!(!message.contains("num_batches_tracked"), "{message}");
    let all = malformed(arch::build(&unet(), StateDict::new()));
    assert!(all.contains(" and ") && all.len() < 4000, "{all}");
}

/// nnU-Net files hold the encoder twice and each layer twice again.
#[test]
fn copies_of_modules_must_be_equal() {
    for residual in [false, true] {
        let network = nnunet(residual);
        let mut tensors = state(&network);
        for (name, tensor) in tensors.clone() {
            let twice = name.replace(".conv.", ".all_modules.0.").replace(".norm.", ".all_modules.1.");
            tensors.insert(twice.clone(), tensor.clone());
            for name in [name, twice] {
                tensors.insert(name.replacen("encoder.", "decoder.encoder.", 1), tensor.clone());
            }
        }
        let head = |shape: &[usize]| Tensor::from_f32(shape, vec![0.0; shape.iter().product()]).unwrap();
        tensors.insert("decoder.seg_layers.0.weight".into(), head(&[2, 3, 1, 1, 1]));
        tensors.insert("decoder.seg_layers.0.bias".into(), head(&[2]));
        arch::build(&network, tensors.clone()).unwrap();

        // The copies alone will do, as when a safetensors file keeps one name of each.
        let alone = tensors.clone().into_iter().filter(|(name, _)| name.starts_with("decoder."));
        let alone = alone.filter(|(name, _)| !name.contains(".conv.") && !name.contains(".norm."));
        arch::build(&network, alone.collect()).unwrap();

        let block = if residual { "encoder.stem" } else { "encoder.stages.0.0" };
        let copy = format!("decoder.{block}.convs.0.all_modules.1.bias");
        tensors.insert(copy.clone(), head(&[2]));
        let message = malformed(arch::build(&network, tensors));
        assert!(message.contains(&copy) || message.contains("copy"), "{message}");
    }
}

#[test]
fn old_dense_names_are_read() {
    let table = json!({"name": "torchvision.models.densenet121", "block_config": [1, 1], "num_init_features": 4,
        "growth_rate": 2, "num_classes": 3});
    let network = read(table).unwrap();
    let old = |name: String| name.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2.");
    let tensors = state(&network).into_iter().map(|(name, tensor)| (old(name), tensor)).collect();
    arch::build(&network, tensors).unwrap();
}

/// Configurations that make no network, or one beyond any: refused by kind, at once, without the memory they ask for.
#[test]
#[cfg_attr(target_pointer_width = "32", ignore = "sizes of more than 32 bits are refused there for another reason")]
fn hostile_configurations_are_refused() {
    use ErrorKind::{InvalidInput, Limit, Malformed, Unsupported};
    let with = |mut table: Value, key: &str, value: Value| {
        table[key] = value;
        table
    };
    let unet = |key: &str, value: Value| {
        let table = json!({"name": "UNet", "spatial_dims": 2, "in_channels": 1, "out_channels": 2, "channels": [4, 8],
            "strides": [2]});
        with(table, key, value)
    };
    let plain = |key: &str, value: Value| {
        let table = json!({"name": "PlainConvUNet", "input_channels": 1, "num_classes": 2, "n_stages": 2,
            "features_per_stage": 4, "conv_op": "Conv2d", "kernel_sizes": 3, "strides": 1, "n_conv_per_stage": 1,
            "n_conv_per_stage_decoder": 1});
        with(table, key, value)
    };
    let dyn_unet = |key: &str, value: Value| {
        let table = json!({"name": "DynUNet", "spatial_dims": 3, "in_channels": 1, "out_channels": 1, "kernel_size": [3, 3, 3],
            "strides": [1, 2, 2], "upsample_kernel_size": [2, 2]});
        with(table, key, value)
    };
    let many = vec![1; 100_000];
    let huge = json!(u64::MAX);
    let cases = [
        (json!([]), Malformed),
        (json!({"spatial_dims": 2}), Malformed),
        (json!({"name": "VNet"}), Unsupported),
        (json!({"name": "torchvision.models.vgg16"}), Unsupported),
        (json!({"name": "resnet51"}), Unsupported),
        (unet("kernel", json!(3)), Unsupported),
        (unet("norm", json!("layer")), Unsupported),
        (unet("norm", json!(["instance", {"track_running_stats": true}])), Unsupported),
        (unet("channels", json!("many")), Malformed),
        (unet("channels", json!([-4, 8])), Malformed),
        (unet("channels", json!([4])), InvalidInput),
        (unet("channels", json!([])), InvalidInput),
        (unet("channels", json!([4, huge])), Limit),
        (unet("channels", json!(many)), Limit),
        (unet("channels", json!([4, 8, 16])), InvalidInput),
        (unet("strides", json!([0])), InvalidInput),
        (unet("strides", json!([[1, 2, 2]])), InvalidInput),
        (unet("strides", json!([huge])), Limit),
        (unet("kernel_size", json!(4)), InvalidInput),
        (unet("kernel_size", json!(0)), InvalidInput),
        (unet("kernel_size", huge.clone()), Limit),
        (unet("spatial_dims", json!(4)), InvalidInput),
        (unet("in_channels", json!(0)), InvalidInput),
        (unet("out_channels", huge.clone()), Limit),
        (unet("num_res_units", huge.clone()), Limit),
        (unet("norm", json!(["group", {"num_groups": 0}])), InvalidInput),
        (unet("norm", json!(["group", {"num_groups": 3}])), InvalidInput),
        (unet("act", json!(["prelu", {"num_parameters": 3}])), InvalidInput),
        (unet("adn_ordering", json!("NXA")), InvalidInput),
        (plain("n_stages", json!(1_000_000)), Limit),
        (plain("n_stages", json!(1)), InvalidInput),
        (plain("n_stages", huge.clone()), Limit),
        (plain("n_conv_per_stage", json!([0, 1])), InvalidInput),
        (plain("n_conv_per_stage", json!([1, huge])), Limit),
        (plain("features_per_stage", json!([4, 8, 16])), InvalidInput),
        (plain("n_conv_per_stage_decoder", json!([1, 1])), InvalidInput),
        (plain("conv_op", json!("Conv4d")), Unsupported),
        (dyn_unet("upsample_kernel_size", json!([2])), InvalidInput),
        (dyn_unet("strides", json!([1, 9, 2])), InvalidInput),
        (dyn_unet("filters", json!([1, 2])), InvalidInput),
        (json!({"name": "SegResNet", "blocks_down": [1], "blocks_up": [1]}), InvalidInput),
        (json!({"name": "SegResNet", "blocks_down": [1, huge], "blocks_up": [1]}), Limit),
        (json!({"name": "SegResNet", "init_filters": 8, "blocks_down": vec![0; 60], "blocks_up": vec![0; 59]}), Limit),
        (json!({"name": "BasicUNet", "features": [1, 2, 3]}), InvalidInput),
        (json!({"name": "BasicUNet", "features": [0, 0, 0, 0, 0, 0]}), InvalidInput),
        (json!({"name": "MeshNet", "in_channels": 1, "n_classes": 1, "channels": 1, "layers": []}), InvalidInput),
        (
            json!({"name": "MeshNet", "in_channels": 1, "n_classes": 1, "channels": 1,
            "layers": [{"kernel_size": 3, "padding": huge}]}),
            Limit,
        ),
        (
            json!({"name": "DenseNet121", "spatial_dims": 3, "in_channels": 1, "out_channels": 1, "block_config": [huge]}),
            Limit,
        ),
        (
            json!({"name": "DenseNet121", "spatial_dims": 3, "in_channels": 1, "out_channels": 1, "growth_rate": 0}),
            InvalidInput,
        ),
        (
            json!({"name": "DenseNet121", "spatial_dims": 3, "in_channels": 1, "out_channels": 1, "bn_size": huge}),
            Limit,
        ),
        (json!({"name": "resnet50", "widen_factor": 1e300}), Limit),
        (json!({"name": "resnet50", "widen_factor": -1.0}), InvalidInput),
        (json!({"name": "torchvision.models.resnet18", "groups": 2}), InvalidInput),
        (json!({"name": "torchvision.models.resnet50", "groups": huge}), Limit),
        (
            json!({"name": "ResNet", "block": "basic", "layers": [1, 1, 0, 1], "block_inplanes": [4, 4, 4, 4]}),
            InvalidInput,
        ),
        (json!({"name": "ResNet", "block": "basic", "layers": [1, 1], "block_inplanes": [4, 4, 4, 4]}), Malformed),
        (json!({"name": "EfficientNetBN", "model_name": "efficientnet-b9"}), InvalidInput),
        (json!({"name": "torchxrayvision.models.DenseNet", "op_threshs": [0.5]}), InvalidInput),
        (json!({"name": "torchxrayvision.models.DenseNet", "num_classes": huge}), Limit),
    ];
    for (table, kind) in cases {
        let start = Instant::now();
        let error = read(table.clone()).and_then(|a| arch::build(&a, StateDict::new())).unwrap_err();
        let shown: String = table.to_string().chars().take(200).collect();
        assert_eq!(error.kind(), kind, "{shown}: {error}");
        assert!(start.elapsed() < patience(), "{shown}: {:?}", start.elapsed());
    }
}

#[test]
fn both_forms_of_plans_give_the_same_network() {
    let sizes = json!([[1, 3, 3], [3, 3, 3], [3, 3, 3]]);
    let strides = json!([[1, 1, 1], [1, 2, 2], [2, 2, 2]]);
    let old = json!({"configurations": {"3d_fullres": {"UNet_class_name": "PlainConvUNet", "UNet_base_num_features": 16,
        "unet_max_num_features": 40, "patch_size": [8, 16, 16], "conv_kernel_sizes": sizes, "pool_op_kernel_sizes": strides,
        "n_conv_per_stage_encoder": [2, 2, 2], "n_conv_per_stage_decoder": [2, 2]}}});
    let new = json!({"configurations": {
        "3d_lowres": {"architecture": {"network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
            "arch_kwargs": {"n_stages": 3, "features_per_stage": [16, 32, 40], "conv_op": "torch.nn.modules.conv.Conv3d",
                "kernel_sizes": sizes, "strides": strides, "n_conv_per_stage": [2, 2, 2], "n_conv_per_stage_decoder": [2, 2],
                "conv_bias": true, "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
                "norm_op_kwargs": {"eps": 1e-05, "affine": true}, "dropout_op": null, "dropout_op_kwargs": null,
                "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": true}},
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"]}},
        "3d_fullres": {"inherits_from": "3d_lowres", "batch_size": 2},
        "loop": {"inherits_from": "loop"}}});
    let channels = plans::Channels { input: 2, classes: 3 };
    let [old, new] = [old, new].map(|v| v.to_string());
    let a = plans::architecture(&old, "3d_fullres", channels).unwrap();
    assert_eq!(a, plans::architecture(&new, "3d_fullres", channels).unwrap());
    arch::build(&a, state(&a)).unwrap();
    assert_eq!(plans::architecture(&new, "2d", channels).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(plans::architecture(&new, "loop", channels).unwrap_err().kind(), ErrorKind::Malformed);
    assert_eq!(plans::architecture("{", "2d", channels).unwrap_err().kind(), ErrorKind::Malformed);
}

#[test]
fn channels_come_from_the_data_set() {
    let labels =
        json!({"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1, "tumour": 2, "ignore": 3}});
    let regions = json!({"channel_names": {"0": "T1", "1": "T2", "2": "FLAIR", "3": "T1c"},
        "labels": {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": [3]}, "regions_class_order": [1, 2, 3]});
    let count = |v: &Value, cascade| {
        let c = plans::channels(&v.to_string(), cascade).unwrap();
        (c.input, c.classes)
    };
    assert_eq!([count(&labels, false), count(&labels, true)], [(1, 3), (3, 3)]);
    assert_eq!(count(&regions, false), (4, 3));
    assert_eq!(plans::channels("{}", false).unwrap_err().kind(), ErrorKind::Malformed);
}
