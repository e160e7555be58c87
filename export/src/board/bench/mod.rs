//! What one inference takes on each core, counted in QEMU: instructions, estimated cycles, RAM and flash, by layer.
//!
//! The firmware's `bench` program says which operator is at work; the plugin in `counter/` counts. Every run gives the same
//! figures. Instructions are exact, cycles are estimates (see `counter::cycles`). The marks cost about four instructions a step
//! and are counted with it.

mod count;
mod elf;
mod recorded;

pub use count::Plugin;
pub use counter::Model;
pub use recorded::{Published, Recorded, published, recorded};

use super::{Board, BoardError, Firmware, Program, core_name};
use crate::plan::{self, LayerRow};
use elf::Elf;
use infer_nostd::Plan;

/// Lap 0 is the time outside; the next is the input's, then one an operator.
const FIRST_LAP: usize = 1;

/// Which of the plans that a core can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Packing {
    /// The one that takes the least memory.
    Smallest,
    /// The one that takes the fewest cycles.
    Fastest,
}

/// Figures of one layer, or of the whole network; `--json` has the same names.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Row {
    /// The core, as `--core` names it.
    pub core: &'static str,
    /// Which of the core's plans; none for one between, or one that was given.
    pub packing: Option<Packing>,
    /// The layer's name; the input's stands for the engine's own work (rows in, what is next). None for the whole.
    pub layer: Option<String>,
    /// Its kernel in assembly, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// Most pixels that the kernel makes at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block: Option<u8>,
    /// Instructions of one inference.
    pub instructions: u64,
    /// Estimated cycles, on a core that has a model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cycles: Option<u64>,
    /// Of the whole: RAM written, the stack included. Of a layer: its rows and accumulators.
    pub ram_bytes: u64,
    /// Of the whole: the functions that ran, their unused parts included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flash_code_bytes: Option<u64>,
    /// Of the whole: the plan. Of a layer: weights and tables.
    pub flash_data_bytes: u64,
    /// Multiply-accumulates.
    pub macs: u64,
}

/// What one inference took on one core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bench {
    /// Whose timings the cycles are.
    pub model: Option<Model>,
    /// The whole.
    pub total: Row,
    /// The input, then every operator.
    pub layers: Vec<Row>,
    /// Bytes of all the program's code: start-up, semihosting and the bench itself included.
    pub text_bytes: u64,
    /// What another engine takes for the same network on the same core, where that is on record.
    pub recorded: Option<&'static Recorded>,
    /// What is published of the network on a chip with this core.
    pub published: Option<&'static Published>,
}

impl Bench {
    /// The layers, then the whole.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.layers.iter().chain([&self.total])
    }
}

/// Whose timings a core's estimated cycles are. The M33 is taken for an M4; the M7, with two pipelines, has no model.
pub fn model(core: &Board) -> Option<Model> {
    match core_name(core) {
        "m0" => Some(Model::M0),
        "m3" => Some(Model::M3),
        "m4" | "m33" => Some(Model::M4),
        _ => None,
    }
}

/// Builds the bench around the bytes of a plan for one of [`CORES`](super::CORES), runs one inference in QEMU, and counts.
///
/// # Errors
/// The plan does not pass its check, something cannot be built, QEMU is missing or does not take plugins, or the answer is
/// not the host's.
pub fn bench(
    plugin: &Plugin,
    plan_bytes: &[u8],
    core: &'static Board,
    packing: Option<Packing>,
) -> Result<Bench, BoardError> {
    let words = plan::words(plan_bytes);
    let plan = Plan::parse(&words).map_err(BoardError::Plan)?;
    let firmware = Firmware::program(Program::Bench, core, plan_bytes)?;
    let elf = Elf::read(&firmware)?;
    let report = plugin.count(core, firmware.elf(), elf.laps.clone(), model(core))?;

    let model = model(core);
    let empty = Row {
        core: core_name(core),
        packing,
        layer: None,
        kernel: None,
        block: None,
        instructions: 0,
        cycles: None,
        ram_bytes: 0,
        flash_code_bytes: None,
        flash_data_bytes: 0,
        macs: 0,
    };
    let layer = |(row, lap): (LayerRow, &counter::Lap)| Row {
        layer: Some(row.layer),
        kernel: row.kernel,
        block: row.block,
        instructions: lap.instructions,
        cycles: model.map(|_| lap.cycles),
        ram_bytes: row.ram_bytes as u64,
        flash_data_bytes: row.flash_data_bytes as u64,
        macs: row.macs,
        ..empty.clone()
    };
    let layers: Vec<Row> = plan::layers(&plan).into_iter().zip(&report.laps[FIRST_LAP..]).map(layer).collect();
    let total = Row {
        instructions: report.total().instructions,
        cycles: model.map(|_| report.total().cycles),
        ram_bytes: report.written_bytes(),
        flash_code_bytes: Some(elf.functions_bytes(&report.code)),
        flash_data_bytes: plan_bytes.len() as u64,
        macs: layers.iter().map(|layer| layer.macs).sum(),
        ..empty
    };
    let recorded = recorded(&plan, core_name(core));
    let published = published(&plan).filter(|_| core_name(core) == "m4");
    Ok(Bench { model, total, layers, text_bytes: elf.text_bytes, recorded, published })
}
