//! Functions of one real that networks apply to every value of a tensor.

use super::Formula;

/// An elementwise function, with its parameters. Relu and Clip are operators of their own, because an integer layer carries them as bounds.
#[derive(Debug, Clone, PartialEq)]
pub enum Activation {
    /// 1 / (1 + e^−x).
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// alpha · x + beta, kept between 0 and 1.
    HardSigmoid {
        /// The slope.
        alpha: f32,
        /// The value at zero.
        beta: f32,
    },
    /// x · (x / 6 + 1/2 kept between 0 and 1).
    HardSwish,
    /// x, and alpha · x below zero.
    LeakyRelu {
        /// The slope below zero.
        alpha: f32,
    },
    /// x, and alpha · (e^x − 1) below zero.
    Elu {
        /// Minus the limit at −∞.
        alpha: f32,
    },
    /// x · Sigmoid(x), also called Swish.
    Silu,
    /// ln(1 + e^x).
    Softplus,
    /// x · Φ(x), with the normal distribution's Φ(x) = (1 + erf(x / √2)) / 2.
    Gelu,
    /// Any other, as the operators that spell it.
    Formula(Formula),
}

impl Activation {
    /// The function's value. NaN gives NaN, but where a formula compares.
    pub fn eval(&self, x: f64) -> f64 {
        match *self {
            Self::Sigmoid => sigmoid(x),
            Self::Tanh => x.tanh(),
            Self::HardSigmoid { alpha, beta } => unit(f64::from(alpha) * x + f64::from(beta)),
            Self::HardSwish => x * unit(x / 6.0 + 0.5),
            Self::LeakyRelu { alpha } if x < 0.0 => f64::from(alpha) * x,
            Self::Elu { alpha } if x < 0.0 => f64::from(alpha) * x.exp_m1(),
            Self::LeakyRelu { .. } | Self::Elu { .. } => x,
            Self::Silu => x * sigmoid(x),
            // Written so that neither end overflows: e^−|x| is at most 1.
            Self::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
            Self::Gelu => x * (0.5 + 0.5 * erf(x / std::f64::consts::SQRT_2)),
            Self::Formula(ref formula) => formula.eval(x),
        }
    }

    /// The ONNX operator, or the name by which papers call what ONNX spells in several nodes.
    pub fn name(&self) -> &str {
        match self {
            Self::Sigmoid => "Sigmoid",
            Self::Tanh => "Tanh",
            Self::HardSigmoid { .. } => "HardSigmoid",
            Self::HardSwish => "HardSwish",
            Self::LeakyRelu { .. } => "LeakyRelu",
            Self::Elu { .. } => "Elu",
            Self::Silu => "Silu",
            Self::Softplus => "Softplus",
            Self::Gelu => "Gelu",
            Self::Formula(formula) => formula.name(),
        }
    }
}

fn unit(x: f64) -> f64 {
    // Not f64::clamp: it keeps NaN as this does, but says less.
    if x.is_nan() { x } else { x.clamp(0.0, 1.0) }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The error function by the series 2/√π · e^(−x²) · Σ 2ⁿ x²ⁿ⁺¹ / (1·3·…·(2n+1)), whose terms are all of x's sign: nothing cancels. (Abramowitz and
/// Stegun, 7.1.6.) At 6 it is 1 to the last bit.
pub(super) fn erf(x: f64) -> f64 {
    if x.abs() >= 6.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    let mut divisor = 1.0;
    while term.abs() > sum.abs() * f64::EPSILON {
        divisor += 2.0;
        term *= 2.0 * x * x / divisor;
        sum += term;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Activation; 9] = [
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::HardSigmoid { alpha: 0.25, beta: 0.5 },
        Activation::HardSwish,
        Activation::LeakyRelu { alpha: 0.125 },
        Activation::Elu { alpha: 2.0 },
        Activation::Silu,
        Activation::Softplus,
        Activation::Gelu,
    ];

    /// Values to six digits, as tables print them.
    #[test]
    fn values_from_tables() {
        let expected: [[f64; 3]; 9] = [
            [0.119203, 0.5, 0.731059],
            [-0.964028, 0.0, 0.761594],
            [0.0, 0.5, 0.75],
            [-0.333333, 0.0, 0.666667],
            [-0.25, 0.0, 1.0],
            [-1.729329, 0.0, 1.0],
            [-0.238406, 0.0, 0.731059],
            [0.126928, 693_147.0 / 1e6, 1.313262],
            [-0.045500, 0.0, 0.841345],
        ];
        for (function, expected) in ALL.into_iter().zip(expected) {
            let found = [-2.0, 0.0, 1.0].map(|x| (function.eval(x) * 1e6).round() / 1e6);
            assert_eq!(found, expected, "{function:?}");
        }
    }

    #[test]
    fn far_ends_are_limits_and_nan_stays() {
        let limits = [0.0, -1.0, 0.0, 0.0, -125.0, -2.0, 0.0, 0.0, 0.0];
        for (function, limit) in ALL.into_iter().zip(limits) {
            assert_eq!(function.eval(-1000.0), limit, "{function:?}");
            assert!(function.eval(f64::NAN).is_nan(), "{function:?}");
            assert!(function.eval(1000.0).is_finite(), "{function:?}");
        }
    }

    /// From the tables of Abramowitz and Stegun, 7.1.
    #[test]
    fn erf_to_ten_digits() {
        for (x, expected) in [(0.5, 0.5204998778), (1.0, 0.8427007929), (2.0, 0.9953222650), (-3.0, -0.9999779095)] {
            assert_eq!((erf(x) * 1e10).round() / 1e10, expected, "{x}");
        }
        assert_eq!((erf(0.0), erf(6.0), erf(-7.0)), (0.0, 1.0, -1.0));
    }
}
