//! `export normalize`: a float ONNX file from elsewhere in the forms that the rest of the road knows.

use super::files;
use anyhow::{Context, Result, ensure};
use clap::Args;
use export::graph::{Dim, Graph, passes, shape};
use export::onnx;
use std::path::PathBuf;

/// Write a float ONNX file in the fewest forms, or say all that cannot be carried and what to do instead
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  export normalize keras.onnx -o float.onnx
  export normalize detector.onnx --input-shape 3x96x96 -o float.onnx

`export quantize` does the same to the file that it is given; this writes what it starts from. Constants are computed, normalization and arithmetic with constants go
into the layers' weights, padding into the windows; networks over one dimension become networks over height; channels come first. What was declared otherwise in the file
(the input of a Keras model, say) is noted in the metadata.")]
pub struct Normalize {
    /// The float ONNX file: from torch.onnx, tf2onnx, Keras, skl2onnx, …; opset 11 to 25
    #[arg(value_name = "FLOAT.onnx")]
    file: PathBuf,
    /// The file to write
    #[arg(short, long, value_name = "OUT.onnx")]
    output: PathBuf,
    /// Dimensions of one input, for a file that leaves them open: channels, height and width, as the file has them
    #[arg(long, value_name = "CxHxW")]
    input_shape: Option<String>,
}

impl Normalize {
    /// Reads, normalizes and writes.
    pub fn run(&self) -> Result<()> {
        let name = || self.file.display().to_string();
        let mut graph = onnx::from_bytes(&files::read(&self.file)?).with_context(name)?;
        if let Some(dims) = &self.input_shape {
            fix_input(&mut graph, dims).with_context(name)?;
        }
        let before = graph.nodes.len();
        let normal = passes::run(graph).with_context(name)?;
        files::distinct(&self.file, &self.output)?;
        files::write(&self.output, &onnx::to_bytes(&normal))?;
        let ends = [&normal.inputs[0], &normal.outputs[0]].map(|value| shape::display(&value.shape));
        let after = normal.nodes.len();
        println!("{}: {} → {}, {after} nodes of {before}", self.output.display(), ends[0], ends[1]);
        Ok(())
    }
}

/// Gives the one input fixed dimensions after its batch.
fn fix_input(graph: &mut Graph, dims: &str) -> Result<()> {
    let expected = "--input-shape: expected numbers from 1 with x between them, such as 3x96x96";
    let fixed = |text: &str| text.parse().ok().filter(|extent| (1..=onnx::MAX_DIM).contains(extent)).map(Dim::Fixed);
    let parsed: Option<Vec<Dim>> = dims.split('x').map(fixed).collect();
    let dims = parsed.with_context(|| format!("{expected}, found {dims}"))?;
    let count = graph.inputs.len();
    let [input] = graph.inputs.as_mut_slice() else {
        anyhow::bail!("--input-shape: expected a network of one input, found {count}")
    };
    let found = shape::display(&input.shape);
    ensure!(
        input.shape.len() == dims.len() + 1,
        "--input-shape: expected as many dimensions as `{}` has after its batch ({found})",
        input.name
    );
    let agrees = |(own, given): (&Dim, &Dim)| own == given || matches!(own, Dim::Symbol(_));
    ensure!(
        input.shape[1..].iter().zip(&dims).all(agrees),
        "--input-shape: expected what the file has fixed of `{}` ({found})",
        input.name
    );
    input.shape.truncate(1);
    input.shape.extend(dims);
    Ok(())
}
