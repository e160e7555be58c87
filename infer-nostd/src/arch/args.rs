//! What kernels of convolutions are told of a block, and what is left to do after them.

use super::blocks::Segment;
use crate::ops::Step;
use crate::plan::Uses;
use crate::ring::RowMut;

/// What a kernel is told of a block, as its assembly finds it.
#[derive(Debug)]
#[repr(C)]
pub struct Args {
    /// What it walks over.
    pub segments: *mut Segment,
    /// Behind them.
    pub segments_end: *const Segment,
    /// Bytes from one step to the next in a segment, of a depthwise convolution from one plane of the input to the next.
    pub plane_len: u32,
    /// For each group of output channels its biases, weights, multipliers.
    pub stream: *const u32,
    /// The block's first pixel in the output's channel 0.
    pub out: *mut u8,
    /// Bytes from one plane of the output to the next.
    pub out_plane_len: u32,
    /// Output channels.
    pub channels: u32,
    /// The output's zero point, 128 more where it is stored unsigned.
    pub zero_point: i32,
    /// Left shift of the accumulators.
    pub shift_bits: u32,
    /// Smallest result, 128 more where it is stored unsigned. Kernels that saturate to int8 do not look.
    #[cfg(not(kernels = "dsp"))]
    pub min: i32,
    /// Blocks of this size side by side. A kernel that goes from block to block by itself uses them up, and with them `out` and the segments' starts.
    #[cfg(kernels = "dsp")]
    pub blocks: u32,
    /// Largest result.
    pub max: i32,
    /// Bytes from one tap to the next. This and what follows is for depthwise kernels of any window.
    pub tap_len: u32,
    /// Bytes from one output pixel's first tap to the next one's.
    pub stride_len: u32,
    /// Steps of all segments. For kernels that keep a block's pixels.
    pub steps: u32,
}

impl Args {
    /// Of the row's first block.
    #[inline(always)]
    pub fn new<const USES: u128>(step: &Step, out: &mut RowMut, segments: &mut [Segment]) -> Self {
        let (operator, output) = (step.operator, step.output);
        let lanes = step.input.lanes as u32;
        let steps = if cfg!(kernels = "dsp") { segments.iter().map(|segment| segment.steps).sum() } else { 0 };
        // The others write no unsigned layout, and saturate.
        let is_unsigned = cfg!(kernels = "armv6m");
        let stored = if is_unsigned { output.layout.flip() as i32 } else { 0 };
        let clamp = if is_unsigned { operator.clamp } else { [i8::MIN, i8::MAX] };
        Self {
            segments: segments.as_mut_ptr(),
            segments_end: segments.as_ptr_range().end,
            plane_len: step.input.step_len() as u32,
            stream: step.words.as_ptr().wrapping_add(operator.weights as usize),
            out: out.slot().as_mut_ptr().wrapping_add(output.pads[1] as usize * output.lanes()),
            out_plane_len: output.plane_len,
            channels: output.channels as u32,
            zero_point: output.zero_point as i32 + stored,
            shift_bits: operator.shift_bits as u32,
            #[cfg(not(kernels = "dsp"))]
            min: clamp[0] as i32 + stored,
            #[cfg(kernels = "dsp")]
            blocks: 1,
            max: clamp[1] as i32 + stored,
            tap_len: if const { Uses(USES).depthwise_kernels() } { operator.dilations[1] as u32 * lanes } else { 0 },
            stride_len: operator.strides[1] as u32 * lanes,
            steps,
        }
    }

    /// Where kernels saturate to int8, they leave other clamps to be made afterwards.
    #[inline(always)]
    pub fn clamp(&self, step: &Step, out: &mut RowMut) {
        let clamp = step.operator.clamp;
        if !cfg!(kernels = "armv6m") && clamp != [i8::MIN, i8::MAX] {
            out.clamp(clamp);
        }
    }
}
