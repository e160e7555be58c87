//! How a row of activations lies in memory.

/// The order and the sign of a row's values: `[plane][pixel][lane]`, where a plane is a run of channels.
///
/// A kernel reads the layout it was written for; everything else reads all of them. Lanes beyond the last channel hold
/// anything: the weights that meet them are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Layout {
    /// One plane of all channels, int8: what goes in and what comes out.
    ChannelsLast = 0,
    /// Planes of two channels, int8.
    Pairs = 1,
    /// Planes of four channels, int8: a pixel is a word.
    Quads = 2,
    /// Planes of two channels, uint8: a value is stored as itself + 128.
    UnsignedPairs = 3,
}

impl Layout {
    /// The layout of that number.
    pub const fn from_u8(layout: u8) -> Option<Self> {
        Some(match layout {
            0 => Self::ChannelsLast,
            1 => Self::Pairs,
            2 => Self::Quads,
            3 => Self::UnsignedPairs,
            _ => return None,
        })
    }

    /// What a stored byte differs by from the int8 it stands for, bit by bit.
    #[inline(always)]
    pub const fn flip(self) -> u8 {
        if matches!(self, Self::UnsignedPairs) { 0x80 } else { 0 }
    }
}
