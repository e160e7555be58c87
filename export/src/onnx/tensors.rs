//! Constants, element types and value types ⇄ their messages.

use super::error::OnnxError;
use super::proto::{
    DimensionProto, DimensionValue, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
    data_type,
};
use super::{MAX_DIM, MAX_RANK};
use crate::graph::{DType, Data, Dim, MAX_VALUES, Tensor, ValueInfo};

/// What a dimension without number or symbol is called.
const UNKNOWN_DIM: &str = "unknown";

/// A constant of the file, called `name` in errors.
pub(super) fn read_tensor(proto: &TensorProto, name: &str) -> Result<Tensor, OnnxError> {
    if proto.data_location != 0 || !proto.external_data.is_empty() {
        return Err(OnnxError::ExternalData { tensor: name.into(), location: location(proto) });
    }
    let dims = checked_dims(&proto.dims, name)?;
    let values = Values { proto, name, count: dims.iter().product() };
    // Booleans are bytes: only nodes that are not carried on read them.
    let data_type = if proto.data_type == data_type::BOOL { data_type::UINT8 } else { proto.data_type };
    let data = match read_dtype(data_type, name)? {
        DType::F32 => Data::F32(values.read(&proto.float_data, f32::from_le_bytes)?),
        DType::I64 => Data::I64(values.read(&proto.int64_data, i64::from_le_bytes)?),
        DType::I32 => Data::I32(values.read(&proto.int32_data, i32::from_le_bytes)?),
        // Narrow integers lie in 32-bit fields where they are not raw; their high bits carry nothing.
        DType::I8 => Data::I8(values.read(&narrow(proto, |v| v as i8), i8::from_le_bytes)?),
        DType::U8 => Data::U8(values.read(&narrow(proto, |v| v as u8), u8::from_le_bytes)?),
    };
    Ok(Tensor { dims, data })
}

fn narrow<T>(proto: &TensorProto, cast: impl Fn(i32) -> T) -> Vec<T> {
    proto.int32_data.iter().map(|&v| cast(v)).collect()
}

fn location(proto: &TensorProto) -> String {
    let entry = proto.external_data.iter().find(|e| e.key == "location");
    entry.map_or_else(|| "no location given".into(), |e| e.value.clone())
}

/// The values of one message, which must be `count`.
struct Values<'a> {
    proto: &'a TensorProto,
    name: &'a str,
    count: usize,
}

impl Values<'_> {
    fn read<T: Copy, const N: usize>(&self, typed: &[T], from_bytes: fn([u8; N]) -> T) -> Result<Vec<T>, OnnxError> {
        let Some(raw) = &self.proto.raw_data else {
            self.expect(self.count, typed.len(), "values")?;
            return Ok(typed.to_vec());
        };
        self.expect(self.count * N, raw.len(), "bytes")?;
        Ok(raw.as_chunks().0.iter().map(|&chunk| from_bytes(chunk)).collect())
    }

    fn expect(&self, expected: usize, found: usize, unit: &str) -> Result<(), OnnxError> {
        if expected == found {
            return Ok(());
        }
        Err(OnnxError::DataLength {
            tensor: self.name.into(),
            dims: self.proto.dims.clone(),
            expected: format!("{expected} {unit}"),
            found: format!("{found}"),
        })
    }
}

/// Dimensions within the caps, whose product (in bytes, of the widest type) is a size in memory.
fn checked_dims(dims: &[i64], name: &str) -> Result<Vec<usize>, OnnxError> {
    let refuse = || OnnxError::Dimensions { value: name.into(), dims: dims.to_vec() };
    if dims.len() > MAX_RANK {
        return Err(refuse());
    }
    let fixed = |&d: &i64| usize::try_from(d).ok().filter(|&d| d <= MAX_DIM);
    let fixed: Vec<usize> = dims.iter().map(fixed).collect::<Option<_>>().ok_or_else(refuse)?;
    let len_bytes = fixed.iter().try_fold(size_of::<i64>(), |product, &d| product.checked_mul(d));
    len_bytes.filter(|&len| len <= isize::MAX as usize).map(|_| fixed).ok_or_else(refuse)
}

/// A constant as a message, raw.
pub(super) fn write_tensor(tensor: &Tensor, name: &str) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: tensor.dims.iter().map(|&d| d as i64).collect(),
        data_type: write_dtype(tensor.data.dtype()),
        raw_data: Some(raw(&tensor.data)),
        ..TensorProto::default()
    }
}

fn raw(data: &Data) -> Vec<u8> {
    match data {
        Data::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::I8(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::U8(v) => v.clone(),
        Data::I32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::I64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
    }
}

pub(super) fn read_dtype(number: i32, name: &str) -> Result<DType, OnnxError> {
    Ok(match number {
        data_type::FLOAT => DType::F32,
        data_type::UINT8 => DType::U8,
        data_type::INT8 => DType::I8,
        data_type::INT32 => DType::I32,
        data_type::INT64 => DType::I64,
        other => return Err(OnnxError::ElementType { tensor: name.into(), found: type_name(other) }),
    })
}

/// Names of the types that people meet; numbers for the rest.
fn type_name(number: i32) -> String {
    match number {
        8 => "string".into(),
        9 => "bool".into(),
        10 => "float16".into(),
        11 => "double (float64)".into(),
        16 => "bfloat16".into(),
        other => format!("number {other}"),
    }
}

pub(super) fn write_dtype(dtype: DType) -> i32 {
    match dtype {
        DType::F32 => data_type::FLOAT,
        DType::U8 => data_type::UINT8,
        DType::I8 => data_type::INT8,
        DType::I32 => data_type::INT32,
        DType::I64 => data_type::INT64,
    }
}

/// An input or output of the graph.
pub(super) fn read_value_info(proto: &ValueInfoProto) -> Result<ValueInfo, OnnxError> {
    let untyped = || OnnxError::Untyped { value: proto.name.clone() };
    let tensor = proto.r#type.as_ref().and_then(|t| t.tensor_type.as_ref()).ok_or_else(untyped)?;
    let shape = tensor.shape.as_ref().ok_or_else(untyped)?;
    Ok(ValueInfo {
        name: proto.name.clone(),
        dtype: read_dtype(tensor.elem_type, &proto.name)?,
        shape: read_shape(shape, &proto.name)?,
    })
}

fn read_shape(shape: &TensorShapeProto, name: &str) -> Result<Vec<Dim>, OnnxError> {
    let fixed = |d: &DimensionProto| match d.value {
        Some(DimensionValue::Value(extent)) => Some(extent),
        _ => None,
    };
    let dims: Vec<i64> = shape.dim.iter().filter_map(fixed).collect();
    let values: usize = checked_dims(&dims, name)?.iter().product();
    if shape.dim.len() > MAX_RANK || values > MAX_VALUES {
        return Err(OnnxError::Dimensions { value: name.into(), dims });
    }
    Ok(shape.dim.iter().map(read_dim).collect())
}

fn read_dim(dim: &DimensionProto) -> Dim {
    match &dim.value {
        Some(DimensionValue::Value(extent)) => Dim::Fixed(*extent as usize),
        Some(DimensionValue::Param(symbol)) => Dim::Symbol(symbol.clone()),
        None => Dim::Symbol(UNKNOWN_DIM.into()),
    }
}

/// A value's type as a message.
pub(super) fn write_value_info(value: &ValueInfo) -> ValueInfoProto {
    let dim = value.shape.iter().map(write_dim).collect();
    let tensor = TensorTypeProto { elem_type: write_dtype(value.dtype), shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto { name: value.name.clone(), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}

fn write_dim(dim: &Dim) -> DimensionProto {
    let value = match dim {
        Dim::Fixed(extent) => DimensionValue::Value(*extent as i64),
        Dim::Symbol(symbol) => DimensionValue::Param(symbol.clone()),
    };
    DimensionProto { value: Some(value) }
}
