//! A tiny writer of PyTorch files, to state in tests what torch.save would never write.
#![allow(dead_code)] // Each test binary uses its own part.

/// A pickle under construction, after its protocol byte.
#[derive(Clone)]
pub struct Pickle(pub Vec<u8>);

/// A pickle of protocol 2.
pub fn pickle() -> Pickle {
    Pickle(vec![0x80, 2])
}

impl Pickle {
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub fn text(self, text: &str) -> Self {
        self.raw(b"X").raw(&(text.len() as u32).to_le_bytes()).raw(text.as_bytes())
    }

    pub fn int(self, value: i64) -> Self {
        self.raw(&[0x8a, 8]).raw(&value.to_le_bytes())
    }

    pub fn global(self, module: &str, name: &str) -> Self {
        self.raw(b"c").raw(module.as_bytes()).raw(b"\n").raw(name.as_bytes()).raw(b"\n")
    }

    /// A tuple of integers.
    pub fn ints(self, values: &[i64]) -> Self {
        values.iter().fold(self.raw(b"("), |p, &v| p.int(v)).raw(b"t")
    }

    /// The storage `key` of a class of `torch`.
    pub fn storage(self, class: &str, key: &str, elements: i64) -> Self {
        self.raw(b"(").text("storage").global("torch", class).text(key).text("cpu").int(elements).raw(b"tQ")
    }

    /// A float32 tensor over the storage `key`.
    pub fn tensor(self, key: &str, elements: i64, offset: i64, shape: &[i64], strides: &[i64]) -> Self {
        self.global("torch._utils", "_rebuild_tensor_v2")
            .raw(b"(")
            .storage("FloatStorage", key, elements)
            .int(offset)
            .ints(shape)
            .ints(strides)
            .raw(b"\x89}tR")
    }

    pub fn end(self) -> Vec<u8> {
        self.raw(b".").0
    }
}

/// The end of a zip archive's directory record and everything else, stored: names and bytes.
pub fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let entries: Vec<_> = entries.iter().map(|&(name, bytes)| (name, bytes, 0, bytes.len() as u32)).collect();
    zip_claiming(&entries)
}

/// As [`zip`], with the compression method and the size that the directory claims.
pub fn zip_claiming(entries: &[(&str, &[u8], u16, u32)]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for &(name, bytes, method, size) in entries {
        let header = out.len() as u32;
        let middle = |to: &mut Vec<u8>| {
            to.extend([20, 0, 0, 0]);
            to.extend(method.to_le_bytes());
            to.extend([0; 8]);
            to.extend((bytes.len() as u32).max(if method == 0 { size } else { 0 }).to_le_bytes());
            to.extend(size.to_le_bytes());
            to.extend((name.len() as u16).to_le_bytes());
            to.extend([0; 2]);
        };
        out.extend(b"PK\x03\x04");
        middle(&mut out);
        out.extend(name.as_bytes());
        out.extend(bytes);
        directory.extend(b"PK\x01\x02\x14\x00");
        middle(&mut directory);
        directory.extend([0; 10]);
        directory.extend(header.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (start, count) = (out.len() as u32, (entries.len() as u16).to_le_bytes());
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([count, count].concat());
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0; 2]);
    out
}

/// A zip archive as torch.save writes it, around a pickle and float32 storages.
pub fn archive(pickle: &[u8], storages: &[(&str, &[f32])]) -> Vec<u8> {
    let storages: Vec<(String, Vec<u8>)> =
        storages.iter().map(|(key, values)| (format!("archive/data/{key}"), bytes(values))).collect();
    let mut entries = vec![("archive/data.pkl", pickle), ("archive/byteorder", b"little".as_slice())];
    entries.extend(storages.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
    zip(&entries)
}

pub fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// The four pickles before the list of storages, and that list.
pub fn stream(object: &[u8], keys: &[&str], little_endian: bool) -> Vec<u8> {
    let magic = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
    let flag = if little_endian { b"\x88" } else { b"\x89" };
    let mut out = pickle().raw(&[0x8a, 10]).raw(&magic).end();
    out.extend(pickle().int(1001).end());
    out.extend(pickle().raw(b"}").text("little_endian").raw(flag).raw(b"s").end());
    out.extend(object);
    out.extend(keys.iter().fold(pickle().raw(b"]("), |p, key| p.text(key)).raw(b"e").end());
    out
}

/// A whole file of the pickle stream, with float32 storages.
pub fn legacy(object: &[u8], storages: &[(&str, &[f32])]) -> Vec<u8> {
    let keys: Vec<&str> = storages.iter().map(|s| s.0).collect();
    let mut out = stream(object, &keys, true);
    for (_, values) in storages {
        out.extend((values.len() as i64).to_le_bytes());
        out.extend(bytes(values));
    }
    out
}
