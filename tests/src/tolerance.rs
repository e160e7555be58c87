//! Every tolerance of these tests, with its reason. Where there is none here, equality is meant.

/// Largest absolute difference of a logit between burn and tract on the float network.
///
/// Both add the same f32 products, in another order, and folding BatchNorm rounds each weight once more.
pub const BURN_TRACT_LOGITS: f32 = 1e-4;

/// Least accuracy of the shipped `mnist-cnn` on the 10,000 test images of MNIST, in float, in percent.
pub const MNIST_CNN_ACCURACY: f64 = 99.5;

/// Most that int8 may lose on the 10,000, in points of a percent: 5 images, of which quantization moves those that the float network
/// was undecided about.
pub const INT8_LOSS: f64 = 0.05;

/// Least agreement of class between the int8 file in tract and in the engine, in percent.
///
/// tract computes DequantizeLinear–Conv–QuantizeLinear in float and rounds halves to even, the engine in integers and rounds
/// halves up; where the exact value is within float's error of a half they differ by a step, which seldom decides a class.
pub const TRACT_ENGINE_AGREEMENT: f64 = 99.95;
