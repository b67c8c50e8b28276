//! The memory of runs: every buffer that a program's steps ask for has its place before the first run.
//!
//! Steps ask for the same buffers in the same order in every run, since all shapes are known. So a program is rehearsed once, with
//! launches of one workgroup: that tells the buffers and how long each is held, and has the driver compile every shader. Their
//! places are then planned, and runs take them one after the other. All executables of an adapter share one arena: their work is
//! executed in the order in which it is issued.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cubecl::server::Handle;
use netra_graph::plan::{Block, place};

/// A rehearsal under way.
pub(crate) struct Rehearsal {
    /// Stands for every buffer; what it holds means nothing.
    pub(crate) stand_in: Handle,
    held: Mutex<Held>,
}

/// Buffers asked for so far. A moment is a request, or the end of a buffer.
#[derive(Default)]
struct Held {
    now: usize,
    blocks: Vec<Block>,
}

/// A buffer of a rehearsal, held until this is dropped.
pub(crate) struct Life {
    rehearsal: Arc<Rehearsal>,
    index: usize,
}

impl Rehearsal {
    pub(crate) fn new(stand_in: Handle) -> Arc<Self> {
        Arc::new(Self { stand_in, held: Mutex::default() })
    }

    /// Notes a request.
    pub(crate) fn ask(self: &Arc<Self>, bytes: u64) -> Life {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.now += 1;
        let from = held.now;
        held.blocks.push(Block { bytes, from, to: usize::MAX });
        Life { rehearsal: self.clone(), index: held.blocks.len() - 1 }
    }

    /// The places of what was asked for, at multiples of `align` in pages of at most `page` bytes.
    pub(crate) fn layout(&self, align: u64, page: u64) -> Layout {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let offsets = place(&held.blocks, align, page);
        let mut layout = Layout::default();
        for (block, offset) in held.blocks.iter().zip(offsets) {
            let place = Place { page: (offset / page) as usize, offset: offset % page, bytes: block.bytes };
            if layout.pages.len() <= place.page {
                layout.pages.resize(place.page + 1, 0);
            }
            let end = place.offset + place.bytes.next_multiple_of(align);
            layout.pages[place.page] = layout.pages[place.page].max(end);
            layout.places.push(place);
        }
        layout
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let mut held = self.rehearsal.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.now += 1;
        let now = held.now;
        held.blocks[self.index].to = now;
    }
}

/// Where a buffer lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    page: usize,
    offset: u64,
    bytes: u64,
}

/// The places of a program's buffers, in the order in which they are asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    places: Vec<Place>,
    /// Size of each page.
    pages: Vec<u64>,
}

impl Layout {
    /// Bytes of all pages.
    pub(crate) fn bytes(&self) -> u64 {
        self.pages.iter().sum()
    }
}

/// Pages on the adapter, as large as the largest layout that was run so far.
#[derive(Default)]
pub(crate) struct Arena {
    pages: Vec<(u64, Handle)>,
}

impl Arena {
    /// Makes the pages large enough for a layout.
    pub(crate) fn fit(&mut self, layout: &Layout, allocate: impl Fn(u64) -> Handle) {
        for (i, &bytes) in layout.pages.iter().enumerate() {
            match self.pages.get(i) {
                Some((size, _)) if *size >= bytes => {}
                Some(_) => {
                    // The old page goes first, so that the two are not there together.
                    let others = self.pages.split_off(i + 1);
                    self.pages.truncate(i);
                    self.pages.push((bytes, allocate(bytes)));
                    self.pages.extend(others);
                }
                None => self.pages.push((bytes, allocate(bytes))),
            }
        }
    }

    /// The buffers of one run.
    pub(crate) fn run(&self, layout: Arc<Layout>) -> Run {
        Run { layout, pages: self.pages.clone(), next: AtomicUsize::new(0) }
    }
}

/// Buffers that a run takes one after the other.
pub(crate) struct Run {
    layout: Arc<Layout>,
    pages: Vec<(u64, Handle)>,
    next: AtomicUsize,
}

impl Run {
    /// The next buffer; `None` when it is not the one that was rehearsed.
    pub(crate) fn take(&self, bytes: u64) -> Option<Handle> {
        let place = self.layout.places.get(self.next.fetch_add(1, Ordering::Relaxed))?;
        let (size, page) = self.pages.get(place.page)?;
        let after = size.checked_sub(place.offset + bytes)?;
        (place.bytes == bytes).then(|| page.clone().offset_start(place.offset).offset_end(after))
    }
}
