//! Shared by the tests of this crate.
#![allow(dead_code, reason = "each test file uses its share")]

/// A data set under construction, in Explicit VR Little Endian.
#[derive(Clone, Default)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    /// An element with a value that is padded to an even length.
    pub fn put(mut self, group: u16, element: u16, vr: &str, value: &[u8]) -> Self {
        let mut value = value.to_vec();
        if value.len() % 2 == 1 {
            value.push(if matches!(vr, "UI" | "OB") { 0 } else { b' ' });
        }
        self = self.head(group, element, vr, value.len() as u32);
        self.0.extend(value);
        self
    }

    /// An element header alone.
    pub fn head(mut self, group: u16, element: u16, vr: &str, len: u32) -> Self {
        self.0.extend(group.to_le_bytes());
        self.0.extend(element.to_le_bytes());
        self.0.extend(vr.as_bytes());
        if matches!(vr, "OB" | "OW" | "OF" | "OD" | "SQ" | "UN" | "UT") {
            self.0.extend([0, 0]);
            self.0.extend(len.to_le_bytes());
        } else {
            self.0.extend((len as u16).to_le_bytes());
        }
        self
    }

    pub fn text(self, group: u16, element: u16, vr: &str, value: &str) -> Self {
        self.put(group, element, vr, value.as_bytes())
    }

    pub fn short(self, group: u16, element: u16, value: u16) -> Self {
        self.put(group, element, "US", &value.to_le_bytes())
    }

    /// An item, delimiter or sequence end.
    pub fn item(mut self, element: u16, len: u32) -> Self {
        self.0.extend(0xFFFEu16.to_le_bytes());
        self.0.extend(element.to_le_bytes());
        self.0.extend(len.to_le_bytes());
        self
    }

    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// The data set behind preamble and file meta information.
    pub fn file(&self, syntax: &str) -> Vec<u8> {
        let meta = Bytes::default().text(2, 0x10, "UI", syntax);
        [&[0; 128], b"DICM".as_slice(), &meta.0, &self.0].concat()
    }
}

pub const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// One slice of a CT series, up to its pixel data.
pub struct Slice {
    pub number: usize,
    pub position: [f64; 3],
    pub orientation: [f64; 6],
    pub spacing: [f64; 2],
    pub rows: u16,
    pub columns: u16,
    pub slope: f64,
    pub intercept: f64,
    pub image_type: &'static str,
}

impl Slice {
    pub fn at(number: usize, z: f64) -> Self {
        Self {
            number,
            position: [-10.0, -20.0, z],
            orientation: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
            spacing: [0.7, 0.5],
            rows: 3,
            columns: 4,
            slope: 1.0,
            intercept: 0.0,
            image_type: "ORIGINAL\\PRIMARY\\AXIAL",
        }
    }

    /// The file: pixel `(row, column)` holds `100 * number + 10 * row + column`.
    pub fn file(&self) -> Vec<u8> {
        let join = |v: &[f64]| {
            v.iter().map(|x| format!("{x:.9}").chars().take(16).collect()).collect::<Vec<String>>().join("\\")
        };
        let pixels: Vec<u8> = (0..self.rows)
            .flat_map(|r| (0..self.columns).map(move |c| (r, c)))
            .flat_map(|(r, c)| (100 * self.number as u16 + 10 * r + c).to_le_bytes())
            .collect();
        Bytes::default()
            .text(0x08, 0x08, "CS", self.image_type)
            .text(0x08, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.2")
            .text(0x08, 0x18, "UI", &format!("1.2.3.{}", self.number))
            .text(0x08, 0x60, "CS", "CT")
            .text(0x20, 0x0D, "UI", "1.2.3")
            .text(0x20, 0x0E, "UI", "1.2.3.4")
            .text(0x20, 0x13, "IS", &self.number.to_string())
            .text(0x20, 0x32, "DS", &join(&self.position))
            .text(0x20, 0x37, "DS", &join(&self.orientation))
            .short(0x28, 0x02, 1)
            .text(0x28, 0x04, "CS", "MONOCHROME2")
            .short(0x28, 0x10, self.rows)
            .short(0x28, 0x11, self.columns)
            .text(0x28, 0x30, "DS", &join(&self.spacing))
            .short(0x28, 0x100, 16)
            .short(0x28, 0x101, 16)
            .short(0x28, 0x102, 15)
            .short(0x28, 0x103, 0)
            .text(0x28, 0x1052, "DS", &self.intercept.to_string())
            .text(0x28, 0x1053, "DS", &self.slope.to_string())
            .put(0x7FE0, 0x10, "OW", &pixels)
            .file(EXPLICIT)
    }
}
