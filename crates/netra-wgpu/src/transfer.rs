//! Host tensors to the adapter and back.

use netra_graph::{DType, Data, DataView, Error, ErrorKind, Result, Tensor, TensorView};

use crate::gpu::{Buffer, Gpu};
use crate::value::{Part, Value, count, split, with_channels};

/// Uploads a tensor. Fails when an integer does not fit in 32 bits.
pub(crate) fn upload(gpu: &Gpu, tensor: TensorView<'_>) -> Result<Value> {
    match tensor.data() {
        DataView::F32(v) => cut(gpu, tensor.shape(), v),
        DataView::I32(v) => cut(gpu, tensor.shape(), v),
        DataView::I64(v) => cut(gpu, tensor.shape(), &narrow(v)?),
        DataView::U64(v) => cut(gpu, tensor.shape(), &narrow(v)?),
        DataView::U32(v) => cut(gpu, tensor.shape(), &narrow(v)?),
        DataView::I16(v) => cut(gpu, tensor.shape(), &widen(v)),
        DataView::U16(v) => cut(gpu, tensor.shape(), &widen(v)),
        DataView::I8(v) => cut(gpu, tensor.shape(), &widen(v)),
        DataView::U8(v) => cut(gpu, tensor.shape(), &widen(v)),
        DataView::Bool(v) => cut(gpu, tensor.shape(), &widen(v)),
        _ => Err(Error::unsupported(format!("{} on a graphics adapter", tensor.dtype()))),
    }
}

fn widen<T: Copy + Into<i32>>(values: &[T]) -> Vec<i32> {
    values.iter().map(|&v| v.into()).collect()
}

fn narrow<T: Copy + TryInto<i32>>(values: &[T]) -> Result<Vec<i32>> {
    let narrow = values.iter().map(|&v| v.try_into().ok()).collect::<Option<_>>();
    narrow.ok_or_else(|| Error::invalid("an integer outside the 32 bits that graphics adapters compute with"))
}

/// Uploads each part of the shape.
fn cut<E: cubecl::prelude::CubeElement + Copy>(gpu: &Gpu, shape: &[usize], data: &[E]) -> Result<Value> {
    let ranges = split(shape, gpu.limit())
        .ok_or_else(|| Error::limit(format!("{shape:?}: one channel exceeds the adapter's largest buffer")))?;
    if ranges.len() == 1 {
        return Ok(Value::whole(shape, gpu.upload(data)));
    }
    let inner = count(&shape[2..]);
    let part = |r: &std::ops::Range<usize>| {
        let mut elements = Vec::with_capacity(shape[0] * r.len() * inner);
        for n in 0..shape[0] {
            let start = (n * shape[1] + r.start) * inner;
            elements.extend_from_slice(&data[start..start + r.len() * inner]);
        }
        Part { start: r.start, channels: r.len(), buffer: gpu.upload(&elements) }
    };
    Ok(Value { shape: shape.to_vec(), parts: ranges.iter().map(part).collect() })
}

/// Reads a value back, part by part, so that the host holds one staging copy at a time.
pub(crate) async fn download(gpu: Gpu, value: Value, dtype: DType) -> Result<Tensor> {
    let shape = value.shape.clone();
    let mut words: Vec<[u8; 4]> = Vec::new();
    if let [part] = value.parts.as_slice() {
        words = read(&gpu, &part.buffer, count(&shape)).await?;
    } else {
        words.resize(count(&shape), [0; 4]);
        let inner = count(&shape[2..]);
        for part in value.parts {
            let elements = read(&gpu, &part.buffer, count(&with_channels(&shape, part.channels))).await?;
            let run = part.channels * inner;
            for (n, source) in elements.chunks_exact(run.max(1)).enumerate() {
                let start = (n * shape[1] + part.start) * inner;
                words[start..start + run].copy_from_slice(source);
            }
        }
    }
    let floats = || words.iter().map(|&w| f32::from_le_bytes(w)).collect();
    let ints = || words.iter().map(|&w| i32::from_le_bytes(w));
    let data = match dtype {
        DType::F32 => Data::F32(floats()),
        DType::I32 => Data::I32(ints().collect()),
        DType::I64 => Data::I64(ints().map(i64::from).collect()),
        DType::I16 => Data::I16(ints().map(|v| v as i16).collect()),
        DType::U16 => Data::U16(ints().map(|v| v as u16).collect()),
        DType::U32 => Data::U32(ints().map(|v| v as u32).collect()),
        DType::U64 => Data::U64(ints().map(|v| v as u64).collect()),
        DType::I8 => Data::I8(ints().map(|v| v as i8).collect()),
        DType::U8 => Data::U8(ints().map(|v| v as u8).collect()),
        DType::Bool => Data::Bool(ints().map(|v| v != 0).collect()),
        other => return Err(Error::unsupported(format!("{other} on a graphics adapter"))),
    };
    Tensor::new(shape, data)
}

/// The first `elements` words of a buffer.
async fn read(gpu: &Gpu, buffer: &Buffer, elements: usize) -> Result<Vec<[u8; 4]>> {
    let bytes = gpu.read(buffer).await?;
    let (words, _) = bytes.as_chunks::<4>();
    let short = || Error::new(ErrorKind::Backend, format!("{} bytes came back of {}", bytes.len(), elements * 4));
    words.get(..elements).map(<[_]>::to_vec).ok_or_else(short)
}
