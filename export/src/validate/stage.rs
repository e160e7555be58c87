//! Whatever answers images: a file in its runtime.

use super::{
    Figures,
    images::{channels_first, channels_last, to_reals, to_steps},
    tract::{RunError, Runner},
    values,
};
use crate::{
    graph::{Graph, Op, passes, shape},
    inputs::Intake,
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

    /// How it takes pictures and arrays.
    fn intake(&self) -> Intake {
        self.input_shape().into()
    }

    /// Values of one input image.
    fn image_len(&self) -> usize {
        self.input_shape().iter().product()
    }

    /// Logits of any number of images given as the reals that it takes, N×C×H×W; maps among them C×H×W, too.
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
    /// What runs the network, where that is not of this module, as a board.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
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
    intake: Intake,
    order: Order,
}

impl InTract {
    fn new(bytes: &[u8]) -> Result<Self, StageError> {
        let graph = onnx::from_bytes(bytes)?;
        if !graph.nodes.iter().any(|node| matches!(node.op, Op::Quantize { .. })) {
            let runner = runner(bytes, &graph, logits(&graph)?)?;
            let (intake, order) = ends(&graph, &passes::normalize(&passes::as_imported(&graph)), &runner)?;
            return Ok(Self { name: "float ONNX in tract", runner, step: None, intake, order });
        }
        let quantized = qdq::from_graph(&passes::as_imported(&graph))?;
        let written = qdq::to_graph(&quantized);
        let output = &quantized.tensors[quantized.output];
        let (name, runner, (intake, order)) = match values::dequantized(&graph, &output.name) {
            Some(value) => {
                let runner = runner(bytes, &graph, value)?;
                let ends = ends(&graph, &written, &runner)?;
                ("int8 ONNX in tract", runner, ends)
            }
            None => {
                let runner = Runner::new(&written, BATCH)?;
                let ends = ends(&written, &passes::as_imported(&written), &runner)?;
                ("int8 ONNX as Q/DQ pairs in tract", runner, ends)
            }
        };
        Ok(Self { name, runner, step: Some(output.scale), intake, order })
    }
}

/// Which ends of a file have their channels last: how many there are, of maps that are not vectors.
#[derive(Debug, Clone, Copy, Default)]
struct Order {
    input: Option<usize>,
    output: Option<usize>,
}

/// How a file takes its input, and the order of its axes, by what `normal`, its normal form, notes of both.
fn ends(graph: &Graph, normal: &Graph, runner: &Runner) -> Result<(Intake, Order), StageError> {
    let as_it_is = || (runner.input_shape().into(), Order::default());
    let ([input], [output]) = (&graph.inputs[..], &normal.outputs[..]) else { return Ok(as_it_is()) };
    let unknown = [&input.name, &output.name].iter().any(|end| passes::had_other_order(&normal.metadata, end));
    let Some(mut intake) = Intake::of_graph(normal)?.filter(|_| !unknown) else { return Ok(as_it_is()) };
    intake.channels_last |= passes::had_channels_last(&graph.metadata, &input.name);
    let is_last = |end: &str| passes::had_channels_last(&normal.metadata, end);
    let channels = || shape::sample_dims(output)?.first().copied();
    let order = Order {
        input: is_last(&input.name).then_some(intake.shape[0]),
        output: is_last(&output.name).then(channels).flatten(),
    };
    Ok((intake, order))
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
        self.intake.shape
    }

    fn intake(&self) -> Intake {
        self.intake.clone()
    }

    fn answer(&self, images: &[f32]) -> Result<Vec<f32>, StageError> {
        let count = (images.len() / self.image_len().max(1)).max(1);
        let turned = self.order.input.map(|channels| {
            images.chunks(self.image_len()).flat_map(|image| channels_last(image, channels)).collect::<Vec<_>>()
        });
        let answers = self.runner.run(turned.as_deref().unwrap_or(images))?.remove(0);
        let Some(channels) = self.order.output else { return Ok(answers) };
        let maps = answers.chunks((answers.len() / count).max(1));
        Ok(maps.flat_map(|map| channels_first(map, channels)).collect())
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

    fn intake(&self) -> Intake {
        Intake::of_plan(&self.plan().input())
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
