//! Whole numbers of shape arithmetic, some of which stand for the batch.

use super::super::rewriter::Rewriter;
use crate::graph::attributes::positions;
use crate::graph::{Data, Dim, Node, Op, Tensor};

/// Most extents of a list: more than dimensions there are, as lists are joined before parts of them are taken.
const MOST_EXTENTS: usize = 256;

/// A scalar or a list of integers; none stands for the batch, whatever its size.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Extents {
    is_scalar: bool,
    pub(in super::super) values: Vec<Option<i64>>,
}

impl Extents {
    fn list(values: Vec<Option<i64>>) -> Self {
        Self { is_scalar: false, values }
    }

    /// As a constant, where no batch is among them.
    pub(super) fn known(&self) -> Option<Tensor> {
        let values = self.values.iter().copied().collect::<Option<Vec<i64>>>()?;
        let dims = if self.is_scalar { vec![] } else { vec![values.len()] };
        Some(Tensor { dims, data: Data::I64(values) })
    }

    fn read(rw: &Rewriter, value: &str) -> Option<Self> {
        if let Some(extents) = rw.extents.get(value) {
            return Some(extents.clone());
        }
        let tensor = rw.tensor(value).filter(|t| t.dims.len() <= 1)?;
        let values = match &tensor.data {
            Data::I64(values) => values.iter().map(|&v| Some(v)).collect(),
            Data::I32(values) => values.iter().map(|&v| Some(v.into())).collect(),
            _ => return None,
        };
        Some(Self { is_scalar: tensor.dims.is_empty(), values })
    }
}

/// What `node` makes of a shape, or of what was made of one; none where it is something else.
pub(super) fn of(rw: &Rewriter, node: &Node) -> Option<Extents> {
    let extents = if node.op.other("Shape").is_some() { shape(rw, node) } else { arithmetic(rw, node) };
    extents.filter(|extents| extents.values.len() <= MOST_EXTENTS)
}

fn arithmetic(rw: &Rewriter, node: &Node) -> Option<Extents> {
    node.inputs.iter().any(|i| rw.extents.contains_key(i)).then_some(())?;
    let input = |position: usize| Extents::read(rw, node.input(position)?);
    let numbers = |position: usize| rw.constant(node, position)?.as_i64();
    match &node.op {
        Op::Concat { axis: 0 | -1 } => {
            let parts = (0..node.inputs.len()).map(input).collect::<Option<Vec<_>>>()?;
            parts
                .iter()
                .all(|p| !p.is_scalar)
                .then(|| Extents::list(parts.into_iter().flat_map(|p| p.values).collect()))
        }
        Op::Other { op_type, .. } => match op_type.as_str() {
            "Gather" => {
                let (data, indices) = (input(0)?, rw.constant(node, 1)?);
                let values = positions(indices.as_i64()?, data.values.len())?.iter().map(|&i| data.values[i]).collect();
                (indices.dims.len() <= 1).then_some(Extents { is_scalar: indices.dims.is_empty(), values })
            }
            "Slice" if node.input(4).is_none() || numbers(4) == Some(&[1]) => {
                let (data, start, end) = (input(0)?, numbers(1)?, numbers(2)?);
                let (&[start], &[end]) = (start, end) else { return None };
                Some(Extents::list(between(&data.values, start, end).to_vec()))
            }
            "Unsqueeze" => Some(Extents { is_scalar: false, ..input(0).filter(|x| x.is_scalar)? }),
            "Squeeze" => Some(Extents { is_scalar: true, ..input(0).filter(|x| !x.is_scalar && x.values.len() == 1)? }),
            "Cast" | "Identity" => input(0),
            _ => None,
        },
        _ => None,
    }
}

fn shape(rw: &Rewriter, node: &Node) -> Option<Extents> {
    let attributes = node.op.other("Shape")?;
    let batch = rw.batch();
    let extent = |dim: &Dim| match dim {
        Dim::Fixed(extent) => Some(Some(*extent as i64)),
        symbol => (Some(symbol) == batch).then_some(None),
    };
    let value = node.input(0)?;
    let dims = match rw.tensor(value) {
        Some(constant) => constant.dims.iter().map(|&d| Some(d as i64)).collect(),
        None => rw.info(value)?.shape.iter().map(extent).collect::<Option<Vec<_>>>()?,
    };
    Some(Extents::list(between(&dims, attributes.int("start", 0)?, attributes.int("end", i64::MAX)?).to_vec()))
}

/// The values from `start` to before `end`, counted from the end where negative.
fn between<T>(values: &[T], start: i64, end: i64) -> &[T] {
    let len = values.len() as i64;
    let at =
        |position: i64| (if position < 0 { position.saturating_add(len) } else { position }).clamp(0, len) as usize;
    values.get(at(start)..at(end)).unwrap_or_default()
}
