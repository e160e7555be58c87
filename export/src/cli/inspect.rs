//! `export inspect`: what an ONNX file or a plan holds, layer by layer.

use super::files;
use anyhow::{Context, Result};
use clap::Args;
use export::graph::{Graph, cost, passes, shape};
use export::plan::{Alternative, LayerRow};
use export::tables::{grouped, table};
use export::{onnx, plan};
use std::path::PathBuf;

/// Show a file's layers: shapes, parameters, multiply-accumulates; of a plan, what the planner chose, flash and RAM as well
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  export inspect models/mnist-cnn/float.onnx
  export inspect models/mnist-cnn/cortex-m4.plan

Of a plan: `kernel` is the inner loop in assembly (none: plain Rust), `block` the most pixels that it makes at once. Cycles are
the planner's estimates, good for comparing; `export bench` counts. `instead` is what the core's other kernels would cost: cycles,
flash, and RAM (the rows that it reads and its stack).")]
pub struct Inspect {
    /// An ONNX file or a plan
    file: PathBuf,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

impl Inspect {
    /// Prints the table.
    pub fn run(&self) -> Result<()> {
        let bytes = files::read(&self.file)?;
        let name = || self.file.display().to_string();
        if export::validate::is_plan(&bytes) {
            return self.plan(&bytes).with_context(name);
        }
        let graph = onnx::from_bytes(&bytes).with_context(name)?;
        // A file from elsewhere may hold what only its normal form has shapes for.
        let graph = if shape::infer(&graph).is_ok() { graph } else { passes::run(graph).with_context(name)? };
        self.graph(&graph).with_context(name)
    }

    fn graph(&self, graph: &Graph) -> Result<()> {
        let layers = cost::layers(graph)?;
        if self.json {
            let rows = layers.iter().map(|l| {
                serde_json::json!({ "layer": l.name, "op": l.op, "output": shape::display(&l.output),
                    "parameters": l.parameters, "macs": l.macs })
            });
            println!("{}", serde_json::to_string_pretty(&rows.collect::<Vec<_>>())?);
            return Ok(());
        }
        print_ends(graph);
        let total = |count: fn(&cost::LayerCost) -> u64| grouped(layers.iter().map(count).sum());
        let row = |l: &cost::LayerCost| {
            let type_name = format!("{:?}", l.dtype).to_lowercase();
            vec![
                l.name.clone(),
                l.op.clone(),
                shape::display(&l.output),
                type_name,
                grouped(l.parameters),
                grouped(l.macs),
            ]
        };
        let sums =
            ["total", "", "", ""].map(String::from).into_iter().chain([total(|l| l.parameters), total(|l| l.macs)]);
        let rows: Vec<_> = layers.iter().map(row).chain([sums.collect()]).collect();
        print!("{}", table(&["layer", "operator", "output", "type", "parameters", "MACs"], &rows));
        Ok(())
    }

    fn plan(&self, bytes: &[u8]) -> Result<()> {
        let words = plan::words(bytes);
        let checked = infer_nostd::Plan::parse(&words).map_err(|e| anyhow::anyhow!("the plan is refused: {e}"))?;
        let layers = plan::layers(&checked);
        if self.json {
            println!("{}", serde_json::to_string_pretty(&layers)?);
            return Ok(());
        }
        let headers = [
            "layer",
            "kind",
            "output",
            "rows lie as",
            "MACs",
            "kernel",
            "block",
            "est. cycles",
            "ring rows",
            "RAM bytes",
            "flash bytes",
        ];
        let rows: Vec<_> = layers.iter().map(layer).chain([totals(&checked, &layers)]).collect();
        let remarks = layers
            .iter()
            .map(|row| row.alternatives.iter().map(|other| instead(row, other)).collect::<Vec<_>>().join("; "));
        let remarks = ["instead".to_owned()].into_iter().chain(remarks).chain([String::new()]);
        let lines = table(&headers, &rows);
        lines.lines().zip(remarks).for_each(|(line, remark)| println!("{}", format!("{line}  {remark}").trim_end()));
        print!("\n{}", summary(&checked, &layers));
        Ok(())
    }
}

/// A layer of a plan as a line of the table.
fn layer(row: &LayerRow) -> Vec<String> {
    let [channels, height, width] = row.output;
    let [ring_rows, ram, flash] = [row.ring_rows, row.ram_bytes, row.flash_data_bytes].map(|n| grouped(n as u64));
    vec![
        row.layer.clone(),
        row.kind.into(),
        format!("{channels}×{height}×{width}"),
        row.layout.into(),
        grouped(row.macs),
        row.kernel.clone().unwrap_or("–".into()),
        row.block.map_or("–".into(), |block| block.to_string()),
        row.cycles.map_or("–".into(), grouped),
        ring_rows,
        ram,
        flash,
    ]
}

fn totals(plan: &infer_nostd::Plan, layers: &[LayerRow]) -> Vec<String> {
    let macs = layers.iter().map(|row| row.macs).sum();
    let cycles = layers.iter().filter_map(|row| row.cycles).sum();
    let [ram, flash] = [plan.arena_words(), plan.words().len()].map(|words| grouped(words as u64 * 4));
    let none = String::new;
    vec!["total".into(), none(), none(), none(), grouped(macs), none(), none(), grouped(cycles), none(), ram, flash]
}

/// What an alternative would change: "Widened8: +12 % cycles, −4,608 B flash".
fn instead(row: &LayerRow, other: &Alternative) -> String {
    let percent = other.cycles as f64 / row.cycles.unwrap_or(1).max(1) as f64 * 100.0;
    let bytes = |count: i64, of| (count != 0).then(|| format!("{} B {of}", signed(count)));
    let parts = [
        Some(format!("{percent:+.0} % cycles").replace('-', "−")),
        bytes(other.flash_bytes, "flash"),
        bytes(other.ram_bytes, "RAM"),
    ];
    let block =
        if row.kernel.as_deref() == Some(&other.kernel) { format!(" by {}", other.block) } else { String::new() };
    format!("{}{block}: {}", other.kernel, parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

fn signed(count: i64) -> String {
    format!("{}{}", if count < 0 { "−" } else { "+" }, grouped(count.unsigned_abs()))
}

/// The core, the RAM in all, and what the table says of the choice.
fn summary(plan: &infer_nostd::Plan, layers: &[LayerRow]) -> String {
    let target = plan::target(plan).map_or("a core of a later version".into(), |target| target.to_string());
    let (rows, stack) = (plan.arena_words() * 4, plan.stack_bytes());
    let [rows, stack, ram] = [rows, stack, rows + stack].map(|bytes| grouped(bytes as u64));
    let code = grouped(plan::code_bytes(plan) as u64);
    let shared = sharing(layers.iter().map(|row| row.ram_bytes).sum(), plan.arena_words() * 4);
    let all = || layers.iter().flat_map(|row| &row.alternatives);
    let choice = match all().next() {
        None => "",
        Some(_) if all().all(|other| other.cycles >= 0) => "No layer has a faster kernel.\n",
        Some(_) => "Faster kernels would take more memory, as the last column says.\n",
    };
    format!(
        "planned for {target}; RAM: {rows} bytes of rows and accumulators, {stack} of stack in kernels, {ram} in all; \
         kernels: about {code} bytes of code\n{shared}{choice}"
    )
}

/// Why the layers' RAM is more than the plan's, where it is.
fn sharing(alone_bytes: usize, taken_bytes: usize) -> String {
    if alone_bytes <= taken_bytes {
        return String::new();
    }
    format!("Rings whose times are apart share places: alone they would take {} bytes.\n", grouped(alone_bytes as u64))
}

fn print_ends(graph: &Graph) {
    let ends = |values: &[export::graph::ValueInfo]| {
        let end = |v: &export::graph::ValueInfo| {
            format!("{} {} {:?}", v.name, shape::display(&v.shape), v.dtype).to_lowercase()
        };
        values.iter().map(end).collect::<Vec<_>>().join(", ")
    };
    println!("{}: {} → {}", graph.name, ends(&graph.inputs), ends(&graph.outputs));
    graph.metadata.iter().for_each(|(key, value)| println!("  {key}: {value}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_is_not_the_total_is_explained() {
        assert_eq!(
            sharing(3784, 3636),
            "Rings whose times are apart share places: alone they would take 3,784 bytes.\n"
        );
        assert_eq!([sharing(3636, 3636), sharing(3000, 3636)], [""; 2], "rows that land have places of their own");
    }
}
