//! `export inspect`: what an ONNX file or a plan holds, layer by layer.

use super::files;
use anyhow::{Context, Result};
use clap::Args;
use export::graph::{Graph, cost, shape};
use export::report::{grouped, table};
use export::{onnx, plan};
use std::path::PathBuf;

/// Show a file's layers: shapes, parameters, multiply-accumulates; of a plan, flash and RAM as well
#[derive(Debug, Args)]
#[command(after_help = "Example: export inspect models/mnist-cnn/float.onnx")]
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
        self.graph(&onnx::from_bytes(&bytes).with_context(name)?).with_context(name)
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
        let row = |l: &plan::LayerRow| {
            let [channels, height, width] = l.output;
            let numbers = [l.macs, l.ring_rows as u64, l.ram_bytes as u64, l.flash_data_bytes as u64].map(grouped);
            [vec![l.layer.clone(), l.kind.into(), format!("{channels}×{height}×{width}")], numbers.to_vec()].concat()
        };
        let total = |count: fn(&plan::LayerRow) -> u64| grouped(layers.iter().map(count).sum());
        let sums = vec![
            "total".into(),
            String::new(),
            String::new(),
            total(|l| l.macs),
            String::new(),
            grouped(checked.arena_words() as u64 * 4),
            grouped(words.len() as u64 * 4),
        ];
        let rows: Vec<_> = layers.iter().map(row).chain([sums]).collect();
        print!("{}", table(&["layer", "kind", "output", "MACs", "ring rows", "RAM bytes", "flash bytes"], &rows));
        Ok(())
    }
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
