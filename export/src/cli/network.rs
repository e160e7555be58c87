//! A network as commands take it that plan for the cores it is to run on.

use super::files;
use anyhow::{Context, Result};
use export::board::{self, Board};
use export::inputs::Intake;
use export::quantize::{QuantGraph, qdq};
use export::validate::StageError;
use export::{onnx, plan, validate};
use std::path::{Path, PathBuf};

/// A plan to be run as it is, or a network to plan.
pub enum Network {
    /// The bytes of a plan.
    Plan(Vec<u8>),
    /// What an int8 ONNX file says.
    Int8(Box<QuantGraph>),
}

impl Network {
    /// Opens a plan, an int8 ONNX file, or a folder's int8.onnx.
    pub fn open(path: &Path) -> Result<Self> {
        let path = &file_of(path);
        Self::from_bytes(files::read(path)?).with_context(|| path.display().to_string())
    }

    /// The same of a file's bytes.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        if validate::is_plan(&bytes) {
            infer_nostd::Plan::parse(&plan::words(&bytes)).map_err(StageError::Plan)?;
            return Ok(Self::Plan(bytes));
        }
        Ok(Self::Int8(Box::new(qdq::from_graph(&onnx::from_bytes(&bytes)?)?)))
    }

    /// How it takes pictures and arrays.
    pub fn intake(&self) -> Result<Intake> {
        Ok(match self {
            Self::Plan(bytes) => {
                let words = plan::words(bytes);
                Intake::of_plan(&infer_nostd::Plan::parse(&words).map_err(StageError::Plan)?.input())
            }
            Self::Int8(graph) => {
                let input = &graph.tensors[graph.input];
                Intake::of_metadata(input.shape, &input.name, &graph.metadata)?
            }
        })
    }

    /// The bytes of a plan for a board: as it is, or the fastest that fits.
    pub fn plan_for(&self, board: &Board) -> Result<Vec<u8>> {
        match self {
            Self::Plan(bytes) => Ok(bytes.clone()),
            Self::Int8(graph) => {
                let words = board::fastest_plan(graph, board);
                Ok(plan::to_bytes(&words.with_context(|| format!("a plan for {}", board.name))?))
            }
        }
    }
}

/// A folder stands for its int8.onnx.
pub fn file_of(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("int8.onnx") } else { path.into() }
}
