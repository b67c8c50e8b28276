//! Pixel data inside which the file ends: which frames are whole.

use crate::code::{Code, Notes};
use crate::fragments::Fragment;

/// Notes that `frames` of `declared` are read.
pub(super) fn note(frames: usize, declared: usize, notes: &mut Notes) {
    let text = match (frames, declared) {
        (1, 1) => "the file ends inside the pixel data: the last pixels of the frame are missing".to_owned(),
        _ => format!("the file ends inside the pixel data: {frames} of {declared} frames are read"),
    };
    notes.add(Code::PixelDataTruncated, || text);
}

/// Drops the fragments of encapsulated pixel data that belong to no whole frame, and returns how many frames are left. The
/// fragments of a single frame stay, cut as they are: its decoder decides. Of several frames, the offset table says which
/// are whole, else each has one fragment.
pub(super) fn whole_frames(
    declared: usize,
    is_cut: bool,
    offsets: &mut Vec<u32>,
    fragments: &mut Vec<Fragment>,
    notes: &mut Notes,
) -> usize {
    if declared == 1 {
        note(1, 1, notes);
        return 1;
    }
    if is_cut {
        // Of the last fragment only a part is there.
        fragments.pop();
    }
    let base = fragments.first().map_or(0, |fragment| fragment.offset);
    let end = fragments.last().map_or(0, |fragment| fragment.offset + u64::from(fragment.len) + 8);
    let frames = if offsets.len() == declared {
        // A frame is whole where the next one starts within or right after what is there.
        let starts = offsets.iter().map(|offset| base.saturating_add((*offset).into()));
        let frames = starts.clone().skip(1).take_while(|start| *start <= end).count();
        let start = starts.clone().nth(frames).unwrap_or(end);
        fragments.retain(|fragment| fragment.offset < start);
        offsets.truncate(frames);
        frames
    } else {
        fragments.len().min(declared)
    };
    note(frames, declared, notes);
    frames
}
