//! Volumes that stay on the adapter.

mod decide;
mod labeller;
mod ring;
mod tables;

use netra_graph::volumes::{
    Beyond, DeviceVolume, GridMap, Interpolation, Labeller, Labelling, Moments, ValueMap, Window, WindowPadding,
};
use netra_graph::{DType, Error, Result, Tensor, TensorView, Volumes, block_on};

use crate::fault::guarded;
use crate::gpu::{Buffer, Gpu};
use crate::kernels::grid::{Edge, Outside, StartLaunch, ThreeLaunch, cut_kernel, linear_kernel, nearest_kernel};
use crate::kernels::intensity::{ChangeLaunch, map_kernel, moments_kernel};
use crate::kernels::movement::fill_kernel;
use crate::steps::view::empty;
use crate::transfer;
use crate::value::{Value, count, split};
use labeller::GpuLabeller;
use tables::Tables;

/// Elements that one lane of a sum takes: few enough that their float32 sum is exact to a part in a million.
const SUMMED: usize = 256;
/// Most lanes of a sum.
const LANES: usize = 1 << 17;

impl Volumes for Gpu {
    fn upload(&self, values: TensorView<'_>) -> Result<DeviceVolume> {
        let (&[channels, slices, rows, columns], DType::F32) = (values.shape(), values.dtype()) else {
            return Err(Error::invalid(format!("{} values of shape {:?}", values.dtype(), values.shape())));
        };
        let shape = [1, channels, slices, rows, columns];
        let view = TensorView::new(&shape, values.data())?;
        let value = issue(self, "uploading a volume", || transfer::upload(self, view))?;
        Ok(DeviceVolume::new([channels, slices, rows, columns], value))
    }

    fn download(&self, volume: &DeviceVolume) -> Result<Tensor> {
        let value = value_of(volume)?;
        let tensor = issue(self, "reading a volume", || block_on(transfer::download(self, value, DType::F32)))?;
        tensor.reshaped(volume.shape())
    }

    fn resample(
        &self,
        volume: &DeviceVolume,
        to: &GridMap,
        interpolation: Interpolation,
        beyond: Beyond,
    ) -> Result<DeviceVolume> {
        let [channels, slices, rows, columns] = volume.shape();
        let (source, outside) = (value_of(volume)?, outside(beyond));
        let [d, h, w] = to.shape;
        let out = fresh(self, &[1, channels, d, h, w])?;
        issue(self, "resampling a volume", || {
            let (tables, total) = (Tables::new(self, to), count(&to.shape));
            let (size, target) = ([slices, rows, columns], to.shape);
            for channel in 0..channels {
                let ((x, from), (out, at)) = (channel_of(source, channel)?, channel_of(&out, channel)?);
                let (cubes, dim) = self.grid(total);
                let (x, out, c) = (x.arg(), out.arg(), &self.client);
                let (wholes, parts) = (tables.wholes.arg(), tables.fractions.arg());
                let (size, target) = (three(size), three(target));
                match interpolation {
                    Interpolation::Linear => linear_kernel::launch(
                        c, cubes, dim, x, wholes, parts, out, total, from, at, size, target, outside,
                    ),
                    Interpolation::Nearest => nearest_kernel::launch(
                        c, cubes, dim, x, wholes, parts, out, total, from, at, size, target, 0, outside,
                    ),
                }
            }
            Ok(())
        })?;
        Ok(DeviceVolume::new([channels, d, h, w], out))
    }

    fn map(&self, volume: &DeviceVolume, maps: &[ValueMap]) -> Result<()> {
        let [channels, slices, rows, columns] = volume.shape();
        let (value, total) = (value_of(volume)?, slices * rows * columns);
        if maps.len() != channels {
            return Err(Error::invalid(format!("{} maps for {channels} channels", maps.len())));
        }
        issue(self, "changing a volume", || {
            for (channel, m) in maps.iter().enumerate() {
                let (x, start) = channel_of(value, channel)?;
                let [least, most] = m.limits.unwrap_or_default();
                let change = ChangeLaunch::new(total, start, m.subtrahend, m.divisor, m.factor, m.offset, least, most);
                let (cubes, dim) = self.grid(total);
                map_kernel::launch(&self.client, cubes, dim, x.arg(), change, m.limits.is_some(), m.keep_zero);
            }
            Ok(())
        })
    }

    fn moments(&self, volume: &DeviceVolume, nonzero: bool) -> Result<Vec<Moments>> {
        let value = value_of(volume)?;
        issue(self, "summing a volume", || {
            let [channels, slices, rows, columns] = volume.shape();
            let channel = |channel| self.moments_of(channel_of(value, channel)?, slices * rows * columns, nonzero);
            (0..channels).map(channel).collect()
        })
    }

    fn labelling_bytes(&self, labelling: &Labelling<'_>) -> Result<u64> {
        labeller::bytes(self, labelling)
    }

    fn labelling(&self, labelling: &Labelling<'_>) -> Result<Box<dyn Labeller + '_>> {
        let labeller = issue(self, "beginning to label", || GpuLabeller::new(self, labelling))?;
        Ok(Box::new(labeller))
    }
}

impl Gpu {
    /// Of `elements` from one on. The second reading centres values on their mean, so that squares lose nothing.
    fn moments_of(&self, (x, start): (&Buffer, usize), elements: usize, nonzero: bool) -> Result<Moments> {
        let lanes = elements.div_ceil(SUMMED).clamp(1, LANES);
        let lane_sums = |shift: f32| -> Result<[f64; 5]> {
            let out = self.empty(lanes * 5);
            let (cubes, dim) = self.grid(lanes);
            moments_kernel::launch(
                &self.client,
                cubes,
                dim,
                x.arg(),
                out.arg(),
                lanes,
                start,
                elements,
                shift,
                nonzero,
            );
            let bytes = block_on(self.read(&out))?;
            let numbers: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
            let rows = numbers.as_chunks::<5>().0.iter().map(|row| row.map(f64::from));
            Ok(rows.fold([0.0, 0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY], |a, b| {
                [a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3].min(b[3]), a[4].max(b[4])]
            }))
        };
        let [count, sum, _, least, greatest] = lane_sums(0.0)?;
        if count == 0.0 {
            return Ok(Moments { count: 0, mean: 0.0, variance: 0.0, range: [0.0; 2] });
        }
        let shift = (sum / count) as f32;
        let [_, rest, squares, ..] = lane_sums(shift)?;
        let beside = rest / count;
        Ok(Moments {
            count: count as u64,
            mean: f64::from(shift) + beside,
            variance: (squares / count - beside * beside).max(0.0),
            range: [least as f32, greatest as f32],
        })
    }

    /// The same bits in a buffer's first `elements`.
    fn fill(&self, buffer: &Buffer, elements: usize, bits: u32) {
        let (cubes, dim) = self.grid(elements);
        fill_kernel::launch(&self.client, cubes, dim, buffer.arg(), elements, bits);
    }

    /// Writes a window of a volume, padded, to `out`, `[1, channels, (slices,) rows, columns]`.
    fn cut(&self, volume: &DeviceVolume, window: &Window, out: &Value) -> Result<()> {
        let shape = &out.shape;
        let [channels, slices, rows, columns] = volume.shape();
        let source = value_of(volume)?;
        let size = space(shape)?;
        if shape[1] != channels {
            return Err(Error::invalid(format!("{channels} channels for a network that takes {}", shape[1])));
        }
        let (total, [d, h, w]) = (count(&size), window.start.map(|i| i as i32));
        let (edge, fill) = match window.padding {
            WindowPadding::Constant(value) => (Edge::Constant, value),
            WindowPadding::Replicate => (Edge::Replicate, 0.0),
            WindowPadding::Reflect => (Edge::Reflect, 0.0),
            WindowPadding::Circular => (Edge::Circular, 0.0),
        };
        for channel in 0..channels {
            let ((x, from), (out, to)) = (channel_of(source, channel)?, channel_of(out, channel)?);
            let (cubes, dim) = self.grid(total);
            let (x, out, start) = (x.arg(), out.arg(), StartLaunch::new(d, h, w));
            let (volume, window) = (three([slices, rows, columns]), three(size));
            cut_kernel::launch(&self.client, cubes, dim, x, out, total, from, to, volume, window, start, fill, edge);
        }
        Ok(())
    }
}

/// Does work on the adapter in its order, and turns panics below into errors.
fn issue<T>(gpu: &Gpu, doing: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    guarded(gpu, doing, || gpu.ordered(work))
}

fn outside(beyond: Beyond) -> Outside {
    match beyond {
        Beyond::Border => Outside::Border,
        Beyond::Zeros => Outside::Zeros,
        Beyond::Extent => Outside::Extent,
    }
}

fn three([d, h, w]: [usize; 3]) -> ThreeLaunch {
    ThreeLaunch::new(d, h, w)
}

/// Slices, rows and columns of a tensor of batch 1.
fn space(shape: &[usize]) -> Result<[usize; 3]> {
    match *shape {
        [1, _, rows, columns] => Ok([1, rows, columns]),
        [1, _, slices, rows, columns] => Ok([slices, rows, columns]),
        _ => Err(Error::unsupported(format!("windows of shape {shape:?}"))),
    }
}

/// A volume's value, when this backend made it.
fn value_of(volume: &DeviceVolume) -> Result<&Value> {
    volume.storage().ok_or_else(|| Error::invalid("a volume of another backend"))
}

/// The buffer that a channel of a value of batch 1 lies in, and its first element there.
fn channel_of(value: &Value, channel: usize) -> Result<(&Buffer, usize)> {
    let part = value.parts.iter().find(|part| (part.start..part.start + part.channels).contains(&channel));
    let part = part.ok_or_else(|| Error::invalid(format!("channel {channel} of {:?}", value.shape)))?;
    Ok((&part.buffer, (channel - part.start) * count(&value.shape[2..])))
}

/// A fresh value. Fails (`Limit`) where a channel is larger than what the adapter binds.
fn fresh(gpu: &Gpu, shape: &[usize]) -> Result<Value> {
    check(gpu, shape)?;
    Ok(empty(gpu, shape))
}

/// Fails (`Limit`) where a channel of `shape` is larger than what the adapter binds.
fn check(gpu: &Gpu, shape: &[usize]) -> Result<()> {
    if split(shape, gpu.limit()).is_none() {
        return Err(Error::limit(format!("{shape:?}: one channel exceeds the adapter's largest buffer")));
    }
    Ok(())
}
