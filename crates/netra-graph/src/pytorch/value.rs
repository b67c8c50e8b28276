//! The plain data that a pickle builds.
//!
//! A [`Value`] is small and copied freely; everything that has parts is an [`Object`] in one list and referred to by its
//! place there, as Python refers to objects. So the memo costs nothing, cycles are harmless, and nothing is
//! dropped recursively.

use super::Budget;
use super::storage::{Storage, View};
use crate::{Error, Result};

/// A value on the stack, in the memo or in a container. Text and bytes are borrowed from the pickle.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// An integer of more than 64 bits, little-endian two's complement.
    Long(&'a [u8]),
    Float,
    Text(&'a str),
    Bytes,
    Object(Id),
}

/// The place of an object in [`Objects`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(u32);

/// Something with parts.
#[derive(Debug)]
pub enum Object<'a> {
    Tuple(Vec<Value<'a>>),
    List(Vec<Value<'a>>),
    Set(Vec<Value<'a>>),
    Dict(Vec<(Value<'a>, Value<'a>)>),
    /// A Python name: module and qualified name.
    Global(&'a str, &'a str),
    Storage(Storage<'a>),
    Tensor(Box<View<'a>>),
    /// What a name outside the allow-list would have made: never run, only remembered.
    Opaque(Opaque<'a>),
}

/// The result of a call that was not made.
#[derive(Debug)]
pub struct Opaque<'a> {
    /// What would have been called.
    pub callable: Value<'a>,
    /// Arguments, state and items that the pickle gave it, in that order.
    pub parts: Vec<Value<'a>>,
    /// The state given by `BUILD`, when there was one.
    pub state: Option<Value<'a>>,
}

/// All objects of a pickle, in blocks that never move: one growing list would take three times its size while it grows.
#[derive(Default)]
pub struct Objects<'a> {
    blocks: Vec<Vec<Object<'a>>>,
    count: usize,
}

/// Objects in a block.
const BLOCK: usize = 1024;
/// Bytes that a value in a container stands for: while a list grows, its old and its doubled copy are both there.
const CELL: usize = 3 * size_of::<Value<'_>>();

impl<'a> Objects<'a> {
    /// Adds an object of `cells` values.
    pub fn add(&mut self, object: Object<'a>, cells: usize, budget: &mut Budget) -> Result<Value<'a>> {
        charge(cells, budget)?;
        let id = u32::try_from(self.count).map_err(|_| Error::limit("too many objects in the pickle"))?;
        match self.blocks.last_mut() {
            Some(block) if block.len() < BLOCK => block.push(object),
            _ => {
                budget.take(BLOCK * size_of::<Object<'_>>())?;
                let mut block = Vec::with_capacity(BLOCK);
                block.push(object);
                self.blocks.push(block);
            }
        }
        self.count += 1;
        Ok(Value::Object(Id(id)))
    }

    /// The object that a value refers to.
    pub fn get(&self, value: Value<'a>) -> Option<&Object<'a>> {
        let Value::Object(Id(at)) = value else { return None };
        let at = at as usize;
        self.blocks.get(at / BLOCK)?.get(at % BLOCK)
    }

    /// The object that a value refers to, to be changed.
    pub fn get_mut(&mut self, value: Value<'a>) -> Option<&mut Object<'a>> {
        let Value::Object(Id(at)) = value else { return None };
        let at = at as usize;
        self.blocks.get_mut(at / BLOCK)?.get_mut(at % BLOCK)
    }

    fn all(&self) -> impl Iterator<Item = &Object<'a>> {
        self.blocks.iter().flatten()
    }

    /// All storages that the pickle refers to.
    pub fn storages(&self) -> impl Iterator<Item = &Storage<'a>> {
        self.all().filter_map(|object| if let Object::Storage(storage) = object { Some(storage) } else { None })
    }

    /// The values of a tuple or a list.
    pub fn items(&self, value: Value<'a>) -> Option<&[Value<'a>]> {
        match self.get(value)? {
            Object::Tuple(items) | Object::List(items) => Some(items),
            _ => None,
        }
    }

    /// Module and name of a Python name.
    pub fn global(&self, value: Value<'a>) -> Option<(&'a str, &'a str)> {
        match self.get(value)? {
            Object::Global(module, name) => Some((module, name)),
            _ => None,
        }
    }

    /// What a dictionary with text keys holds under `key`; the last entry where there are several, as in Python.
    pub fn entry(&self, dict: Value<'a>, key: &str) -> Option<Value<'a>> {
        let Object::Dict(entries) = self.get(dict)? else { return None };
        entries.iter().rev().find(|(k, _)| matches!(k, Value::Text(text) if *text == key)).map(|(_, v)| *v)
    }

    /// A sequence of non-negative integers, as sizes and strides are.
    pub fn sizes(&self, value: Value<'a>) -> Option<Vec<usize>> {
        let size = |v: &Value<'_>| if let Value::Int(n) = v { usize::try_from(*n).ok() } else { None };
        self.items(value)?.iter().map(size).collect()
    }

    /// For every object, whether a tensor or a storage can be reached from it.
    pub fn reach(&self, budget: &mut Budget) -> Result<Reach> {
        let mut edges: Vec<(u32, u32)> = Vec::new();
        let mut reached = vec![false; self.count];
        let mut left: Vec<u32> = Vec::new();
        for (parent, object) in (0u32..).zip(self.all()) {
            let mut edge = |value: &Value<'a>| {
                if let Value::Object(Id(child)) = *value {
                    edges.push((child, parent));
                }
            };
            match object {
                Object::Tensor(_) | Object::Storage(_) => left.push(parent),
                Object::Global(..) => {}
                Object::Tuple(items) | Object::List(items) | Object::Set(items) => items.iter().for_each(edge),
                Object::Dict(entries) => entries.iter().flat_map(|(k, v)| [k, v]).for_each(edge),
                Object::Opaque(opaque) => {
                    if self.global(opaque.callable).is_some_and(super::globals::rebuilds_a_tensor) {
                        left.push(parent);
                    }
                    edge(&opaque.callable);
                    opaque.parts.iter().chain(&opaque.state).for_each(edge);
                }
            }
        }
        // The cells behind the edges have been paid for already, at nine times the size.
        budget.take(reached.len())?;
        edges.sort_unstable();
        while let Some(at) = left.pop() {
            match reached.get_mut(at as usize) {
                Some(flag) if !*flag => *flag = true,
                _ => continue,
            }
            let first = edges.partition_point(|&(child, _)| child < at);
            left.extend(edges.iter().skip(first).take_while(|(child, _)| *child == at).map(|(_, parent)| parent));
        }
        Ok(Reach(reached))
    }

    /// What a value is, for messages.
    pub fn describe(&self, value: Value<'a>) -> String {
        let fixed = match value {
            Value::None => "None",
            Value::Bool(_) => "a truth value",
            Value::Int(_) | Value::Long(_) | Value::Float => "a number",
            Value::Text(_) => "text",
            Value::Bytes => "bytes",
            Value::Object(_) => match self.get(value) {
                Some(Object::Tuple(_)) => "a tuple",
                Some(Object::List(_)) => "a list",
                Some(Object::Set(_)) => "a set",
                Some(Object::Dict(_)) => "a dictionary",
                Some(Object::Storage(_)) => "a storage",
                Some(Object::Tensor(_)) => "a tensor",
                Some(Object::Global(module, name)) => return dotted(module, name),
                Some(Object::Opaque(opaque)) => match self.global(opaque.callable) {
                    Some((module, name)) => return dotted(module, name),
                    None => "a call of no name",
                },
                None => "nothing",
            },
        };
        fixed.into()
    }
}

/// What [`Objects::reach`] found.
pub struct Reach(Vec<bool>);

impl Reach {
    /// Whether a tensor or a storage can be reached from a value.
    pub fn tensor(&self, value: Value<'_>) -> bool {
        matches!(value, Value::Object(Id(at)) if self.0.get(at as usize) == Some(&true))
    }
}

/// Takes the memory of `cells` values that a container grows by.
pub fn charge(cells: usize, budget: &mut Budget) -> Result<()> {
    budget.take(cells.saturating_mul(CELL))
}

/// `module.name`, cut to what a message can bear.
fn dotted(module: &str, name: &str) -> String {
    format!("{module}.{name}").chars().take(200).collect()
}
