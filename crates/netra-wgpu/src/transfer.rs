//! Host tensors to the adapter and back.

use std::pin::Pin;

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

/// A tensor on its way back.
pub(crate) type Download = Pin<Box<dyn Future<Output = Result<Tensor>> + Send>>;

/// Issues the reading of a value; what it holds now comes back later.
pub(crate) fn download(gpu: &Gpu, value: &Value, dtype: DType) -> Download {
    let shape = value.shape.clone();
    let read = |part: &Part| {
        let elements = count(&with_channels(&shape, part.channels));
        (part.start, part.channels, read(gpu, &part.buffer, elements))
    };
    let parts: Vec<_> = value.parts.iter().map(read).collect();
    Box::pin(async move {
        let inner = count(shape.get(2..).unwrap_or_default());
        let mut words: Vec<[u8; 4]> = Vec::new();
        for (start, channels, part) in parts {
            let elements = part.await?;
            if elements.len() == count(&shape) {
                words = elements;
                break;
            }
            words.resize(count(&shape), [0; 4]);
            let run = channels * inner;
            for (n, source) in elements.chunks_exact(run.max(1)).enumerate() {
                let start = (n * shape[1] + start) * inner;
                words[start..start + run].copy_from_slice(source);
            }
        }
        let data = elements(&words, dtype)?;
        Tensor::new(shape, data)
    })
}

/// Words as elements of a type.
fn elements(words: &[[u8; 4]], dtype: DType) -> Result<Data> {
    let floats = || words.iter().map(|&w| f32::from_le_bytes(w)).collect();
    let ints = || words.iter().map(|&w| i32::from_le_bytes(w));
    Ok(match dtype {
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
    })
}

/// Issues the reading of the first `elements` words of a buffer.
fn read(gpu: &Gpu, buffer: &Buffer, elements: usize) -> impl Future<Output = Result<Vec<[u8; 4]>>> + Send + use<> {
    let reading = gpu.read(buffer);
    async move {
        let bytes = reading.await?;
        let (words, _) = bytes.as_chunks::<4>();
        let short = || Error::new(ErrorKind::Backend, format!("{} bytes came back of {}", bytes.len(), elements * 4));
        words.get(..elements).map(<[_]>::to_vec).ok_or_else(short)
    }
}
