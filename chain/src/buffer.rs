//! Memory that is used again: a step needs megabytes, and asking the system for them anew costs a fifth of the step's time.

use core::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Buffers that nobody uses: of each size no more than were ever in use at once.
static FREE: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// Numbers that go back to the free buffers when they are dropped.
#[derive(Debug)]
pub struct Buffer(Vec<f32>);

impl Buffer {
    /// `len` numbers of any value: they are to be written before they are read.
    pub fn any(len: usize) -> Self {
        Self(take(&mut FREE.lock().unwrap_or_else(PoisonError::into_inner), len))
    }
}

/// The smallest buffer that is large enough, or a new one.
fn take(free: &mut Vec<Vec<f32>>, len: usize) -> Vec<f32> {
    let fits = free.iter().enumerate().filter(|(_, buffer)| buffer.capacity() >= len);
    let smallest = fits.min_by_key(|(_, buffer)| buffer.capacity()).map(|(index, _)| index);
    let mut values = smallest.map_or_else(|| Vec::with_capacity(len), |index| free.swap_remove(index));
    values.resize(len, 0.0);
    values
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let values = core::mem::take(&mut self.0);
        FREE.lock().unwrap_or_else(PoisonError::into_inner).push(values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_that_is_large_enough_is_used_again() {
        let mut free = vec![vec![1.0; 9], vec![2.0; 6], vec![3.0; 2]];
        assert_eq!(take(&mut free, 5), [2.0; 5]);
        assert_eq!(take(&mut free, 7), [1.0; 7]);
        assert_eq!(take(&mut free, 3), [0.0; 3]);
        assert_eq!(free, [[3.0; 2]]);
    }
}
