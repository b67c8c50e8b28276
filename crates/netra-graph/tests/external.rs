//! External tensor data: read inside the model's folder, refused anywhere else.
#![cfg(not(target_family = "wasm"))] // Its std knows no folder for temporary files.
#![allow(clippy::unwrap_used)]

mod writer;

use std::fs;
use std::path::{Path, PathBuf};

use netra_graph::{ErrorKind, onnx};
use writer::{Graph, Message, node};

/// A folder of its own, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("netra-graph-{}-{name}", std::process::id()));
        fs::create_dir_all(path.join("model")).unwrap();
        fs::write(path.join("outside.bin"), [0u8; 64]).unwrap();
        Self(path)
    }

    fn model(&self) -> PathBuf {
        self.0.join("model")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `y = x + w`, where the four numbers of `w` lie at `location`.
fn model(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut w = Message::default().int(1, 4).int(2, 1).text(8, "w").int(14, 1);
    for (key, value) in entries {
        w = w.message(13, &Message::default().text(1, key).text(2, value));
    }
    Graph::simple(&[4], &[node("Add", &["x", "w"], &["y"], &[])], &[w]).model(17)
}

fn read(folder: &Path, entries: &[(&str, &str)]) -> netra_graph::Result<netra_graph::Graph> {
    let path = folder.join("net.onnx");
    fs::write(&path, model(entries)).unwrap();
    onnx::read(&path, &onnx::ReadOptions::default())
}

#[test]
fn data_beside_the_model_are_read() {
    let folder = Folder::new("inside");
    let bytes: Vec<u8> = (0..8).flat_map(|i| (i as f32).to_le_bytes()).collect();
    fs::write(folder.model().join("w.bin"), bytes).unwrap();
    let graph = read(&folder.model(), &[("location", "w.bin"), ("offset", "16"), ("length", "16")]).unwrap();
    let w = graph.values.iter().find(|v| v.name == "w").unwrap();
    assert_eq!(w.constant.as_ref().unwrap().as_f32().unwrap(), [4.0, 5.0, 6.0, 7.0]);
}

#[test]
fn everything_else_is_refused() {
    let folder = Folder::new("outside");
    let inside = folder.model();
    fs::write(inside.join("short.bin"), [0u8; 8]).unwrap();
    let absolute = folder.0.join("outside.bin");
    let escapes =
        ["../outside.bin", "sub/../../outside.bin", "/etc/passwd", "", ".", "a\0b", absolute.to_str().unwrap()];
    for location in escapes {
        let error = read(&inside, &[("location", location)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{location}: {error}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&absolute, inside.join("link.bin")).unwrap();
        let error = read(&inside, &[("location", "link.bin")]).unwrap_err();
        assert!(error.to_string().contains("outside the model's folder"), "{error}");
    }
    let kind = |entries: &[(&str, &str)]| read(&inside, entries).unwrap_err().kind();
    assert_eq!(kind(&[("location", "missing.bin")]), ErrorKind::Io);
    assert_eq!(kind(&[("location", "short.bin")]), ErrorKind::Malformed);
    assert_eq!(kind(&[("location", "short.bin"), ("offset", "18446744073709551615")]), ErrorKind::Malformed);
    assert_eq!(kind(&[("location", "short.bin"), ("offset", "-1")]), ErrorKind::Malformed);
    assert_eq!(kind(&[("location", "short.bin"), ("length", "8")]), ErrorKind::Malformed);
    assert_eq!(kind(&[("offset", "0")]), ErrorKind::Malformed);
    let memory = onnx::read_bytes(&model(&[("location", "short.bin")]), &onnx::ReadOptions::default());
    assert_eq!(memory.unwrap_err().kind(), ErrorKind::Unsupported);
}
