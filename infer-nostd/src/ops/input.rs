//! A row of the image, channels last, into the input's layout.

use crate::plan::Tensor;
use crate::ring::RowMut;

/// Stores a row of the image in the lanes of its pixels.
pub fn store(input: &Tensor, row: &[i8], out: &mut RowMut) {
    let (lanes, channels, flip) = (input.lanes(), input.channels as usize, input.layout.flip());
    match (lanes, channels) {
        (4, 3) => {
            for (to, from) in out.run(0).as_chunks_mut::<4>().0.iter_mut().zip(row.as_chunks::<3>().0) {
                *to = [from[0] as u8 ^ flip, from[1] as u8 ^ flip, from[2] as u8 ^ flip, 0];
            }
        }
        _ if lanes == channels => {
            let ((words, rest), (from, last)) = (out.run(0).as_chunks_mut::<4>(), row.as_chunks::<4>());
            let flips = u32::from_le_bytes([flip; 4]);
            for (to, &[a, b, c, d]) in words.iter_mut().zip(from) {
                *to = (u32::from_le_bytes([a as u8, b as u8, c as u8, d as u8]) ^ flips).to_le_bytes();
            }
            rest.iter_mut().zip(last).for_each(|(to, &from)| *to = from as u8 ^ flip);
        }
        _ => (0..channels).for_each(|channel| out.channel(channel).put_each(&row[channel..], channels)),
    }
}
