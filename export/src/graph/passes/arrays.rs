//! Arrays of constants: pick, permute, repeat.

use crate::graph::{Data, Tensor};

/// Most values of an array that is computed here, where it has more than what it is computed from: a few bytes of a file can ask for any number.
pub(super) const MOST_GROWN: usize = 1 << 20;

/// The values at `indices`, each within the array.
pub(super) fn pick(data: &Data, indices: &[usize]) -> Data {
    fn of<T: Copy>(values: &[T], indices: &[usize]) -> Vec<T> {
        indices.iter().map(|&i| values[i]).collect()
    }
    match data {
        Data::F32(v) => Data::F32(of(v, indices)),
        Data::I8(v) => Data::I8(of(v, indices)),
        Data::U8(v) => Data::U8(of(v, indices)),
        Data::I32(v) => Data::I32(of(v, indices)),
        Data::I64(v) => Data::I64(of(v, indices)),
    }
}

/// A tensor of `dims` whose value at each position is that of `tensor` at the sum of its `steps`; none where it is too large.
pub(super) fn gather(tensor: &Tensor, dims: &[usize], steps: &[usize], start: usize) -> Option<Tensor> {
    let len = len(dims, tensor.data.len())?;
    let mut indices = vec![start; len];
    let mut repeat = len;
    for (&extent, &step) in dims.iter().zip(steps) {
        repeat /= extent.max(1);
        indices.iter_mut().enumerate().for_each(|(i, index)| *index += i / repeat.max(1) % extent.max(1) * step);
    }
    Some(Tensor { dims: dims.to_vec(), data: pick(&tensor.data, &indices) })
}

/// How many values an array of `dims` has, where they are not too many for one that is computed from `from` values.
pub(super) fn len(dims: &[usize], from: usize) -> Option<usize> {
    let product = dims.iter().try_fold(1usize, |product, &d| product.checked_mul(d));
    product.filter(|&len| len <= from.max(MOST_GROWN))
}

/// Distance between neighbours along each axis.
pub(super) fn strides(dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; dims.len()];
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(dims[axis]);
    }
    strides
}

/// Axis i of the result is axis `perm[i]` of the tensor.
pub(crate) fn transpose(tensor: &Tensor, perm: &[usize]) -> Option<Tensor> {
    let from = strides(&tensor.dims);
    let of = |values: &[usize]| perm.iter().map(|&axis| values.get(axis).copied()).collect::<Option<Vec<_>>>();
    (perm.len() == tensor.dims.len()).then_some(())?;
    gather(tensor, &of(&tensor.dims)?, &of(&from)?, 0)
}

/// The tensor repeated to `dims`, as ONNX broadcasts it; none where it does not fit.
pub(super) fn expand(tensor: &Tensor, dims: &[usize]) -> Option<Tensor> {
    let missing = dims.len().checked_sub(tensor.dims.len())?;
    let own = [vec![1; missing], tensor.dims.clone()].concat();
    let fits = own.iter().zip(dims).all(|(&from, &to)| from == to || from == 1);
    let steps: Vec<usize> =
        strides(&own).iter().zip(&own).map(|(&stride, &extent)| if extent == 1 { 0 } else { stride }).collect();
    if fits { gather(tensor, dims, &steps, 0) } else { None }
}

/// The dimensions that both broadcast to.
pub(super) fn common(left: &[usize], right: &[usize]) -> Option<Vec<usize>> {
    let rank = left.len().max(right.len());
    let at = |dims: &[usize], axis: usize| (axis + dims.len()).checked_sub(rank).map_or(1, |i| dims[i]);
    let one = |axis| match (at(left, axis), at(right, axis)) {
        (l, r) if l == r || r == 1 => Some(l),
        (1, r) => Some(r),
        _ => None,
    };
    (0..rank).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(dims: &[usize]) -> Tensor {
        Tensor::i64(dims, (0..dims.iter().product::<usize>() as i64).collect())
    }

    #[test]
    fn axes_change_places() {
        let turned = transpose(&counted(&[2, 3, 2]), &[2, 0, 1]).unwrap();
        assert_eq!(turned, Tensor::i64(&[2, 2, 3], vec![0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11]));
        assert_eq!(transpose(&counted(&[2, 3]), &[0, 2]), None);
    }

    #[test]
    fn rows_and_columns_are_repeated() {
        assert_eq!(expand(&counted(&[2, 1]), &[1, 2, 2]), Some(Tensor::i64(&[1, 2, 2], vec![0, 0, 1, 1])));
        assert_eq!(expand(&counted(&[2]), &[2, 2]), Some(Tensor::i64(&[2, 2], vec![0, 1, 0, 1])));
        assert_eq!(expand(&counted(&[2]), &[2, 3]), None);
        assert_eq!(expand(&counted(&[1]), &[1 << 20, 1 << 20]), None);
        assert_eq!(expand(&counted(&[1]), &[0, 3]), Some(Tensor::i64(&[0, 3], vec![])));
    }

    #[test]
    fn dimensions_that_fit_each_other() {
        assert_eq!(common(&[3, 1], &[2, 1, 4]), Some(vec![2, 3, 4]));
        assert_eq!(common(&[3], &[4]), None);
    }
}
