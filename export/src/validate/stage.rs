//! Whatever answers images: a file in its runtime.

use super::{
    images::{to_reals, to_steps},
    tract::{RunError, Runner},
    values,
};
use crate::{
    board::Figures,
    graph::{Graph, Op},
    onnx, plan,
    quantize::{QuantizeError, logits, qdq},
};
use infer_nostd::{Engine, EngineError, Plan, PlanError};

/// Images that a stage is asked at a time: enough for tract to be busy, few enough to spread over threads.
pub const BATCH: usize = 50;

/// One stage of the road, ready to run.
pub trait Stage: Sync {
    /// What the report calls it.
    fn name(&self) -> &str;

    /// Real value of one step of its int8 output; none for a float network.
    fn output_scale(&self) -> Option<f32>;

    /// Channels, height and width of one input image; a network over vectors of K values takes \[K, 1, 1\].
    fn input_shape(&self) -> [usize; 3];

    /// Values of one input image.
    fn image_len(&self) -> usize {
        self.input_shape().iter().product()
    }

    /// Logits of any number of images given as reals in \[0, 1\], N×C×H×W.
    ///
    /// # Errors
    /// Images of another size, or a failure of the runtime.
    fn answer(&self, images: &[f32]) -> Result<Vec<f32>, StageError>;

    /// What a board took for the images so far; none for a stage on this machine.
    fn figures(&self) -> Option<Figures> {
        None
    }
}

/// Why a stage could not be opened or run.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The file is no ONNX model that we read.
    #[error(transparent)]
    Onnx(#[from] onnx::OnnxError),
    /// tract cannot load or run the model.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The model's int8 form is not understood.
    #[error(transparent)]
    Quantized(#[from] QuantizeError),
    /// The plan does not pass its check.
    #[error("the plan is refused: {0}")]
    Plan(PlanError),
    /// The engine refuses the image.
    #[error("the engine refuses the image: {0}. Validate with images of the size that the network was trained on")]
    Engine(EngineError),
    /// The inputs cannot be read.
    #[error(transparent)]
    Input(#[from] crate::inputs::InputError),
    /// The firmware on an emulated board.
    #[error(transparent)]
    Board(#[from] crate::board::BoardError),
}

/// Opens the bytes of an ONNX file (float or QDQ, in tract) or of a plan (in the engine, on this machine).
///
/// # Errors
/// The bytes are neither, or not what their runtime takes.
pub fn open(bytes: &[u8]) -> Result<Box<dyn Stage>, StageError> {
    if is_plan(bytes) {
        return Ok(Box::new(HostEngine::new(bytes)?));
    }
    Ok(Box::new(InTract::new(bytes)?))
}

/// Whether these are the bytes of a plan, whole or damaged.
pub fn is_plan(bytes: &[u8]) -> bool {
    bytes.starts_with(&infer_nostd::plan::MAGIC.to_le_bytes())
}

/// An ONNX file in tract.
struct InTract {
    name: &'static str,
    runner: Runner,
    step: Option<f32>,
}

impl InTract {
    fn new(bytes: &[u8]) -> Result<Self, StageError> {
        let graph = onnx::from_bytes(bytes)?;
        if !graph.nodes.iter().any(|node| matches!(node.op, Op::Quantize { .. })) {
            let runner = runner(bytes, &graph, logits(&graph)?)?;
            return Ok(Self { name: "float ONNX in tract", runner, step: None });
        }
        let quantized = qdq::from_graph(&graph)?;
        let output = &quantized.tensors[quantized.output];
        let (name, runner) = match values::dequantized(&graph, &output.name) {
            Some(value) => ("int8 ONNX in tract", runner(bytes, &graph, value)?),
            None => ("int8 ONNX as Q/DQ pairs in tract", Runner::new(&qdq::to_graph(&quantized), BATCH)?),
        };
        Ok(Self { name, runner, step: Some(output.scale) })
    }
}

/// Runs the file as it is, or up to a value of its own: to its logits where it ends in a Softmax, which no int8 stage has.
fn runner(bytes: &[u8], graph: &Graph, value: &str) -> Result<Runner, RunError> {
    if graph.is_output(value) { Runner::from_bytes(bytes, BATCH) } else { Runner::with_values(graph, &[value], BATCH) }
}

impl Stage for InTract {
    fn name(&self) -> &str {
        self.name
    }

    fn output_scale(&self) -> Option<f32> {
        self.step
    }

    fn input_shape(&self) -> [usize; 3] {
        self.runner.input_shape()
    }

    fn answer(&self, images: &[f32]) -> Result<Vec<f32>, StageError> {
        Ok(self.runner.run(images)?.remove(0))
    }
}

/// A plan in the engine, compiled for this machine: the same integers as on the chip.
struct HostEngine {
    words: Vec<u32>,
}

impl HostEngine {
    fn new(bytes: &[u8]) -> Result<Self, StageError> {
        let words = plan::words(bytes);
        Plan::parse(&words).map_err(StageError::Plan)?;
        Ok(Self { words })
    }

    fn plan(&self) -> Plan<'_> {
        Plan::parse(&self.words).expect("it was parsed when the stage was opened")
    }
}

impl Stage for HostEngine {
    fn name(&self) -> &str {
        "infer-nostd on this machine"
    }

    fn output_scale(&self) -> Option<f32> {
        Some(self.plan().output().scale)
    }

    fn input_shape(&self) -> [usize; 3] {
        self.plan().input().shape()
    }

    fn answer(&self, images: &[f32]) -> Result<Vec<f32>, StageError> {
        let plan = self.plan();
        let (input, output) = (plan.input(), plan.output());
        let mut arena = vec![0; plan.arena_words()];
        let mut engine = Engine::new(plan, &mut arena).map_err(StageError::Engine)?;
        let mut answers = Vec::new();
        for image in to_steps(images, &input).chunks(input.len()) {
            answers.extend_from_slice(engine.infer(image).map_err(StageError::Engine)?);
        }
        Ok(to_reals(&answers, &output))
    }
}
