//! Every tolerance of what crosses crates, with its reason. Where there is none here, equality is meant.

pub use export::float::TOLERANCE as BURN_TRACT_LOGITS;

/// Least accuracy of the shipped `mnist-cnn` on the 10,000 test images of MNIST, in float, in percent.
pub const MNIST_CNN_ACCURACY: f64 = 99.5;

/// Most that int8 may lose on the 10,000, in percentage points: 5 images, of which quantization moves those that the float network
/// was undecided about.
pub const INT8_LOSS: f64 = 0.05;

/// Least agreement of class between the int8 file in tract and in the engine, in percent.
///
/// tract computes DequantizeLinear–Conv–QuantizeLinear in float and rounds halves to even, the engine in integers and rounds
/// halves up; where the exact value is within float's error of a half they differ by a step, which seldom decides a class.
pub const TRACT_ENGINE_AGREEMENT: f64 = 99.95;

/// Least accuracy of `mnist-cnn`'s plan on the generated digits, in percent: it was trained on MNIST alone.
pub const DIGITS_ACCURACY: f64 = 97.0;

/// Least SQNR of any layer of the zoo against float, in dB: int8 keeps a hundredth of a tensor's range, and errors of layers add up.
pub const LAYER_SQNR_DB: f64 = 20.0;

/// Largest difference between a network of a few layers as it was written and in its normal form, both in tract, for values of about one.
///
/// Folding a normalization or a factor into weights rounds each weight once more, and a sum takes its terms in another order: some units in the last
/// place (1e-7) a layer.
pub const NORMAL_FORM: f32 = 5e-6;

/// Most steps of the output between an imported network's int8 file in tract and in the engine: none in any of them where it was written; another
/// machine's sums in float may lie on the other side of a half.
pub const IMPORTED_STEPS: f32 = 1.0;

/// Least SQNR of int8 against float in an imported network of random weights with plain min–max ranges, in dB: most have 35 to 50, the one with the
/// narrowest layers 23.
pub const IMPORTED_SQNR_DB: f64 = 20.0;
