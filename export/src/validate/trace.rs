//! Every tensor of a plan for one image, as the engine makes it.
//!
//! The engine keeps rows only as long as they are read, so this watches it at work and copies each row as it comes. It is the engine that
//! runs on the chip with the plan that runs there: kernels' packings, layouts and rings are what is looked at, not a second network.

use super::images::channels_first;
use infer_nostd::{Engine, EngineError, Plan};

/// An int8 tensor of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// Channels, height, width: of what the plan makes, where it leaves off rows and pixels that nobody reads.
    pub shape: [usize; 3],
    /// C×H×W.
    pub steps: Vec<i8>,
}

/// The tensors of `plan` for one image (H×W×C, in steps): the input, then what each operator makes.
///
/// # Errors
/// The image is of another size.
pub fn trace(plan: &Plan, image: &[i8]) -> Result<Vec<Map>, EngineError> {
    let mut arena = vec![0; plan.arena_words()];
    let mut engine = Engine::new(*plan, &mut arena)?;
    // H×W×C: as rows come.
    let mut tensors: Vec<Vec<i8>> = (0..plan.tensor_count()).map(|id| vec![0; len(plan, id)]).collect();
    let (expected, found) = (plan.input().len(), image.len());
    if found != expected {
        return Err(EngineError::InputLength { expected, found });
    }
    tensors[0].copy_from_slice(image);
    for row in image.chunks_exact(plan.input().row_len()) {
        engine.push_row_watched(row, &mut |engine, id| {
            let mut values = vec![0; plan.tensor(id).row_len()];
            if let Ok(number) = engine.newest_row(id, &mut values) {
                tensors[id][number * values.len()..][..values.len()].copy_from_slice(&values);
            }
        })?;
    }
    let map = |(id, values): (usize, Vec<i8>)| {
        let shape = shape(plan, id);
        Map { shape, steps: channels_first(&values, shape[0]) }
    };
    Ok(tensors.into_iter().enumerate().map(map).collect())
}

/// Channels, height and width of tensor `id`.
pub fn shape(plan: &Plan, id: usize) -> [usize; 3] {
    let tensor = plan.tensor(id);
    [tensor.channels, tensor.height, tensor.width].map(usize::from)
}

fn len(plan: &Plan, id: usize) -> usize {
    shape(plan, id).iter().product()
}
