//! Labels as they are decided on the adapter.

use std::ops::Range;

use netra_graph::volumes::{Decision, GridMap, Labels};
use netra_graph::{Data, Error, ErrorKind, Result, Tensor, block_on};

use super::ring::Run;
use super::tables::Tables;
use super::three;
use crate::gpu::{Buffer, Gpu};
use crate::kernels::grid::{Outside, nearest_kernel};
use crate::kernels::labels::{
    CandidatesLaunch, Finish, decide_kernel, decide_linear_kernel, pack_kernel, winner_kernel,
};
use crate::value::{Part, Value, count};

/// Labels on one grid, and the value that decided each.
pub(super) struct LabelMap {
    shape: [usize; 3],
    /// 32-bit, an even number of them.
    labels: Buffer,
    values: Buffer,
    /// Not 0 once a value was not a number.
    flag: Buffer,
}

/// Bytes of a label map. Fails as [`fitting`].
pub(super) fn bytes(gpu: &Gpu, shape: [usize; 3]) -> Result<u64> {
    Ok(fitting(gpu, shape)? as u64 * 8)
}

/// Voxels of a label map. Fails (`Limit`) where it is larger than what the adapter binds.
pub(super) fn fitting(gpu: &Gpu, shape: [usize; 3]) -> Result<usize> {
    let voxels = shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
    voxels
        .filter(|&n| n.checked_mul(4).is_some_and(|bytes| bytes <= gpu.limit()))
        .ok_or_else(|| Error::limit(format!("labels of shape {shape:?} exceed the adapter's largest buffer")))
}

impl LabelMap {
    /// `outside` everywhere. Fails as [`fitting`].
    pub fn new(gpu: &Gpu, shape: [usize; 3], outside: u16) -> Result<Self> {
        let flag = gpu.upload(&[0u32]);
        Self::with_flag(gpu, shape, outside, flag)
    }

    fn with_flag(gpu: &Gpu, shape: [usize; 3], outside: u16, flag: Buffer) -> Result<Self> {
        let voxels = fitting(gpu, shape)?;
        let even = voxels.next_multiple_of(2);
        let map = Self { shape, labels: gpu.empty(even), values: gpu.empty(voxels), flag };
        gpu.fill(&map.labels, even, u32::from(outside));
        gpu.fill(&map.values, voxels, 0);
        Ok(map)
    }

    /// Decides the voxels `own` of this grid from a ring or tensor `[1, channels, (slots,) rows, columns]` in which they begin
    /// at `within`.
    pub fn decide(
        &self,
        gpu: &Gpu,
        value: &Value,
        within: [usize; 3],
        ring: [usize; 3],
        own: &[Range<usize>; 3],
        by: Decision,
    ) {
        let region: [usize; 3] = std::array::from_fn(|axis| own[axis].len());
        let start: [usize; 3] = std::array::from_fn(|axis| own[axis].start);
        let total = count(&region);
        for part in &value.parts {
            let (cubes, dim) = gpu.grid(total);
            let (candidates, resume, finish) = turn(value, part, by);
            decide_kernel::launch(
                &gpu.client,
                cubes,
                dim,
                part.buffer.arg(),
                self.labels.arg(),
                self.values.arg(),
                self.flag.arg(),
                total,
                three(region),
                three(start),
                three(within),
                three(ring),
                three(self.shape),
                candidates,
                resume,
                finish,
            );
        }
    }

    /// Decides those voxels of this grid that lie between slices of a ring, the later of them one of `slices`. `run` are
    /// the slots that were not read before.
    pub fn decide_linear(
        &self,
        gpu: &Gpu,
        value: &Value,
        place: &Between<'_>,
        slices: Range<usize>,
        run: &Run,
        by: Decision,
    ) {
        for part in &value.parts {
            let (cubes, dim) = gpu.grid(run.voxels());
            let (c, x, flag) = (&gpu.client, part.buffer.arg(), self.flag.arg());
            let (winners, values) = (place.winners.labels.arg(), place.winners.values.arg());
            let (span, first) = (run.span(part.channels), part.start as u32);
            winner_kernel::launch(c, cubes, dim, x, winners, values, flag, span, first, part.start > 0);
        }
        let reach = place.tables.reach(slices.clone(), place.size[0]);
        let region: [usize; 3] = std::array::from_fn(|axis| reach[axis].len());
        let start: [usize; 3] = std::array::from_fn(|axis| reach[axis].start);
        let total = count(&region);
        if total == 0 {
            return;
        }
        for part in &value.parts {
            let (cubes, dim) = gpu.grid(total);
            let (candidates, resume, finish) = turn(value, part, by);
            decide_linear_kernel::launch(
                &gpu.client,
                cubes,
                dim,
                part.buffer.arg(),
                place.winners.labels.arg(),
                place.tables.wholes.arg(),
                place.tables.fractions.arg(),
                self.labels.arg(),
                self.values.arg(),
                total,
                three(region),
                three(start),
                three(self.shape),
                three(place.size),
                three(place.ring),
                place.offset,
                slices.start,
                slices.end,
                candidates,
                resume,
                finish,
            );
        }
    }

    /// The nearest voxels' labels, and values, on another grid.
    pub fn nearest(&self, gpu: &Gpu, to: &GridMap, outside: u16) -> Result<Self> {
        let map = Self::with_flag(gpu, to.shape, outside, self.flag.clone())?;
        let (tables, total) = (Tables::new(gpu, to), count(&to.shape));
        for (x, out, none) in [(&self.labels, &map.labels, u32::from(outside)), (&self.values, &map.values, 0)] {
            let (cubes, dim) = gpu.grid(total);
            let (wholes, parts) = (tables.wholes.arg(), tables.fractions.arg());
            let (size, target) = (three(self.shape), three(to.shape));
            nearest_kernel::launch(
                &gpu.client,
                cubes,
                dim,
                x.arg(),
                wholes,
                parts,
                out.arg(),
                total,
                0,
                0,
                size,
                target,
                none,
                Outside::Extent,
            );
        }
        Ok(map)
    }

    /// Waits, and reads back.
    pub fn read(self, gpu: &Gpu, confidence: bool) -> Result<Labels> {
        let voxels = count(&self.shape);
        let words = voxels.div_ceil(2);
        let packed = gpu.empty(words);
        let (cubes, dim) = gpu.grid(words);
        pack_kernel::launch(&gpu.client, cubes, dim, self.labels.arg(), packed.arg(), words);
        let flag = block_on(gpu.read(&self.flag))?;
        if flag.iter().any(|&byte| byte != 0) {
            return Err(Error::new(ErrorKind::Backend, "the network gave values that are not numbers"));
        }
        let bytes = block_on(gpu.read(&packed))?;
        let labels = bytes.as_chunks::<2>().0.iter().take(voxels).map(|&b| u16::from_le_bytes(b)).collect();
        let labels = Tensor::new(self.shape, Data::U16(labels))?;
        let confidence = if confidence {
            let bytes = block_on(gpu.read(&self.values))?;
            let values = bytes.as_chunks::<4>().0.iter().take(voxels).map(|&b| f32::from_le_bytes(b)).collect();
            Some(Tensor::from_f32(self.shape, values)?)
        } else {
            None
        };
        Ok(Labels { labels, confidence })
    }
}

/// The greatest channel of each voxel of a ring, and its value.
pub(super) struct Winners {
    labels: Buffer,
    values: Buffer,
}

impl Winners {
    /// For a ring of so many voxels, contents undefined.
    pub fn new(gpu: &Gpu, voxels: usize) -> Self {
        Self { labels: gpu.empty(voxels), values: gpu.empty(voxels) }
    }
}

/// How another grid lies between the slices of a ring.
pub(super) struct Between<'a> {
    pub tables: &'a Tables,
    pub winners: &'a Winners,
    /// Size of the grid that the ring is of.
    pub size: [usize; 3],
    /// Slots, rows and columns of the ring.
    pub ring: [usize; 3],
    /// Element of the ring at which the grid begins.
    pub offset: usize,
}

/// The channels of a part as candidates: whether others came before, and what follows the last.
fn turn(value: &Value, part: &Part, by: Decision) -> (CandidatesLaunch, bool, Finish) {
    let last = part.start + part.channels == value.shape[1];
    let (least, finish) = match by {
        Decision::Reaching(least) if last => (least, Finish::Threshold),
        _ => (0.0, Finish::Keep),
    };
    (CandidatesLaunch::new(part.channels, part.start as u32, least), part.start > 0, finish)
}
