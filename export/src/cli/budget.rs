//! `export budget`: what the firmware takes of every board, held against what was agreed to.

use super::files;
use super::network::Network;
use super::progress;
use anyhow::{Context, Result, ensure};
use export::board::{self, BOARDS, Board, Budget};
use export::plan::{self, Options};
use export::tables::{grouped, table};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The zoo's first network, whose figures are on record.
const NETWORK: &str = "models/mnist-cnn";
const RECORD: &str = "firmware/budgets.json";

/// Measure the firmware on every board, and fail where it takes more than is agreed to
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  export budget                     # every board against firmware/budgets.json
  export budget --board nrf51822
  export budget --bless             # agree to what is found

It is the program `serve` around the smallest plan of mnist-cnn for the board's core; boards that QEMU does not have are not run.")]
pub struct BudgetCommand {
    /// One board only
    #[arg(long, value_name = "BOARD")]
    board: Option<String>,
    /// Record what is found instead of holding it against the record
    #[arg(long)]
    bless: bool,
}

impl BudgetCommand {
    /// Prints the table; false where a board is beyond its budget.
    pub fn run(&self) -> Result<bool> {
        ensure!(Path::new(NETWORK).exists(), "{NETWORK}: expected here; run this from the root of a checkout");
        let boards: Vec<&'static Board> = match &self.board {
            Some(name) => vec![board::board(name)?],
            None => BOARDS.iter().collect(),
        };
        let Network::Int8(graph) = Network::open(Path::new(NETWORK))? else { unreachable!("a folder's int8.onnx") };
        let mut record: BTreeMap<String, Budget> = read(Path::new(RECORD))?;
        let (mut lines, mut beyond) = (Vec::new(), Vec::new());
        let progress = progress::bar("measuring", boards.len());
        for board in boards {
            let options = Options { target: board::target(board), smallest: true, ..Options::default() };
            let plan = plan::to_bytes(&plan::plan_for(&graph, &options)?);
            let found = Budget::measure(board, &plan)?;
            lines.push(line(board, &found));
            match record.get(board.name).filter(|_| !self.bless) {
                Some(agreed) => {
                    beyond.extend(found.beyond(agreed).into_iter().map(|it| format!("{}: {it}", board.name)))
                }
                None if self.bless => drop(record.insert(board.name.into(), found)),
                None => beyond.push(format!("{}: is not on record; `export budget --bless` records it", board.name)),
            }
            progress.inc(1);
        }
        progress.finish_and_clear();
        print!("{}", table(&["board", "flash bytes", "static RAM", "stack", "RAM", "instructions"], &lines));
        beyond.iter().for_each(|sentence| eprintln!("{sentence}"));
        if self.bless {
            files::write(Path::new(RECORD), (serde_json::to_string_pretty(&record)? + "\n").as_bytes())?;
        }
        Ok(beyond.is_empty())
    }
}

fn read(path: &Path) -> Result<BTreeMap<String, Budget>> {
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let path = PathBuf::from(path);
    serde_json::from_slice(&files::read(&path)?).with_context(|| format!("{}: no record of budgets", path.display()))
}

fn line(board: &Board, found: &Budget) -> Vec<String> {
    let optional = |number: Option<u64>| number.map_or("–".into(), grouped);
    vec![
        board.name.into(),
        grouped(found.flash_bytes),
        grouped(found.static_bytes),
        optional(found.stack_bytes),
        optional(found.stack_bytes.map(|stack| stack + found.static_bytes)),
        optional(found.instructions),
    ]
}
