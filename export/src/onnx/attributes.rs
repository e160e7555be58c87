//! Attributes ⇄ their messages.

use std::collections::BTreeMap;

use super::error::OnnxError;
use super::proto::{AttributeProto, NodeProto, attribute_type};
use super::tensors::{read_tensor, write_tensor};
use crate::graph::Attribute;

/// A node's attributes by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Attributes(pub BTreeMap<String, Attribute>);

impl Attributes {
    pub(super) fn read(node: &NodeProto) -> Result<Self, OnnxError> {
        let read = |a: &AttributeProto| Ok((a.name.clone(), read_attribute(a, &node.name)?));
        node.attribute.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// An integer, `default` where absent; none where it is of another type.
    pub(super) fn int(&self, name: &str, default: i64) -> Option<i64> {
        match self.0.get(name) {
            None => Some(default),
            Some(Attribute::Int(value)) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn float(&self, name: &str, default: f32) -> Option<f32> {
        match self.0.get(name) {
            None => Some(default),
            Some(Attribute::Float(value)) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn text<'a>(&'a self, name: &str, default: &'a str) -> Option<&'a str> {
        match self.0.get(name) {
            None => Some(default),
            Some(Attribute::Text(value)) => Some(value),
            _ => None,
        }
    }

    /// `N` sizes, `default` where absent; none where they are of another type, number or sign.
    pub(super) fn sizes<const N: usize>(&self, name: &str, default: [usize; N]) -> Option<[usize; N]> {
        match self.0.get(name) {
            None => Some(default),
            Some(Attribute::Ints(values)) => sizes(values),
            _ => None,
        }
    }
}

fn sizes<const N: usize>(values: &[i64]) -> Option<[usize; N]> {
    let small = |&v: &i64| usize::try_from(v).ok().filter(|&v| v <= super::MAX_DIM);
    let values: Vec<usize> = values.iter().map(small).collect::<Option<_>>()?;
    values.try_into().ok()
}

fn read_attribute(proto: &AttributeProto, node: &str) -> Result<Attribute, OnnxError> {
    let unread = || Attribute::Unread(format!("attribute type {}", proto.r#type));
    Ok(match proto.r#type {
        // A writer of proto3 leaves out values that are zero.
        attribute_type::FLOAT => Attribute::Float(proto.f.unwrap_or_default()),
        attribute_type::INT => Attribute::Int(proto.i.unwrap_or_default()),
        attribute_type::FLOATS => Attribute::Floats(proto.floats.clone()),
        attribute_type::INTS => Attribute::Ints(proto.ints.clone()),
        attribute_type::STRING => text(proto).map_or_else(unread, Attribute::Text),
        attribute_type::TENSOR => match &proto.t {
            Some(tensor) => Attribute::Tensor(read_tensor(tensor, &format!("{node}.{}", proto.name))?),
            None => unread(),
        },
        _ => unread(),
    })
}

fn text(proto: &AttributeProto) -> Option<String> {
    String::from_utf8(proto.s.clone().unwrap_or_default()).ok()
}

/// An attribute as a message.
pub(super) fn write_attribute(name: &str, value: &Attribute) -> AttributeProto {
    let mut proto = AttributeProto { name: name.into(), ..AttributeProto::default() };
    proto.r#type = match value {
        Attribute::Int(value) => {
            proto.i = Some(*value);
            attribute_type::INT
        }
        Attribute::Float(value) => {
            proto.f = Some(*value);
            attribute_type::FLOAT
        }
        Attribute::Text(value) => {
            proto.s = Some(value.clone().into_bytes());
            attribute_type::STRING
        }
        Attribute::Ints(values) => {
            proto.ints = values.clone();
            attribute_type::INTS
        }
        Attribute::Floats(values) => {
            proto.floats = values.clone();
            attribute_type::FLOATS
        }
        Attribute::Tensor(tensor) => {
            proto.t = Some(write_tensor(tensor, name));
            attribute_type::TENSOR
        }
        Attribute::Unread(_) => 0,
    };
    proto
}
