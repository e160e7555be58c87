//! The stages of a validation: files and folders in the order given, boards after them.

use crate::cli::files;
use crate::cli::network::{self, Network};
use crate::cli::on::{self, Place};
use anyhow::{Context, Result, ensure};
use export::graph::{Graph, passes};
use export::inputs::Intake;
use export::validate::{self, Stage, StageError};
use export::{onnx, plan};
use infer_nostd::Plan;
use std::path::{Path, PathBuf};

/// The files of a network in the zoo, in the order of the road.
const FILES: [&str; 3] = ["float.onnx", "int8.onnx", "net.plan"];

/// A stage, and the file or the folder that it is of.
pub struct Opened {
    /// Where it comes from.
    pub path: PathBuf,
    /// What answers.
    pub stage: Box<dyn Stage>,
    /// How it takes inputs, as far as all files together say.
    pub intake: Intake,
    /// What it is, for comparing layers.
    pub kind: Kind,
}

/// What a stage runs.
pub enum Kind {
    /// A float network, normalized as the quantizer has it.
    Float(Box<Graph>),
    /// An int8 network as its file has it.
    Int8(Box<Graph>),
    /// A plan on this machine.
    Plan(Words),
    /// A plan on a board.
    Board,
}

/// The words of a plan that has passed its check.
pub struct Words(Vec<u32>);

impl Words {
    fn new(bytes: &[u8]) -> Result<Self, StageError> {
        let words = plan::words(bytes);
        Plan::parse(&words).map_err(StageError::Plan)?;
        Ok(Self(words))
    }

    /// Does something with the plan.
    pub fn with<T>(&self, work: impl FnOnce(Plan) -> T) -> T {
        work(Plan::parse(&self.0).expect("it was parsed when it was opened"))
    }
}

impl Opened {
    fn new(path: &Path, bytes: &[u8]) -> Result<Self> {
        let stage = validate::open(bytes)?;
        let kind = match () {
            () if validate::is_plan(bytes) => Kind::Plan(Words::new(bytes)?),
            () if stage.output_scale().is_some() => Kind::Int8(Box::new(onnx::from_bytes(bytes)?)),
            () => Kind::Float(Box::new(passes::normalize(&onnx::from_bytes(bytes)?))),
        };
        Ok(Self { path: path.into(), intake: stage.intake(), stage, kind })
    }

    /// The file or folder, for messages.
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The int8 network, if it is one.
    pub fn int8(&self) -> Option<&Graph> {
        if let Kind::Int8(graph) = &self.kind { Some(graph) } else { None }
    }

    /// The float network, if it is one.
    pub fn float(&self) -> Option<&Graph> {
        if let Kind::Float(graph) = &self.kind { Some(graph) } else { None }
    }
}

/// Opens every file, and builds the firmware of every board.
pub fn stages(arguments: &[PathBuf], boards: &[Place]) -> Result<Vec<Opened>> {
    let mut stages: Vec<Opened> = Vec::new();
    let mut is_run = boards.is_empty();
    for argument in arguments {
        let mut plan = None;
        for path in expand(argument)? {
            let bytes = files::read(&path)?;
            stages.push(Opened::new(&path, &bytes).with_context(|| path.display().to_string())?);
            plan = validate::is_plan(&bytes).then_some(Network::Plan(bytes));
        }
        if !boards.is_empty()
            && let Some(network) = network(argument, plan)?
        {
            on_boards(argument, &network, boards, &mut stages)?;
            is_run = true;
        }
    }
    ensure!(
        is_run,
        "--on runs plans, and there is none among the files; make one with `export plan`, or give a folder with int8.onnx"
    );
    complete(&mut stages);
    Ok(stages)
}

/// How each takes inputs, by what the others say as well.
fn complete(stages: &mut [Opened]) {
    let is_float = |opened: &Opened| opened.stage.output_scale().is_none();
    let mut intakes: Vec<_> = stages.iter().map(|opened| (opened.intake.clone(), is_float(opened))).collect();
    Intake::complete(&mut intakes);
    stages.iter_mut().zip(intakes).for_each(|(opened, (intake, _))| opened.intake = intake);
}

/// A folder stands for those of its files that there are.
fn expand(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.into()]);
    }
    let found: Vec<_> = FILES.iter().map(|name| path.join(name)).filter(|file| file.exists()).collect();
    ensure!(!found.is_empty(), "{}: expected {} in this folder, found none of them", path.display(), FILES.join(", "));
    Ok(found)
}

/// What of an argument runs on boards: its plan, or what an int8 ONNX file in a folder says, to be planned for each core.
fn network(argument: &Path, plan: Option<Network>) -> Result<Option<Network>> {
    let int8 = network::file_of(argument);
    if argument.is_dir() && int8.exists() { Network::open(&int8).map(Some) } else { Ok(plan) }
}

fn on_boards(argument: &Path, network: &Network, boards: &[Place], stages: &mut Vec<Opened>) -> Result<()> {
    let name = || argument.display().to_string();
    for place in boards {
        let plan = network.plan_for(place.on.board()).with_context(name)?;
        // The engine on this machine stands between tract and the boards.
        if stages.last().is_some_and(|stage| matches!(stage.kind, Kind::Float(_) | Kind::Int8(_))) {
            stages.push(Opened::new(argument, &plan).with_context(name)?);
        }
        let stage = on::stage(place, &plan).with_context(name)?;
        stages.push(Opened { path: argument.into(), intake: stage.intake(), stage, kind: Kind::Board });
    }
    Ok(())
}
