//! ONNX operators over constants.

use super::super::arrays::{common, expand, gather, len, pick, transpose};
use crate::graph::attributes::positions;
use crate::graph::{Attribute, Attributes, Data, MAX_RANK, Op, Tensor};

/// ONNX's number of float32.
pub(super) const FLOAT: i64 = 1;

/// What `op` makes of `inputs`; none where it is not one of those that exporters leave over constants.
pub(super) fn evaluate(op: &Op, inputs: &[Option<&Tensor>]) -> Option<Tensor> {
    let input = |position: usize| inputs.get(position).copied().flatten();
    let ints = |position: usize| input(position)?.as_i64();
    let first = input(0)?;
    // Max, Min and Sum may have more: those are left as they are.
    let two = |real: fn(f32, f32) -> f32, whole: fn(i64, i64) -> Option<i64>| match inputs {
        [_, Some(second)] => elementwise(first, second, real, whole),
        _ => None,
    };
    match op {
        Op::Add => two(|a, b| a + b, i64::checked_add),
        Op::Mul => two(|a, b| a * b, i64::checked_mul),
        Op::Concat { axis } => concat(*axis, &inputs.iter().copied().collect::<Option<Vec<_>>>()?),
        Op::Reshape => reshape(first, ints(1)?),
        Op::Flatten { axis } => {
            let at = positions(&[*axis], first.dims.len() + 1)?[0];
            let [before, after] = [&first.dims[..at], &first.dims[at..]].map(|dims| len(dims, first.data.len()));
            Some(Tensor { dims: vec![before?, after?], data: first.data.clone() })
        }
        Op::Other { op_type, attributes } => {
            let attributes = Attributes(attributes);
            match op_type.as_str() {
                "Identity" => Some(first.clone()),
                "Sub" => two(|a, b| a - b, i64::checked_sub),
                "Div" => two(|a, b| a / b, i64::checked_div),
                "Pow" => two(f32::powf, |_, _| None),
                "Max" => two(f32::max, |a, b| Some(a.max(b))),
                "Min" => two(f32::min, |a, b| Some(a.min(b))),
                "Neg" => reals(first, |x| -x),
                "Sqrt" => reals(first, f32::sqrt),
                "Exp" => reals(first, f32::exp),
                "Reciprocal" => reals(first, f32::recip),
                "Clip" => clip(first, [input(1), input(2)]),
                "Cast" => cast(first, attributes.int("to", 0)?),
                "Transpose" => {
                    let reversed = (0..first.dims.len()).rev().collect();
                    transpose(first, &attributes.positions("perm", first.dims.len(), reversed)?)
                }
                "Gather" => take(first, input(1)?, attributes.int("axis", 0)?),
                "Slice" => slice(first, [ints(1), ints(2), ints(3), ints(4)]),
                "Squeeze" => squeeze(first, ints(1)),
                "Unsqueeze" => unsqueeze(first, ints(1)?),
                "Expand" => expand(first, &common(&first.dims, &extents(ints(1)?)?)?),
                "ConstantOfShape" => fill(first.as_i64()?, attributes),
                "Range" => range(first.as_i64()?, ints(1)?, ints(2)?),
                _ => None,
            }
        }
        _ => None,
    }
}

fn elementwise(
    left: &Tensor,
    right: &Tensor,
    real: fn(f32, f32) -> f32,
    whole: fn(i64, i64) -> Option<i64>,
) -> Option<Tensor> {
    let dims = common(&left.dims, &right.dims)?;
    let (left, right) = (expand(left, &dims)?, expand(right, &dims)?);
    let data = match (&left.data, &right.data) {
        (Data::F32(l), Data::F32(r)) => Data::F32(l.iter().zip(r).map(|(&l, &r)| real(l, r)).collect()),
        (Data::I64(l), Data::I64(r)) => Data::I64(l.iter().zip(r).map(|(&l, &r)| whole(l, r)).collect::<Option<_>>()?),
        _ => return None,
    };
    Some(Tensor { dims, data })
}

fn reals(tensor: &Tensor, function: fn(f32) -> f32) -> Option<Tensor> {
    let values = tensor.as_f32()?.iter().map(|&x| function(x)).collect();
    Some(Tensor { dims: tensor.dims.clone(), data: Data::F32(values) })
}

/// Integers within bounds of their own type, each of which may be absent: where weights of fewer bits are cut.
fn clip(tensor: &Tensor, bounds: [Option<&Tensor>; 2]) -> Option<Tensor> {
    let bound = |position: usize, absent: i64| match bounds[position].map(|bound| &bound.data) {
        None => Some(absent),
        Some(bound) if bound.dtype() == tensor.data.dtype() => integers(bound).filter(|b| b.len() == 1).map(|b| b[0]),
        Some(_) => None,
    };
    let (low, high) = (bound(0, i64::MIN)?, bound(1, i64::MAX)?);
    let values = integers(&tensor.data)?.into_iter().map(|value| value.max(low).min(high));
    let data = match &tensor.data {
        Data::I8(_) => Data::I8(values.map(|value| value as i8).collect()),
        Data::U8(_) => Data::U8(values.map(|value| value as u8).collect()),
        Data::I32(_) => Data::I32(values.map(|value| value as i32).collect()),
        Data::I64(_) | Data::F32(_) => Data::I64(values.collect()),
    };
    Some(Tensor { dims: tensor.dims.clone(), data })
}

fn integers(data: &Data) -> Option<Vec<i64>> {
    Some(match data {
        Data::I8(values) => values.iter().map(|&v| v.into()).collect(),
        Data::U8(values) => values.iter().map(|&v| v.into()).collect(),
        Data::I32(values) => values.iter().map(|&v| v.into()).collect(),
        Data::I64(values) => values.clone(),
        Data::F32(_) => return None,
    })
}

/// To float32, bytes, int32 or int64, by ONNX's numbers; a fraction is cut off. To bytes only where all fit.
pub(super) fn cast(tensor: &Tensor, to: i64) -> Option<Tensor> {
    let values: Vec<f64> = match &tensor.data {
        Data::I64(v) if to == 7 => return Some(Tensor { dims: tensor.dims.clone(), data: Data::I64(v.clone()) }),
        Data::F32(v) => v.iter().map(|&x| x.into()).collect(),
        Data::I8(v) => v.iter().map(|&x| x.into()).collect(),
        Data::U8(v) => v.iter().map(|&x| x.into()).collect(),
        Data::I32(v) => v.iter().map(|&x| x.into()).collect(),
        Data::I64(v) => v.iter().map(|&x| x as f64).collect(),
    };
    let data = match to {
        FLOAT => Data::F32(values.iter().map(|&x| x as f32).collect()),
        2 => Data::U8(
            values.iter().map(|&x| (f64::from(x as u8) == x.trunc()).then_some(x as u8)).collect::<Option<_>>()?,
        ),
        3 => Data::I8(
            values.iter().map(|&x| (f64::from(x as i8) == x.trunc()).then_some(x as i8)).collect::<Option<_>>()?,
        ),
        6 => Data::I32(values.iter().map(|&x| x as i32).collect()),
        7 => Data::I64(values.iter().map(|&x| x as i64).collect()),
        _ => return None,
    };
    Some(Tensor { dims: tensor.dims.clone(), data })
}

fn extents(target: &[i64]) -> Option<Vec<usize>> {
    (target.len() <= MAX_RANK).then_some(())?;
    target.iter().map(|&t| usize::try_from(t).ok()).collect()
}

fn reshape(tensor: &Tensor, target: &[i64]) -> Option<Tensor> {
    (target.len() <= MAX_RANK).then_some(())?;
    let copied = |(axis, &t): (usize, &i64)| if t == 0 { tensor.dims.get(axis).map(|&d| d as i64) } else { Some(t) };
    let target: Vec<i64> = target.iter().enumerate().map(copied).collect::<Option<_>>()?;
    let given =
        target.iter().filter(|&&t| t != -1).try_fold(1usize, |p, &t| p.checked_mul(usize::try_from(t).ok()?))?;
    let rest = tensor.data.len().checked_div(given)?;
    let dims: Vec<usize> = target.iter().map(|&t| usize::try_from(t).unwrap_or(rest)).collect();
    is_len_of(&dims, tensor).then(|| Tensor { dims, data: tensor.data.clone() })
}

/// Whether an array of `dims` has as many values as `tensor`.
fn is_len_of(dims: &[usize], tensor: &Tensor) -> bool {
    len(dims, tensor.data.len()) == Some(tensor.data.len())
}

fn squeeze(tensor: &Tensor, axes: Option<&[i64]>) -> Option<Tensor> {
    let axes = axes.map(|axes| positions(axes, tensor.dims.len()));
    let goes = |axis: usize, dim: usize| match &axes {
        Some(Some(axes)) => axes.contains(&axis),
        _ => dim == 1,
    };
    (axes != Some(None)).then_some(())?;
    let dims: Vec<usize> =
        tensor.dims.iter().enumerate().filter(|&(axis, &dim)| !goes(axis, dim)).map(|(_, &dim)| dim).collect();
    is_len_of(&dims, tensor).then(|| Tensor { dims, data: tensor.data.clone() })
}

fn unsqueeze(tensor: &Tensor, axes: &[i64]) -> Option<Tensor> {
    let rank = Some(tensor.dims.len() + axes.len()).filter(|&rank| rank <= MAX_RANK)?;
    let axes = positions(axes, rank)?;
    let mut old = tensor.dims.iter();
    let dims: Vec<usize> = (0..rank)
        .map(|axis| if axes.contains(&axis) { Some(1) } else { old.next().copied() })
        .collect::<Option<_>>()?;
    (old.next().is_none()).then(|| Tensor { dims, data: tensor.data.clone() })
}

fn concat(axis: i64, parts: &[&Tensor]) -> Option<Tensor> {
    let first = parts.first()?;
    let at = positions(&[axis], first.dims.len())?[0];
    let others = |t: &Tensor| [&t.dims[..at], &t.dims[at + 1..]].concat();
    let fits = |t: &&Tensor| {
        t.dims.len() == first.dims.len() && t.data.dtype() == first.data.dtype() && others(t) == others(first)
    };
    parts.iter().all(fits).then_some(())?;
    let mut dims = first.dims.clone();
    dims[at] = parts.iter().try_fold(0usize, |sum, t| sum.checked_add(t.dims[at]))?;
    let from = parts.iter().map(|t| t.data.len()).sum();
    let (outer, inner) = (len(&dims[..at], from)?, len(&dims[at + 1..], from)?);
    len(&dims, from)?;
    // All parts one after another, and then picked in turns.
    let starts = parts.iter().scan(0, |start, t| {
        *start += t.data.len();
        Some(*start - t.data.len())
    });
    let runs: Vec<(usize, usize)> = starts.zip(parts.iter().map(|t| t.dims[at] * inner)).collect();
    let indices: Vec<usize> = (0..outer)
        .flat_map(|row| runs.iter().flat_map(move |&(start, run)| start + row * run..start + (row + 1) * run))
        .collect();
    let joined = parts.iter().skip(1).try_fold(first.data.clone(), |joined, t| append(joined, &t.data))?;
    Some(Tensor { dims, data: pick(&joined, &indices) })
}

fn append(mut to: Data, from: &Data) -> Option<Data> {
    match (&mut to, from) {
        (Data::F32(to), Data::F32(from)) => to.extend(from),
        (Data::I8(to), Data::I8(from)) => to.extend(from),
        (Data::U8(to), Data::U8(from)) => to.extend(from),
        (Data::I32(to), Data::I32(from)) => to.extend(from),
        (Data::I64(to), Data::I64(from)) => to.extend(from),
        _ => return None,
    }
    Some(to)
}

/// ONNX Gather.
fn take(tensor: &Tensor, indices: &Tensor, axis: i64) -> Option<Tensor> {
    let at = positions(&[axis], tensor.dims.len())?[0];
    let picked = positions(indices.as_i64()?, tensor.dims[at])?;
    let dims = [&tensor.dims[..at], &indices.dims, &tensor.dims[at + 1..]].concat();
    (dims.len() <= MAX_RANK).then_some(())?;
    let len = |dims| len(dims, tensor.data.len());
    let (outer, inner, total) = (len(&tensor.dims[..at])?, len(&tensor.dims[at + 1..])?, len(&dims)?);
    let mut from = Vec::with_capacity(total);
    for row in 0..outer {
        for &index in &picked {
            let start = (row * tensor.dims[at] + index) * inner;
            from.extend(start..start + inner);
        }
    }
    Some(Tensor { dims, data: pick(&tensor.data, &from) })
}

/// ONNX Slice: starts, ends, axes, steps.
fn slice(tensor: &Tensor, [starts, ends, axes, steps]: [Option<&[i64]>; 4]) -> Option<Tensor> {
    let (starts, ends, rank) = (starts?, ends?, tensor.dims.len());
    let axes = axes.map_or_else(|| Some((0..starts.len()).collect()), |axes| positions(axes, rank))?;
    let steps = steps.map_or_else(|| vec![1; starts.len()], <[i64]>::to_vec);
    let fits = [ends.len(), axes.len(), steps.len()].iter().all(|&len| len == starts.len());
    (fits && axes.iter().all(|&axis| axis < rank)).then_some(())?;
    let mut sliced = tensor.clone();
    for (((&start, &end), &axis), &step) in starts.iter().zip(ends).zip(&axes).zip(&steps) {
        let extent = sliced.dims[axis] as i64;
        let from_front = |position: i64| if position < 0 { position.saturating_add(extent) } else { position };
        let (low, high) = if step > 0 { (0, extent) } else { (-1, extent - 1) };
        let start = from_front(start).clamp(0, high.max(0));
        // An end before the beginning is where a backward slice stops.
        let end = if end < -extent { low } else { from_front(end).clamp(low, high.max(low)) };
        let span = (end - start).checked_mul(step.signum())?;
        let count = if span <= 0 { 0 } else { (span as u64).div_ceil(step.unsigned_abs()) as i64 };
        let positions: Vec<i64> = (0..count).map(|i| start + i * step).collect();
        sliced = take(&sliced, &Tensor::i64(&[positions.len()], positions), axis as i64)?;
    }
    Some(sliced)
}

fn fill(shape: &[i64], attributes: Attributes) -> Option<Tensor> {
    let zero = Tensor::f32(&[1], vec![0.0]);
    let value = match attributes.0.get("value") {
        None => &zero,
        Some(Attribute::Tensor(value)) if value.data.len() == 1 => value,
        Some(_) => return None,
    };
    let dims = extents(shape)?;
    gather(value, &dims, &vec![0; dims.len()], 0)
}

fn range(start: &[i64], end: &[i64], step: &[i64]) -> Option<Tensor> {
    let (&[start], &[end], &[step]) = (start, end, step) else { return None };
    let span = end.checked_sub(start)?.checked_mul(step.signum())?;
    let step_len = Some(step.unsigned_abs()).filter(|&step| step != 0)?;
    let count = (span.max(0) as u64).div_ceil(step_len) as usize;
    len(&[count], 0)?;
    Some(Tensor::i64(&[count], (0..count as i64).map(|i| start + i * step).collect()))
}
