//! What documents of content items share (PS3.3 C.17, C.18): the items, who observed, and what a tree refers to.

mod evidence;
mod item;
mod observer;

pub(crate) use evidence::Evidence;
pub(crate) use item::{Is, Item, Term, refer_to_segment};
pub(crate) use observer::{language, observer};
