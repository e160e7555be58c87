//! What a plan holds, layer by layer, for people.

use super::layout::kind_name;
use infer_nostd::{Plan, arch};

/// One row of `export inspect` on a plan.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct LayerRow {
    /// The layer's name.
    pub layer: String,
    /// What it computes.
    pub kind: &'static str,
    /// Channels, height, width of its output.
    pub output: [usize; 3],
    /// Multiply-accumulates.
    pub macs: u64,
    /// Rows in the ring of its output.
    pub ring_rows: usize,
    /// RAM of its output's ring and its accumulators, in bytes.
    pub ram_bytes: usize,
    /// Flash of its weights and tables, in bytes.
    pub flash_data_bytes: usize,
}

/// The network's input, then every operator.
pub fn layers(plan: &Plan) -> Vec<LayerRow> {
    let names = names(plan);
    let row = |id: usize| {
        let tensor = plan.tensor(id);
        let mut row = LayerRow {
            layer: names.get(id + 1).cloned().unwrap_or_default(),
            kind: "input",
            output: [tensor.channels.into(), tensor.height.into(), tensor.width.into()],
            macs: 0,
            ring_rows: tensor.slots.into(),
            ram_bytes: tensor.ring_words() * 4,
            flash_data_bytes: 0,
        };
        if let Some(id) = id.checked_sub(1) {
            let operator = plan.operator(id);
            row.kind = kind_name(operator.kind);
            row.macs = operator.macs(&plan.tensor(operator.inputs[0].into()), &tensor);
            row.ram_bytes += operator.state_words(&tensor) * 4;
            row.flash_data_bytes = (plan.weights(id).len() + plan.table(id).len()) * 4;
        }
        row
    };
    (0..plan.tensor_count()).map(row).collect()
}

/// The network's name, the input's, and each operator's.
pub fn names(plan: &Plan) -> Vec<String> {
    let bytes: Vec<u8> = arch::as_i8(plan.names()).iter().map(|&b| b as u8).collect();
    let names = bytes.split(|&b| b == 0).map(|name| String::from_utf8_lossy(name).into_owned());
    names.take(plan.tensor_count() + 1).collect()
}
