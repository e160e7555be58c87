//! Attributes ⇄ their messages.

use std::collections::BTreeMap;

use super::error::OnnxError;
use super::proto::{AttributeProto, NodeProto, attribute_type};
use super::tensors::{read_tensor, write_tensor};
use crate::graph::Attribute;

/// A node's attributes by name.
pub(super) fn read_attributes(node: &NodeProto) -> Result<BTreeMap<String, Attribute>, OnnxError> {
    let read = |a: &AttributeProto| Ok((a.name.clone(), read_attribute(a, &node.name)?));
    node.attribute.iter().map(read).collect()
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
