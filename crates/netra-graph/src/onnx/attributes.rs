//! The attributes of one node, read once each by name. What nobody reads is refused, so that an attribute is never
//! silently ignored.

use std::cell::RefCell;

use rten_onnx::onnx::{AttributeProto, AttributeType, GraphProto, TensorProto};

use crate::{Error, Result};

/// The attributes of one node.
pub struct Attributes<'a> {
    list: &'a [AttributeProto],
    read: RefCell<Vec<bool>>,
}

impl<'a> Attributes<'a> {
    /// Fails on an attribute without a name or given twice.
    pub fn new(list: &'a [AttributeProto]) -> Result<Self> {
        for (i, a) in list.iter().enumerate() {
            let name = a.name.as_deref().ok_or_else(|| Error::malformed("an attribute has no name"))?;
            // Real nodes have a handful; a bound keeps the quadratic search harmless.
            if i >= 64 {
                return Err(Error::limit("more than 64 attributes"));
            }
            if list[..i].iter().any(|b| b.name.as_deref() == Some(name)) {
                return Err(Error::malformed(format!("attribute '{name}' is given twice")));
            }
        }
        Ok(Self { list, read: RefCell::new(vec![false; list.len()]) })
    }

    fn find(&self, name: &str, kind: AttributeType) -> Result<Option<&'a AttributeProto>> {
        let Some(i) = self.list.iter().position(|a| a.name.as_deref() == Some(name)) else { return Ok(None) };
        self.read.borrow_mut()[i] = true;
        match self.list[i].r#type {
            Some(t) if t != kind && t != AttributeType::UNDEFINED => {
                Err(Error::malformed(format!("attribute '{name}' has the wrong type {}", t.0)))
            }
            _ => Ok(Some(&self.list[i])),
        }
    }

    pub fn int(&self, name: &str) -> Result<Option<i64>> {
        Ok(self.find(name, AttributeType::INT)?.map(|a| a.i.unwrap_or(0)))
    }

    pub fn int_or(&self, name: &str, default: i64) -> Result<i64> {
        Ok(self.int(name)?.unwrap_or(default))
    }

    pub fn flag(&self, name: &str, default: bool) -> Result<bool> {
        match self.int_or(name, default.into())? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Error::malformed(format!("attribute '{name}' is {other}, not 0 or 1"))),
        }
    }

    pub fn float(&self, name: &str) -> Result<Option<f32>> {
        Ok(self.find(name, AttributeType::FLOAT)?.map(|a| a.f.unwrap_or(0.0)))
    }

    pub fn float_or(&self, name: &str, default: f32) -> Result<f32> {
        Ok(self.float(name)?.unwrap_or(default))
    }

    pub fn string_or<'s>(&self, name: &str, default: &'s str) -> Result<&'s str>
    where
        'a: 's,
    {
        Ok(self.find(name, AttributeType::STRING)?.map_or(default, |a| a.s.as_deref().unwrap_or("")))
    }

    pub fn ints(&self, name: &str) -> Result<Option<&'a [i64]>> {
        Ok(self.find(name, AttributeType::INTS)?.map(|a| a.ints.as_slice()))
    }

    pub fn floats(&self, name: &str) -> Result<Option<&'a [f32]>> {
        Ok(self.find(name, AttributeType::FLOATS)?.map(|a| a.floats.as_slice()))
    }

    /// A list of texts; empty when left out.
    pub fn strings(&self, name: &str) -> Result<Vec<&'a str>> {
        let list = self.find(name, AttributeType::STRINGS)?;
        Ok(list.map_or_else(Vec::new, |a| a.strings.iter().map(String::as_str).collect()))
    }

    pub fn tensor(&self, name: &str) -> Result<Option<&'a TensorProto>> {
        match self.find(name, AttributeType::TENSOR)? {
            None => Ok(None),
            Some(a) => {
                a.t.as_ref().map(Some).ok_or_else(|| Error::malformed(format!("attribute '{name}' has no tensor")))
            }
        }
    }

    pub fn graph(&self, name: &str) -> Result<&'a GraphProto> {
        self.find(name, AttributeType::GRAPH)?
            .and_then(|a| a.g.as_ref())
            .ok_or_else(|| Error::malformed(format!("attribute '{name}' has no graph")))
    }

    /// A list of sizes, each at least `least`.
    pub fn sizes(&self, name: &str, least: usize) -> Result<Option<Vec<usize>>> {
        let Some(list) = self.ints(name)? else { return Ok(None) };
        list.iter().map(|&v| size(name, v, least)).collect::<Result<_>>().map(Some)
    }

    /// One size, at least `least`.
    pub fn size_or(&self, name: &str, default: i64, least: usize) -> Result<usize> {
        size(name, self.int_or(name, default)?, least)
    }

    /// Marks attributes that mean nothing to inference.
    pub fn ignore(&self, names: &[&str]) {
        for (a, read) in self.list.iter().zip(self.read.borrow_mut().iter_mut()) {
            *read |= a.name.as_deref().is_some_and(|n| names.contains(&n));
        }
    }

    /// Fails when an attribute has not been read.
    pub fn finish(self) -> Result<()> {
        let read = self.read.into_inner();
        match self.list.iter().zip(read).find(|(_, read)| !read) {
            Some((a, _)) => {
                Err(Error::unsupported(format!("unknown attribute '{}'", a.name.as_deref().unwrap_or_default())))
            }
            None => Ok(()),
        }
    }
}

/// Attribute sizes stay far below overflow: no real one passes this.
const MAX_SIZE: i64 = i32::MAX as i64;

fn size(name: &str, value: i64, least: usize) -> Result<usize> {
    if value > MAX_SIZE {
        return Err(Error::limit(format!("attribute '{name}' holds {value}")));
    }
    usize::try_from(value)
        .ok()
        .filter(|&v| v >= least)
        .ok_or_else(|| Error::malformed(format!("attribute '{name}' holds {value}")))
}
