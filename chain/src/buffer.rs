//! Memory that is used again: a step needs megabytes, and asking the system for them anew costs a fifth of the step's time.

use core::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Buffers that nobody uses. As many as were ever in use at once.
static FREE: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// Numbers that go back to the free buffers when they are dropped.
#[derive(Debug)]
pub struct Buffer(Vec<f32>);

impl Buffer {
    /// `len` numbers of any value: they are to be written before they are read.
    pub fn any(len: usize) -> Self {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        // The smallest that is large enough.
        let fits = free.iter().enumerate().filter(|(_, buffer)| buffer.capacity() >= len);
        let mut values = match fits.min_by_key(|(_, buffer)| buffer.capacity()).map(|(index, _)| index) {
            Some(index) => free.swap_remove(index),
            None => Vec::with_capacity(len),
        };
        drop(free);
        values.resize(len, 0.0);
        Self(values)
    }
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
    fn a_dropped_buffer_is_used_again() {
        let len = 123_457;
        let mut first = Buffer::any(len);
        first[len - 1] = 7.0;
        let place = first.as_ptr();
        drop(first);
        let again = Buffer::any(len);
        assert_eq!((again.as_ptr(), again.len(), again[len - 1]), (place, len, 7.0));
    }
}
