//! What the reader knows of a float value: the tensor it is, or what it waits for.

use super::super::{
    TensorId,
    activation::{Bounds, carries_activation},
    operator::keeps_scale,
};
use crate::graph::{Node, Op};

/// A float value.
#[derive(Clone)]
pub(super) enum Value<'g> {
    /// Exactly what an int8 tensor stands for.
    Tensor(TensorId),
    /// What a tensor was rounded from.
    Rounded(TensorId),
    /// The result of an operator without a scale yet.
    Waiting(Waiting<'g>),
    /// Made of floats; complained about.
    Float,
}

/// A result without a scale, and the operators after it that rounding may as well precede.
#[derive(Clone)]
pub(super) struct Waiting<'g> {
    pub maker: Maker<'g>,
    pub commuting: Vec<&'g Node>,
}

#[derive(Clone)]
pub(super) enum Maker<'g> {
    /// The network's caller.
    Caller,
    /// An operator of int8 tensors, and the bounds of the activations after it.
    Operator { node: &'g Node, inputs: Vec<TensorId>, bounds: Bounds },
}

impl<'g> Waiting<'g> {
    /// And then a commuting operator: bounds of the maker, where it has them and nothing lies between.
    pub fn then(mut self, node: &'g Node) -> Self {
        match (&mut self.maker, Bounds::of(&node.op)) {
            (Maker::Operator { node: maker, bounds, .. }, Some(next))
                if self.commuting.is_empty() && carries_activation(&maker.op) =>
            {
                *bounds = bounds.then(next);
            }
            _ => self.commuting.push(node),
        }
        self
    }
}

/// Whether an operator gives the same whether its input is rounded before or its result after: it only moves values, or
/// chooses among them, or bounds them.
pub(super) fn commutes(op: &Op) -> bool {
    keeps_scale(op) || Bounds::of(op).is_some()
}
