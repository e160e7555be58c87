//! Convolution, of each channel by itself or over all of them, by a kernel for one core, and by definition where this machine has another.
//!
//! FORMAT.md draws the streams of weights; `Kernel::weight` reads them.

use super::Step;
#[cfg(not(kernels = "portable"))]
use crate::arch;
use crate::plan::{Kernel, Kind, Place, Run, Taps, Uses};
use crate::ring::{RowMut, Rows};

/// Output pixels that the definition works on at once.
const BLOCK: usize = 16;

/// One output row. `USES` is what the plan uses, for the compiler to leave out the rest.
pub fn row<const USES: u128>(step: &Step, rows: &Rows, out: &mut RowMut) {
    #[cfg(not(kernels = "portable"))]
    if const { Uses(USES).kernels() }
        && (const { !Uses(USES).definitions() } || arch::has(step.operator.kernel, Taps::of(step.operator)))
    {
        return arch::blocks::row::<USES>(step, rows, out);
    }
    if const { Uses(USES).definitions() } {
        by_definition(step, rows, out);
    }
}

/// The same by plain loops over the same stream.
#[inline(never)]
fn by_definition(step: &Step, rows: &Rows, out: &mut RowMut) {
    let (kernel, taps) = (step.operator.kernel, Taps::of(step.operator));
    let group = kernel.group(taps);
    let words = step.operator.group_words(step.input) + 2 * group;
    for channel in 0..step.output.channels as usize {
        let stream = &step.weights()[channel / group * words..][..words];
        let member = channel % group;
        let (bias, multiplier) = (kernel.bias(stream, member), stream[words - group + member] as i32);
        let weights = Weights { kernel, taps, words: &stream[group..words - group], member };
        let mut values = out.channel(channel);
        for start in (0..step.output.width as usize).step_by(BLOCK) {
            let mut accs = [bias; BLOCK];
            let accs = &mut accs[..BLOCK.min(step.output.width as usize - start)];
            accumulate(step, rows, &weights, channel, start, accs);
            for (i, &acc) in accs.iter().enumerate() {
                values.put(start + i, step.requant().apply(acc, multiplier));
            }
        }
    }
}

/// The weights of one output channel.
struct Weights<'a> {
    kernel: Kernel,
    taps: Taps,
    words: &'a [u32],
    member: usize,
}

/// The channels that an output channel is made from, and the taps of a step.
struct Reach {
    first: usize,
    planes: usize,
    lanes: usize,
    taps: usize,
    /// How much more a value is in memory than to the kernel's weights.
    stored: i32,
}

impl Reach {
    fn of(step: &Step, taps: Taps, channel: usize) -> Self {
        let input = step.input;
        match step.operator.kind {
            Kind::Depthwise => {
                Self { first: channel, planes: 1, lanes: 1, taps: 1, stored: input.layout.flip().into() }
            }
            _ => Self { first: 0, planes: input.planes(), lanes: input.lanes(), taps: taps.count(), stored: 0 },
        }
    }
}

/// Adds Σ weight·input to the accumulators of the output pixels from `start` on, in the order of the stream.
fn accumulate(step: &Step, rows: &Rows, weights: &Weights, channel: usize, start: usize, accs: &mut [i32]) {
    let [kernel_h, kernel_w] = step.operator.window.map(usize::from);
    let [dilation_h, dilation_w] = step.operator.dilations.map(usize::from);
    if step.operator.walks_by_runs() {
        return accumulate_runs(step, rows, weights, start, accs);
    }
    let Reach { first, planes, lanes, taps, stored } = Reach::of(step, weights.taps, channel);
    let mut number = 0;
    for ky in (0..kernel_h).step_by(step.input.rows_a_step()) {
        for kx in (0..kernel_w).step_by(taps) {
            for plane in 0..planes {
                for (tap, lane) in (0..taps).flat_map(|tap| (0..lanes).map(move |lane| (tap, lane))) {
                    let place = Place { step: number, tap, lane, planes };
                    let weight = weights.kernel.weight(weights.words, weights.taps, place, weights.member);
                    let row = match step.input.stacked {
                        true if ky + lane >= kernel_h => continue,
                        true => rows.channel(ky + lane, 0),
                        false => rows.channel(ky * dilation_h, first + plane * lanes + lane),
                    };
                    for (i, acc) in accs.iter_mut().enumerate() {
                        let value = row.get(step.padded_start(start + i) + (kx + tap) * dilation_w);
                        *acc = acc.wrapping_add(weight.wrapping_mul(value as i32 + stored));
                    }
                }
                number += 1;
            }
        }
    }
}

/// The same of a kernel to which a row of the window is a run of bytes.
fn accumulate_runs(step: &Step, rows: &Rows, weights: &Weights, start: usize, accs: &mut [i32]) {
    let run = Run::of(step.operator, step.input);
    for ky in 0..step.operator.window[0] as usize {
        let row = rows.slot(ky * step.operator.dilations[0] as usize);
        for (number, lane) in (0..run.steps()).flat_map(|number| [(number, 0), (number, 1)]) {
            let place = Place { step: ky * run.steps() + number, tap: 0, lane, planes: 1 };
            let weight = weights.kernel.weight(weights.words, weights.taps, place, weights.member);
            let (byte, _) = run.byte(number, lane);
            for (i, acc) in accs.iter_mut().enumerate() {
                let value = row[step.padded_start(start + i) * step.input.channels as usize + byte] as i8;
                *acc = acc.wrapping_add(weight.wrapping_mul(value.into()));
            }
        }
    }
}
