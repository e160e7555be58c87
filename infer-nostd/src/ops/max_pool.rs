//! Largest value of each window; padding never wins. Input and output share scale and zero point.

use super::Step;
use crate::ring::Rows;

/// One output row; `rows` begins with the first row of the window that lies in the map.
pub fn row(step: &Step, rows: Rows, out: &mut [i8]) {
    let channels = step.output.channels as usize;
    let dilations = step.operator.dilations.map(usize::from);
    let [pad_y, pad_x, ..] = step.operator.pads.map(usize::from);
    let (taps_y, start_y) = step.taps(0, step.number, step.input.height as usize);
    for (x, pixel) in out.chunks_exact_mut(channels).enumerate() {
        let (taps_x, start_x) = step.taps(1, x, step.input.width as usize);
        pixel.fill(i8::MIN);
        for ky in taps_y.clone() {
            let row = &rows.row(start_y + ky * dilations[0] - start_y.max(pad_y))[step.input.left_len()..];
            for kx in taps_x.clone() {
                let at = (start_x + kx * dilations[1] - pad_x) * channels;
                for (y, &value) in pixel.iter_mut().zip(&row[at..at + channels]) {
                    *y = (*y).max(value);
                }
            }
        }
    }
}
