//! `export bench`: what one inference takes on each core, counted in QEMU.

use super::network::Network;
use super::{progress, sweep};
use anyhow::{Context, Result};
use export::board::bench::{Bench, Packing, Plugin, Published, Row, bench};
use export::board::{self, Board, CORES};
use export::plan::{self, Options};
use export::tables::{grouped, table};
use std::path::PathBuf;
use std::thread;

/// Count what one inference takes on emulated cores: instructions, estimated cycles, RAM and flash, by layer
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  export bench                                    # mnist-cnn on every core, smallest and fastest
  export bench models/mnist-dsres --core m4
  export bench int8.onnx --core m0 --ram-budget 5000
  export bench models/mnist-cnn/net.plan --core m3
  export bench --sweep                            # the table of docs/COST.md

An int8 ONNX file is planned for each core, a plan runs as it is. Instructions are exact. Cycles are estimates from Arm's tables of
timings, for memory without wait states; the M33 is taken for an M4, and the M7 has none. RAM is what an inference writes, the
stack included; code is the functions that ran, whole. For the network that CMSIS-NN's figures are recorded of, each figure is
followed by its share of CMSIS-NN's.")]
pub struct BenchCommand {
    /// An int8 ONNX file, a folder with int8.onnx, or a plan
    #[arg(default_value = "models/mnist-cnn", value_name = "NET")]
    network: PathBuf,
    /// The core: m0, m3, m4, m7, m33, or all of them
    #[arg(long, default_value = "all", value_name = "CORE")]
    core: String,
    /// One plan a core, the fastest of at most so many bytes of flash
    #[arg(long, value_name = "BYTES")]
    flash_budget: Option<usize>,
    /// One plan a core, the fastest whose rows, accumulators and kernels' stack take at most so many bytes of RAM
    #[arg(long, value_name = "BYTES")]
    ram_budget: Option<usize>,
    /// Show every layer; it does with a single core
    #[arg(long)]
    layers: bool,
    /// Count convolutions of many shapes instead of a network, one layer each; all cores are m4, m3 and m0
    #[arg(long, conflicts_with_all = ["network", "layers", "flash_budget", "ram_budget"])]
    sweep: bool,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
}

/// A plan and the core to count it on.
pub struct Job {
    pub core: &'static Board,
    pub packing: Option<Packing>,
    pub plan: Vec<u8>,
}

impl BenchCommand {
    /// Prints the tables.
    pub fn run(&self) -> Result<()> {
        if self.sweep {
            return sweep::run(&self.cores()?, self.json);
        }
        let name = || self.network.display().to_string();
        let network = Network::open(&self.network)?;
        let cores = self.cores()?;
        let jobs = cores.iter().map(|core| self.jobs(&network, core)).collect::<Result<Vec<_>>>().with_context(name)?;
        let benches = count(&jobs.into_iter().flatten().collect::<Vec<_>>()).with_context(name)?;
        if self.json {
            let rows: Vec<&Row> = benches.iter().flat_map(Bench::rows).collect();
            println!("{}", serde_json::to_string_pretty(&rows)?);
            return Ok(());
        }
        if self.layers || cores.len() == 1 {
            println!("{}", layers(&benches));
        }
        print!("{}", summary(&benches));
        if let Some(published) = benches.iter().find_map(|bench| bench.published) {
            println!("\n{}", against(published));
        }
        Ok(())
    }

    fn cores(&self) -> Result<Vec<&'static Board>> {
        match self.core.as_str() {
            "all" if self.sweep => Ok(sweep::CORES.into_iter().map(board::core).collect::<Result<_, _>>()?),
            "all" => Ok(CORES.iter().collect()),
            core => Ok(vec![board::core(core)?]),
        }
    }

    /// What to count on a core: the plan, or the smallest and the fastest, or the one that the budgets allow.
    fn jobs(&self, network: &Network, core: &'static Board) -> Result<Vec<Job>> {
        let graph = match network {
            Network::Plan(plan) => return Ok(vec![Job { core, packing: None, plan: plan.clone() }]),
            Network::Int8(graph) => graph,
        };
        let Self { flash_budget, ram_budget, .. } = *self;
        let packings = match flash_budget.or(ram_budget) {
            Some(_) => vec![None],
            None => vec![Some(Packing::Smallest), Some(Packing::Fastest)],
        };
        let job = |packing| {
            let smallest = packing == Some(Packing::Smallest);
            let options = Options { target: board::target(core), flash_budget, ram_budget, smallest };
            Ok(Job { core, packing, plan: plan::to_bytes(&plan::plan_for(graph, &options)?) })
        };
        packings.into_iter().map(job).collect()
    }
}

/// Counts every job: one is built while the one before runs.
pub fn count(jobs: &[Job]) -> Result<Vec<Bench>> {
    let plugin = &Plugin::build()?;
    let progress = &progress::bar("counting", jobs.len());
    let count = |job: &Job| {
        let bench = bench(plugin, &job.plan, job.core, job.packing);
        progress.inc(1);
        bench.with_context(|| job.core.name)
    };
    let benches = thread::scope(|scope| {
        let threads: Vec<_> = jobs.iter().map(|job| scope.spawn(move || count(job))).collect();
        threads.into_iter().map(|thread| thread.join().expect("counting does not panic")).collect()
    });
    progress.finish_and_clear();
    benches
}

/// A line a layer.
fn layers(benches: &[Bench]) -> String {
    let line = |row: &Row| {
        let [per_instruction, per_cycle] = [Some(row.instructions), row.cycles].map(|count| per_mac(count, row.macs));
        let cycles = optional(row.cycles);
        let layer = row.layer.clone().unwrap_or("total".into());
        let kernel = match (&row.kernel, row.block) {
            (Some(kernel), Some(block)) => format!("{kernel} × {block}"),
            (Some(kernel), None) => kernel.clone(),
            _ => "–".into(),
        };
        let [macs, instructions] = [row.macs, row.instructions].map(grouped);
        vec![row.core.into(), packing(row), layer, kernel, macs, instructions, cycles, per_instruction, per_cycle]
    };
    let headers =
        ["core", "packing", "layer", "kernel", "MACs", "instructions", "est. cycles", "instr/MAC", "cycles/MAC"];
    table(&headers, &benches.iter().flat_map(Bench::rows).map(line).collect::<Vec<_>>())
}

/// A line a plan; shares of CMSIS-NN's figures where there are any.
fn summary(benches: &[Bench]) -> String {
    let against = benches.iter().any(|bench| bench.recorded.is_some());
    let share = |ours: Option<u64>, theirs: Option<u64>| against.then(|| ratio(ours, theirs));
    let line = |bench: &Bench| {
        let row = &bench.total;
        let theirs = bench.recorded;
        let cells = [
            Some(row.core.to_owned()),
            Some(packing(row)),
            Some(grouped(row.instructions)),
            share(Some(row.instructions), theirs.map(|row| row.instructions)),
            Some(optional(row.cycles)),
            share(row.cycles, theirs.and_then(|row| row.cycles)),
            Some(per_mac(row.cycles, row.macs)),
            Some(grouped(row.ram_bytes)),
            share(Some(row.ram_bytes), theirs.map(|row| row.ram_bytes)),
            Some(optional(row.flash_code_bytes)),
            Some(grouped(row.flash_data_bytes)),
        ];
        cells.into_iter().flatten().collect()
    };
    let theirs = "/CMSIS-NN";
    let headers = [
        "core",
        "packing",
        "instructions",
        theirs,
        "est. cycles",
        theirs,
        "cycles/MAC",
        "RAM written",
        theirs,
        "code",
        "plan",
    ];
    let headers: Vec<&str> = headers.into_iter().filter(|&header| against || header != theirs).collect();
    table(&headers, &benches.iter().map(line).collect::<Vec<_>>())
}

/// What others publish of the network.
fn against(published: &Published) -> String {
    let (cycles, per_mac) = (grouped(published.cycles), per_mac(Some(published.cycles), published.macs));
    format!(
        "MLPerf Tiny, {}, best published on an STM32L4R5 (Cortex-M4 at 120 MHz, measured on the chip): {cycles} cycles, {per_mac} a MAC",
        published.task
    )
}

fn packing(row: &Row) -> String {
    match row.packing {
        Some(Packing::Smallest) => "smallest".into(),
        Some(Packing::Fastest) => "fastest".into(),
        None => "–".into(),
    }
}

fn optional(number: Option<u64>) -> String {
    number.map_or("–".into(), grouped)
}

/// Two decimals; a dash where there is no count, or no MAC.
pub fn per_mac(count: Option<u64>, macs: u64) -> String {
    count.filter(|_| macs > 0).map_or("–".into(), |count| format!("{:.2}", count as f64 / macs as f64))
}

fn ratio(ours: Option<u64>, theirs: Option<u64>) -> String {
    ours.zip(theirs).map_or("–".into(), |(ours, theirs)| format!("{:.2}×", ours as f64 / theirs as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_that_are_not_there_are_dashes() {
        assert_eq!(per_mac(Some(19_547_003), 2_317_248), "8.44");
        assert_eq!([per_mac(None, 1), per_mac(Some(1), 0)], ["–", "–"]);
        assert_eq!(ratio(Some(6_084), Some(14_462)), "0.42×");
        assert_eq!(ratio(Some(6_084), None), "–");
    }
}
