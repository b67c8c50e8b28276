//! Each engine as a function that loads a network and gives a closure that runs it.

use std::error::Error;
use std::sync::Arc;

use rten::{ModelOptions, RunOptions, ThreadPool};
use rten_tensor::prelude::*;
use tract_linalg::multithread::{Executor, set_default_executor};
use tract_onnx::prelude::{Framework, InferenceModelExt, IntoRunnable, tvec};

/// Output elements that are shown, so that the runner may compare engines.
const SAMPLES: usize = 64;

/// One run: evenly spaced elements of the first output.
pub type Run = Box<dyn FnMut() -> Result<Vec<f32>, Box<dyn Error>>>;

/// tract with its multi-threaded matrix products.
pub fn tract(network: &str, shape: &[usize], input: Vec<f32>, threads: usize) -> Result<Run, Box<dyn Error>> {
    if threads > 1 {
        set_default_executor(Executor::multithread(threads));
    }
    let model = tract_onnx::onnx().model_for_path(network)?.into_optimized()?.into_runnable()?;
    let input = tract_onnx::prelude::Tensor::from_shape(shape, &input)?;
    Ok(Box::new(move || {
        let outputs = model.run(tvec!(input.clone().into()))?;
        let view = outputs.first().ok_or("no output")?.to_plain_array_view::<f32>()?;
        Ok(sample(view.as_slice().ok_or("the output is not contiguous")?))
    }))
}

/// rten with weights packed when the network is loaded.
pub fn rten(network: &str, shape: &[usize], input: Vec<f32>, threads: usize) -> Result<Run, Box<dyn Error>> {
    let model = ModelOptions::with_all_ops().prepack_weights(true).load_file(network)?;
    let pool = Arc::new(ThreadPool::with_num_threads(threads));
    let input = rten_tensor::Tensor::from_data(shape, input);
    Ok(Box::new(move || {
        let options = RunOptions::default().with_thread_pool(Some(pool.clone()));
        let output = model.run_one(input.view().into(), Some(options))?;
        let output = output.into_tensor::<f32>().ok_or("the output is not float32")?;
        Ok(sample(output.data().ok_or("the output is not contiguous")?))
    }))
}

fn sample(output: &[f32]) -> Vec<f32> {
    (0..SAMPLES).filter_map(|i| output.get(i * output.len() / SAMPLES).copied()).collect()
}
