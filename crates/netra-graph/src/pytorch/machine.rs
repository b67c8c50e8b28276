//! The stack machine of the pickle format, protocols 2 to 5, without the power to call anything.
//!
//! Where Python would call, [`globals::call`] rebuilds a tensor or remembers that a call was asked for. The
//! work is linear in the bytes of the pickle, and what it allocates is taken from the [`Budget`].

use std::collections::HashMap;

use super::Budget;
use super::globals;
use super::opcode::{self, Cursor};
use super::value::{Object, Objects, Opaque, Value, charge};
use crate::{Error, Result};

/// Most values on the stack, and most marks.
const MAX_STACK: usize = 1 << 18;
/// Bytes that a memo entry stands for, with the spare room of the table.
const MEMO_ENTRY: usize = 96;

/// Runs one pickle. Gives its value and the number of bytes up to its end.
pub fn run<'a>(bytes: &'a [u8], objects: &mut Objects<'a>, budget: &mut Budget) -> Result<(Value<'a>, usize)> {
    let cursor = Cursor::new(bytes);
    let mut machine = Machine { cursor, objects, budget, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    loop {
        let at = machine.cursor.position();
        match machine.step() {
            Ok(None) => {}
            Ok(Some(value)) => return Ok((value, machine.cursor.position())),
            Err(e) => return Err(e.at(format!("byte {at} of the pickle"))),
        }
    }
}

struct Machine<'a, 'm> {
    cursor: Cursor<'a>,
    objects: &'m mut Objects<'a>,
    budget: &'m mut Budget,
    stack: Vec<Value<'a>>,
    /// Heights of the stack at which marks were set.
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'a>>,
}

impl<'a> Machine<'a, '_> {
    /// One instruction; the result of the pickle at its end.
    fn step(&mut self) -> Result<Option<Value<'a>>> {
        let opcode = self.cursor.byte()?;
        match opcode {
            b'.' => return self.pop().map(Some),
            0x80 => self.protocol()?,
            0x95 => self.frame()?,
            b'(' => self.mark()?,
            b'0' => self.discard()?,
            b'1' => drop(self.pop_mark()?),
            b'2' => self.top().and_then(|v| self.push(v))?,
            b'N' => self.push(Value::None)?,
            0x88 | 0x89 => self.push(Value::Bool(opcode == 0x88))?,
            b'J' => self.number(|c| Ok(i32::from_le_bytes(c.array()?).into()))?,
            b'K' => self.number(|c| Ok(c.byte()?.into()))?,
            b'M' => self.number(|c| Ok(u16::from_le_bytes(c.array()?).into()))?,
            0x8a => self.cursor.byte().and_then(|n| self.long(n.into()))?,
            0x8b => self.cursor.length4().and_then(|n| self.long(n))?,
            b'G' => self.cursor.take(8).and_then(|_| self.push(Value::Float))?,
            b'X' => self.cursor.length4().and_then(|n| self.text(n))?,
            0x8c => self.cursor.byte().and_then(|n| self.text(n.into()))?,
            0x8d => self.cursor.length8().and_then(|n| self.text(n))?,
            b'T' => self.cursor.length4().and_then(|n| self.python2_text(n))?,
            b'U' => self.cursor.byte().and_then(|n| self.python2_text(n.into()))?,
            b'B' => self.cursor.length4().and_then(|n| self.bytes(n))?,
            b'C' => self.cursor.byte().and_then(|n| self.bytes(n.into()))?,
            0x8e | 0x96 => self.cursor.length8().and_then(|n| self.bytes(n))?,
            b')' => self.make(Object::Tuple(Vec::new()), 0)?,
            b']' => self.make(Object::List(Vec::new()), 0)?,
            b'}' => self.make(Object::Dict(Vec::new()), 0)?,
            0x8f => self.make(Object::Set(Vec::new()), 0)?,
            0x85..=0x87 => self.small_tuple(usize::from(opcode - 0x84))?,
            b't' => self.pop_mark().and_then(|items| self.tuple(items))?,
            0x91 => {
                let items = self.pop_mark()?;
                let cells = items.len();
                self.make(Object::Set(items), cells)?;
            }
            b'a' => self.pop().and_then(|item| self.append(vec![item]))?,
            b'e' | 0x90 => self.pop_mark().and_then(|items| self.append(items))?,
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set_items(&[key, value])?;
            }
            b'u' => self.pop_mark().and_then(|items| self.set_items(&items))?,
            b'q' => self.cursor.byte().and_then(|n| self.memoize(n.into()))?,
            b'r' => self.cursor.array().and_then(|n| self.memoize(u32::from_le_bytes(n)))?,
            0x94 => self.memoize(self.memo.len() as u32)?,
            b'h' => self.cursor.byte().and_then(|n| self.recall(n.into()))?,
            b'j' => self.cursor.array().and_then(|n| self.recall(u32::from_le_bytes(n)))?,
            b'c' => {
                let (module, name) = (self.cursor.line()?, self.cursor.line()?);
                self.make(Object::Global(module, name), 0)?;
            }
            0x93 => self.stack_global()?,
            b'Q' => {
                let id = self.pop()?;
                let value = globals::persistent(id, self.objects, self.budget)?;
                self.push(value)?;
            }
            b'R' | 0x81 => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                self.call(callable, arguments)?;
            }
            0x92 => {
                let (named, arguments, callable) = (self.pop()?, self.pop()?, self.pop()?);
                self.opaque(callable, vec![arguments, named])?;
            }
            b'i' => {
                let (module, name) = (self.cursor.line()?, self.cursor.line()?);
                let arguments = self.pop_mark()?;
                let class = self.objects.add(Object::Global(module, name), 0, self.budget)?;
                self.opaque(class, arguments)?;
            }
            b'o' => {
                let mut items = self.pop_mark()?.into_iter();
                let class = items.next().ok_or_else(|| Error::malformed("OBJ without a class"))?;
                self.opaque(class, items.collect())?;
            }
            b'b' => {
                let state = self.pop()?;
                let target = self.top()?;
                globals::build(target, state, self.objects, self.budget)?;
            }
            other => return Err(Error::unsupported(format!("pickle opcode {}", opcode::name(other)))),
        }
        Ok(None)
    }

    fn protocol(&mut self) -> Result<()> {
        match self.cursor.byte()? {
            2..=5 => Ok(()),
            other => Err(Error::unsupported(format!("pickle protocol {other}, not one of 2 to 5"))),
        }
    }

    /// A frame only announces how many bytes follow.
    fn frame(&mut self) -> Result<()> {
        let length = self.cursor.length8()?;
        if length > self.cursor.left() {
            return Err(Error::malformed(format!("a frame of {length} bytes where {} are left", self.cursor.left())));
        }
        Ok(())
    }

    fn push(&mut self, value: Value<'a>) -> Result<()> {
        if self.stack.len() == MAX_STACK {
            return Err(Error::limit(format!("more than {MAX_STACK} values on the stack of the pickle")));
        }
        self.stack.push(value);
        Ok(())
    }

    fn mark(&mut self) -> Result<()> {
        if self.marks.len() == MAX_STACK {
            return Err(Error::limit(format!("more than {MAX_STACK} marks on the stack of the pickle")));
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    /// Height below which the innermost mark forbids to take.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Value<'a>> {
        match self.stack.last() {
            Some(value) if self.stack.len() > self.floor() => Ok(*value),
            _ => Err(Error::malformed("the stack of the pickle is empty")),
        }
    }

    fn pop(&mut self) -> Result<Value<'a>> {
        let value = self.top()?;
        self.stack.pop();
        Ok(value)
    }

    /// `POP` takes a mark where there is one on top.
    fn discard(&mut self) -> Result<()> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    /// Everything above the innermost mark, which is taken off.
    fn pop_mark(&mut self) -> Result<Vec<Value<'a>>> {
        let from = self.marks.pop().ok_or_else(|| Error::malformed("no mark on the stack of the pickle"))?;
        Ok(self.stack.drain(from.min(self.stack.len())..).collect())
    }

    fn make(&mut self, object: Object<'a>, cells: usize) -> Result<()> {
        let value = self.objects.add(object, cells, self.budget)?;
        self.push(value)
    }

    fn number(&mut self, read: impl Fn(&mut Cursor<'a>) -> Result<i64>) -> Result<()> {
        let number = read(&mut self.cursor)?;
        self.push(Value::Int(number))
    }

    /// An integer of `count` bytes; one of up to eight bytes is a plain number.
    fn long(&mut self, count: usize) -> Result<()> {
        let bytes = self.cursor.take(count)?;
        let Some(last) = bytes.last() else { return self.push(Value::Int(0)) };
        if bytes.len() > 8 {
            return self.push(Value::Long(bytes));
        }
        let mut wide = [if *last < 0x80 { 0 } else { 0xff }; 8];
        wide.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        self.push(Value::Int(i64::from_le_bytes(wide)))
    }

    fn text(&mut self, count: usize) -> Result<()> {
        let text = self.cursor.text(count)?;
        self.push(Value::Text(text))
    }

    /// Strings of Python 2: text where they are UTF-8.
    fn python2_text(&mut self, count: usize) -> Result<()> {
        let bytes = self.cursor.take(count)?;
        self.push(std::str::from_utf8(bytes).map_or(Value::Bytes, Value::Text))
    }

    fn bytes(&mut self, count: usize) -> Result<()> {
        self.cursor.take(count)?;
        self.push(Value::Bytes)
    }

    fn tuple(&mut self, items: Vec<Value<'a>>) -> Result<()> {
        let cells = items.len();
        self.make(Object::Tuple(items), cells)
    }

    fn small_tuple(&mut self, size: usize) -> Result<()> {
        let from = self.stack.len().checked_sub(size).filter(|&from| from >= self.floor());
        let from = from.ok_or_else(|| Error::malformed("the stack of the pickle is empty"))?;
        let items = self.stack.drain(from..).collect();
        self.tuple(items)
    }

    /// `APPEND`, `APPENDS` and `ADDITEMS`.
    fn append(&mut self, items: Vec<Value<'a>>) -> Result<()> {
        charge(items.len(), self.budget)?;
        match self.objects.get_mut(self.top()?) {
            Some(Object::List(to) | Object::Set(to) | Object::Opaque(Opaque { parts: to, .. })) => to.extend(items),
            _ => return Err(Error::malformed("items appended to what is no list")),
        }
        Ok(())
    }

    /// `SETITEM` and `SETITEMS`: keys and values in turn.
    fn set_items(&mut self, items: &[Value<'a>]) -> Result<()> {
        charge(items.len(), self.budget)?;
        let (pairs, rest) = items.as_chunks::<2>();
        match self.objects.get_mut(self.top()?) {
            _ if !rest.is_empty() => return Err(Error::malformed("a key without a value")),
            Some(Object::Dict(to)) => to.extend(pairs.iter().map(|&[key, value]| (key, value))),
            Some(Object::Opaque(to)) => to.parts.extend(items),
            _ => return Err(Error::malformed("items set in what is no dictionary")),
        }
        Ok(())
    }

    fn memoize(&mut self, at: u32) -> Result<()> {
        let value = self.top()?;
        if self.memo.insert(at, value).is_none() {
            self.budget.take(MEMO_ENTRY)?;
        }
        Ok(())
    }

    fn recall(&mut self, at: u32) -> Result<()> {
        let value = self.memo.get(&at).copied();
        self.push(value.ok_or_else(|| Error::malformed(format!("the memo of the pickle has no entry {at}")))?)
    }

    fn stack_global(&mut self) -> Result<()> {
        let (Value::Text(name), Value::Text(module)) = (self.pop()?, self.pop()?) else {
            return Err(Error::malformed("a Python name that is no text"));
        };
        self.make(Object::Global(module, name), 0)
    }

    fn call(&mut self, callable: Value<'a>, arguments: Value<'a>) -> Result<()> {
        let items =
            self.objects.items(arguments).ok_or_else(|| Error::malformed("a call without a tuple of arguments"))?;
        charge(items.len(), self.budget)?;
        let arguments = items.to_vec();
        let value = globals::call(callable, arguments, self.objects, self.budget)?;
        self.push(value)
    }

    fn opaque(&mut self, callable: Value<'a>, parts: Vec<Value<'a>>) -> Result<()> {
        let cells = parts.len();
        self.make(Object::Opaque(Opaque { callable, parts, state: None }), cells)
    }
}
