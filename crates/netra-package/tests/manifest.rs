//! The manifest says what is wrong with it, and where.

mod common;

use netra_core::ErrorKind;
use netra_package::manifest::{AsDiscrete, DataDigest, Inferer, Manifest, Postprocess, Preprocess, Sha256};

fn parse(head: &str) -> netra_core::Result<Manifest> {
    Manifest::parse(common::manifest(head, &common::contents()).as_bytes())
}

/// Replaces `from` (which must be there) and expects an error that names `key`.
fn refused(from: &str, to: &str, key: &str) {
    assert!(common::HEAD.contains(from), "{from}");
    let error = parse(&common::HEAD.replacen(from, to, 1)).expect_err(to);
    assert!(error.to_string().contains(key), "`{error}` does not name `{key}` ({to})");
}

#[test]
fn it_parses_and_survives_a_round_trip() {
    let manifest = parse(common::HEAD).unwrap();
    assert_eq!(manifest.data[0].digest, DataDigest::Unknown);
    assert_eq!(manifest.inferer, Inferer::Whole { pad_to_multiple: 1 });
    let threshold = AsDiscrete::Threshold { value: 0.5, version: "1".to_owned() };
    assert_eq!(manifest.postprocess[2], Postprocess::AsDiscrete(threshold));
    assert!(matches!(manifest.preprocess[0], Preprocess::Resize { anti_aliasing: false, .. }));
    let again = toml::to_string(&manifest).unwrap();
    assert_eq!(Manifest::parse(again.as_bytes()).unwrap(), manifest);
}

#[test]
fn unknown_keys_are_refused_everywhere() {
    for (table, key) in [
        ("format = 1", "formta = 1\nformat = 1"),
        ("[model]", "[model]\nlicense = \"MIT\""),
        ("[ethics]", "[ethics]\nextra = 1"),
        ("[[data]]", "[[data]]\nextra = 1"),
        ("[intended_use]", "[intended_use]\nextra = 1"),
        ("[network]", "[network]\nextra = 1"),
        ("[input]", "[input]\nextra = 1"),
        ("step = \"Resize\"", "step = \"Resize\"\nextra = 1"),
        ("kind = \"whole\"", "kind = \"whole\"\nextra = 1"),
        ("sigmoid = true", "sigmoid = true\nextra = 1"),
        ("threshold = 0.5", "threshold = 0.5\nextra = 1"),
        ("kind = \"segmentation\"", "kind = \"segmentation\"\nextra = 1"),
        ("[[output.segments]]", "[[output.segments]]\nextra = 1"),
        ("scheme = \"SCT\",", "scheme = \"SCT\", extra = 1,"),
        ("[memory]", "[memory]\nextra = 1"),
        ("[[golden]]", "[[golden]]\nextra = 1"),
    ] {
        let word = if key.contains("license") {
            "license"
        } else if key.contains("formta") {
            "formta"
        } else {
            "extra"
        };
        refused(table, key, word);
    }
    refused(
        "step = \"Resize\"\nspatial_size = [4, 4]\nmode = \"bilinear\"",
        "step = \"Grayscale\"\nextra = 1",
        "extra",
    );
}

#[test]
fn values_are_checked_and_the_key_is_named() {
    let area = "step = \"Resize\"\nspatial_size = [4, 4]\nmode = \"bilinear\"";
    for (from, to, key) in [
        ("format = 1", "format = 2", "format"),
        ("id = \"tiny\"", "id = \"../tiny\"", "model.id"),
        ("id = \"tiny\"", "id = \"Tiny\"", "model.id"),
        ("version = \"1.0.0\"", "version = \"1.0\"", "model.version"),
        ("version = \"1.0.0\"", "version = \"01.0.0\"", "model.version"),
        ("MIT OR Apache-2.0", "MIT OR", "model.licence"),
        ("MIT OR Apache-2.0", "free for all", "model.licence"),
        ("https://example.org/tiny", "file:///tiny", "model.source"),
        ("approval = \"none needed\"", "approval = \" \"", "ethics.approval"),
        ("digest = \"unknown\"", "digest = \"abc\"", "unknown"),
        ("not_for = [\"anything else\"]", "not_for = []", "not_for"),
        ("graph = \"model.onnx\"", "graph = \"other.onnx\"", "network.graph"),
        ("graph = \"model.onnx\"", "graph = \"golden/ramp.npz\"", "optional"),
        ("layout = \"NCHW\"", "layout = \"NCDHW\"", "network.layout"),
        ("channels = 1", "channels = 0", "network.channels"),
        ("size = [4, 4]", "size = [4]", "network.size"),
        ("rows = [2, 100]", "rows = [100, 2]", "range"),
        ("spatial_size = [4, 4]", "spatial_size = [4, 4, 4]", "preprocess[0].spatial_size"),
        ("spatial_size = [4, 4]", "spatial_size = [4, 65537]", "preprocess[0].spatial_size"),
        ("spatial_size = [4, 4]", "spatial_size = [65536, 65536]", "preprocess[0].spatial_size"),
        ("mode = \"bilinear\"", "mode = \"area\"\nanti_aliasing = true", "anti_aliasing"),
        ("mode = \"bilinear\"", "mode = \"cubic\"", "cubic"),
        (area, "step = \"Orientation\"\naxcodes = \"RAS\"", "preprocess[0]"),
        (
            area,
            "step = \"ScaleIntensityRangePercentiles\"\nlower = 99.0\nupper = 1.0\nb_min = 0.0\nb_max = 1.0",
            "lower < upper",
        ),
        (area, "step = \"ScaleIntensityRange\"\na_min = 1.0\na_max = 1.0\nb_min = 0.0\nb_max = 1.0", "a_max"),
        (area, "step = \"ScaleIntensity\"\nminv = nan\nmaxv = 1.0", "finite"),
        (area, "step = \"NormalizeIntensity\"\ndivisor = [0.0]", "preprocess[0].divisor"),
        (area, "step = \"CropFieldOfView\"\nthreshold = 1.0", "preprocess[0].threshold"),
        (area, "step = \"Python\"\ncode = \"import os\"", "Python"),
        (
            "kind = \"whole\"",
            "kind = \"sliding_window\"\nroi_size = [4, 4]\noverlap = 1.0\nmode = \"gaussian\"",
            "overlap",
        ),
        ("kind = \"whole\"", "kind = \"whole\"\npad_to_multiple = 0", "pad_to_multiple"),
        ("sigmoid = true", "sigmoid = true\nsoftmax = true", "exactly one"),
        ("version = \"1\"\n", "", "AsDiscrete"),
        ("step = \"Invert\"\nmode = \"bilinear\"", "step = \"FillHoles\"", "postprocess[1]"),
        ("[[postprocess]]\nstep = \"Invert\"\nmode = \"bilinear\"\n", "", "Invert"),
        ("step = \"Invert\"\nmode = \"bilinear\"", "step = \"Invert\"\nmode = \"area\"", "postprocess[1].mode"),
        ("number = 1", "number = 0", "segments[0].number"),
        ("value = \"39607008\"", "value = \"12345678901234567\"", "property_type"),
        (
            "colour = ",
            "anatomic_region = { value = \"\", scheme = \"SCT\", meaning = \"Chest\" }\ncolour = ",
            "segments[0].anatomic_region",
        ),
        ("peak_bytes = 1000", "peak_bytes = 0", "memory.peak_bytes"),
        ("tolerance = 1e-4", "tolerance = 0.0", "golden[0].tolerance"),
        ("file = \"golden/ramp.npz\"", "file = \"golden/other.npz\"", "golden[0].file"),
        ("name = \"ramp\"", "name = \"ramp\"\nstride = [0, 1]", "golden[0].stride"),
    ] {
        refused(from, to, key);
    }
}

#[test]
fn files_are_listed_once_and_without_the_manifest() {
    let twice = |second: &str| {
        let mut files = common::contents();
        files.push((second.to_owned(), b"x".to_vec()));
        Manifest::parse(common::manifest(common::HEAD, &files).as_bytes()).unwrap_err()
    };
    assert!(twice("CARD.MD").to_string().contains("files[3].path"));
    assert!(twice("netra.toml").to_string().contains("itself"));
    assert_eq!(twice("NETRA.toml").kind(), ErrorKind::Malformed);
}

#[test]
fn digests_are_those_of_the_standard() {
    // FIPS 180-4, the empty message and "abc".
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(Sha256::of(b"").to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(Sha256::of(b"abc").to_string(), abc);
    assert_eq!(abc.parse::<Sha256>().unwrap(), Sha256::of(b"abc"));
    assert!(abc.to_uppercase().parse::<Sha256>().is_err());
    let mut pieces = Sha256::hasher();
    pieces.update(b"a");
    pieces.update(b"bc");
    assert_eq!(pieces.finish(), Sha256::of(b"abc"));
}

/// The names in serde's "unknown variant" message are the closed list itself.
fn variants(from: &str, to: &str) -> Vec<String> {
    let message = parse(&common::HEAD.replacen(from, to, 1)).expect_err(to).to_string();
    let (_, list) = message.split_once("expected ").unwrap_or_else(|| panic!("{message}"));
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn schema_and_page_know_every_step() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let schema = std::fs::read_to_string(docs.join("netra.schema.json")).unwrap();
    let page = std::fs::read_to_string(docs.join("package.md")).unwrap();
    let steps = [
        variants("step = \"Resize\"", "step = \"?\""),
        variants("step = \"Activations\"", "step = \"?\""),
        variants("kind = \"whole\"", "kind = \"?\""),
        variants("kind = \"segmentation\"", "kind = \"?\""),
    ];
    assert_eq!(steps.each_ref().map(Vec::len), [15, 8, 3, 3]);
    for name in steps.iter().flatten() {
        assert!(
            schema.contains(&format!("{{ \"const\": \"{name}\" }}"))
                || schema.contains(&format!("{{\"const\": \"{name}\"}}")),
            "schema: {name}"
        );
        if !["segmentation", "classification", "generated"].contains(&name.as_str()) {
            assert!(page.contains(&format!("`{name}`")), "page: {name}");
        }
    }
}

#[test]
fn the_example_of_the_page_is_a_valid_manifest() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/package.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let manifest = Manifest::parse(example.as_bytes()).unwrap();
    assert_eq!(manifest.model.id, "lung-fields");
}
