//! PyTorch files: those that the installed torch writes (skipped without), and those that hospitals' models come in.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod pickles;

use std::path::Path;
use std::process::Command;

use netra_graph::npz::Npz;
use netra_graph::{Data, ErrorKind, StateDict, Tensor, pytorch, safetensors, weights};
use pickles::{archive, legacy, pickle, stream, zip};

fn names(tensors: &StateDict) -> Vec<&str> {
    tensors.keys().map(String::as_str).collect()
}

#[test]
fn what_torch_writes_is_read_to_the_last_bit() {
    let Some(python) = std::env::var_os("NETRA_PYTHON") else {
        eprintln!("skipped: NETRA_PYTHON is not set");
        return;
    };
    // tests/requirements.txt leaves torch out: it is larger than everything else together.
    if !Command::new(&python).args(["-c", "import torch"]).output().unwrap().status.success() {
        eprintln!("skipped: this Python has no torch");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pytorch/make.py");
    let made = Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let (mut read, mut refused) = (0, 0);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let file = path.with_extension("pth");
        match path.extension().unwrap().to_str().unwrap() {
            "npz" => {
                let tensors = weights::read(&file).unwrap();
                let expected = Npz::open(&path).unwrap();
                let mut wanted = expected.names().to_vec();
                wanted.sort();
                assert_eq!(names(&tensors), wanted, "{}", file.display());
                for (name, tensor) in &tensors {
                    assert!(tensor == &expected.tensor(name).unwrap(), "{name} of {} differs", file.display());
                }
                read += 1;
            }
            "txt" => {
                let words = std::fs::read_to_string(&path).unwrap();
                let error = pytorch::read(&file).unwrap_err();
                assert!(error.to_string().contains(&words), "{}: {error}", file.display());
                let expected =
                    if file.ends_with("two_places.pth") { ErrorKind::InvalidInput } else { ErrorKind::Unsupported };
                assert_eq!(error.kind(), expected, "{error}");
                refused += 1;
            }
            _ => {}
        }
    }
    assert!(read >= 15 && refused >= 13, "{read} read, {refused} refused");
    let checkpoint = pytorch::read_with(&folder.path().join("training.pth"), &Default::default()).unwrap();
    assert_eq!(checkpoint.key, "network_weights");
    let skipped = [
        "arguments (argparse.Namespace)",
        "array (numpy._core.multiarray._reconstruct)",
        "best (numpy._core.multiarray.scalar)",
        "best_loss (a tensor)",
        "epoch (a number)",
        "losses (a list)",
        "optimizer_state (a dictionary)",
        "rng (a tensor)",
        "seen (__builtin__.set)",
    ];
    assert_eq!(checkpoint.skipped, skipped);
    let frozen = pytorch::read_with(&folder.path().join("frozen.pth"), &Default::default()).unwrap();
    assert!(frozen.constants.values().any(|t| t.shape() == [2, 1, 3, 3]), "{:?}", frozen.constants.keys());
}

#[test]
fn published_files_are_read() {
    let Some(assets) = netra_testkit::assets() else {
        eprintln!("skipped: no shared assets");
        return;
    };
    let models = assets.join("models");
    let retina = models.join("retina_vessels_lwnet/wnet_drive.pth");
    let others: StateDict = safetensors::read(&retina.with_extension("safetensors")).unwrap().into_iter().collect();
    assert!(pytorch::read(&retina).unwrap() == others, "the two forms of wnet_drive differ");
    // A safetensors file under another name.
    let meshnet = models.join("brain_meshnet_brainchop/model18cls.pth");
    let others: StateDict = safetensors::read(&meshnet).unwrap().into_iter().collect();
    assert!(weights::read(&meshnet).unwrap() == others);
    let count = |name: &str| weights::read(&models.join(name)).unwrap().len();
    assert_eq!(count("brain_hippodeep/hippodeep.pt"), 42);
    assert_eq!(count("mednist_gan_monai/models/model.pt"), 33);
    assert_eq!(count("brain_extract_deepbet/model.pt"), 38);
}

fn two() -> [(&'static str, &'static [f32]); 2] {
    [("0", &[1.0, 2.0, 3.0, 4.0]), ("1", &[5.0])]
}

/// `{"a": a 2x2 view, "b": one element}`.
fn object() -> pickles::Pickle {
    pickle().raw(b"}(").text("a").tensor("0", 4, 0, &[2, 2], &[1, 2]).text("b").tensor("1", 1, 0, &[], &[]).raw(b"u")
}

#[test]
fn the_writer_of_these_tests_writes_what_is_read() {
    let expected = StateDict::from([
        ("a".into(), Tensor::from_f32([2, 2], vec![1.0, 3.0, 2.0, 4.0]).unwrap()),
        ("b".into(), Tensor::new([], Data::F32(vec![5.0])).unwrap()),
    ]);
    assert_eq!(pytorch::from_bytes(&archive(&object().end(), &two())).unwrap(), expected);
    assert_eq!(pytorch::from_bytes(&legacy(&object().end(), &two())).unwrap(), expected);
}

#[test]
fn a_part_of_a_legacy_storage_is_found() {
    let part = pickle()
        .raw(b"}")
        .text("w")
        .global("torch._utils", "_rebuild_tensor")
        .raw(b"((")
        .text("storage")
        .global("torch.cuda", "FloatStorage")
        .text("0")
        .text("cuda:0")
        .int(4)
        .raw(b"(")
        .text("7")
        .int(1)
        .int(2)
        .raw(b"ttQ")
        .int(1)
        .ints(&[1])
        .ints(&[1])
        .raw(b"tRs");
    let tensors = pytorch::from_bytes(&legacy(&part.end(), &two()[..1])).unwrap();
    assert_eq!(tensors["w"], Tensor::from_f32([1], vec![3.0]).unwrap());
}

#[test]
fn a_key_can_be_given() {
    let inside = |p: pickles::Pickle| p.raw(b"}").text("w").tensor("1", 1, 0, &[1], &[1]).raw(b"s");
    let two_nets =
        inside(inside(pickle().raw(b"}(").text("model").raw(b"}").text("ema")).raw(b"s").text("net")).raw(b"u");
    let file = archive(&two_nets.end(), &two());
    let read = |key: &str| {
        let mut options = pytorch::ReadOptions::default();
        options.key = Some(key.into());
        pytorch::from_bytes_with(&file, &options)
    };
    assert_eq!(pytorch::from_bytes(&file).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(names(&read("net").unwrap().tensors), ["w"]);
    assert_eq!(names(&read("model").unwrap().tensors), ["ema.w"]);
    let inner = read("model/ema").unwrap();
    assert_eq!((names(&inner.tensors), inner.key.as_str()), (vec!["w"], "model/ema"));
    assert_eq!(inner.skipped, ["net (a dictionary)"]);
    let error = read("weights").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains(r#"there are ["model", "net"]"#), "{error}");
}

#[test]
fn byte_order_tar_and_strangers_are_refused_by_name() {
    let refused = |bytes: &[u8], kind: ErrorKind, words: &str| {
        let error = weights::from_bytes(bytes).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    };
    let object = object().end();
    let order = |text: &[u8]| zip(&[("a/data.pkl", &object), ("a/byteorder", text)]);
    refused(&order(b"big"), ErrorKind::Unsupported, "big-endian");
    refused(&order(b"huh"), ErrorKind::Malformed, "byte order");
    refused(&stream(&object, &[], false), ErrorKind::Unsupported, "big-endian");
    let mut tar = vec![b'x'; 512];
    tar[257..262].copy_from_slice(b"ustar");
    refused(&tar, ErrorKind::Unsupported, "tar format");
    refused(&pickle().raw(b"}").end(), ErrorKind::Unsupported, "torch.save did not write");
    refused(&zip(&[("a/readme", b"")]), ErrorKind::Malformed, "without data.pkl");
    refused(&zip(&[("a/data.pkl", &object), ("b/data.pkl", &object)]), ErrorKind::Malformed, "more than one");
}
