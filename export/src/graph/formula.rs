//! Functions of one real that have no name of their own, kept as the operators that spell them.

use super::activation::erf;
use super::{Activation, Attributes, Op};

/// A function of one real in steps, each after those whose results it reads; the last one's result is the function's. Truth is 1, and its
/// absence 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Formula {
    steps: Vec<Step>,
}

/// One operator of a formula.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What it computes.
    pub op: Op,
    /// Of what, by position.
    pub operands: Vec<Operand>,
}

/// What a step reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Operand {
    /// What the function is of.
    X,
    /// A number of the file.
    Constant(f32),
    /// The result of an earlier step.
    Step(usize),
}

impl Step {
    /// A step, by what it reads.
    pub fn new(op: Op, operands: &[Operand]) -> Self {
        Self { op, operands: operands.to_vec() }
    }
}

impl Formula {
    /// The function that `steps` spell; none where there are none, where one reads what is not before it, or where one is no function of single
    /// values.
    pub fn new(steps: Vec<Step>) -> Option<Self> {
        let is_sound = |(index, step): (usize, &Step)| {
            let is_before = |operand: &Operand| !matches!(operand, Operand::Step(read) if *read >= index);
            is_pointwise(&step.op, step.operands.len()) && step.operands.iter().all(is_before)
        };
        (!steps.is_empty() && steps.iter().enumerate().all(is_sound)).then_some(Self { steps })
    }

    /// x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³))): GELU as most papers compute it.
    pub fn gelu_tanh() -> Self {
        use Operand::{Constant, Step as Made, X};
        let root = (2.0 / std::f64::consts::PI).sqrt() as f32;
        let steps = [
            (Op::Mul, [X, X]),
            (Op::Mul, [Made(0), X]),
            (Op::Mul, [Made(1), Constant(0.044715)]),
            (Op::Add, [X, Made(2)]),
            (Op::Mul, [Made(3), Constant(root)]),
        ];
        let mut steps: Vec<Step> = steps.into_iter().map(|(op, operands)| Step::new(op, &operands)).collect();
        steps.push(Step::new(Op::Activation(Activation::Tanh), &[Made(4)]));
        steps.push(Step::new(Op::Add, &[Made(5), Constant(1.0)]));
        steps.push(Step::new(Op::Mul, &[X, Made(6)]));
        steps.push(Step::new(Op::Mul, &[Made(7), Constant(0.5)]));
        Self { steps }
    }

    /// x · Sigmoid(alpha · x); [`Activation::Silu`] where alpha is 1.
    pub fn swish(alpha: f32) -> Self {
        let steps = vec![
            Step::new(Op::Mul, &[Operand::X, Operand::Constant(alpha)]),
            Step::new(Op::Activation(Activation::Sigmoid), &[Operand::Step(0)]),
            Step::new(Op::Mul, &[Operand::X, Operand::Step(1)]),
        ];
        Self { steps }
    }

    /// The steps, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The function's value; NaN where it has none.
    pub fn eval(&self, x: f64) -> f64 {
        let mut results: Vec<f64> = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let value = |operand: &Operand| match *operand {
                Operand::X => x,
                Operand::Constant(value) => value.into(),
                Operand::Step(index) => results.get(index).copied().unwrap_or(f64::NAN),
            };
            let operands: Vec<f64> = step.operands.iter().map(value).collect();
            results.push(apply(&step.op, &operands).unwrap_or(f64::NAN));
        }
        results.last().copied().unwrap_or(f64::NAN)
    }

    /// The operator's name where there is one only.
    pub fn name(&self) -> &str {
        match self.steps.as_slice() {
            [step] => step.op.name(),
            _ => "Function",
        }
    }
}

/// Whether an operator of so many operands is a function of single values, its attributes understood.
pub fn is_pointwise(op: &Op, operands: usize) -> bool {
    apply(op, &vec![1.0; operands]).is_some()
}

/// What an operator makes of single values.
fn apply(op: &Op, operands: &[f64]) -> Option<f64> {
    Some(match (op, operands) {
        (Op::Add, &[a, b]) => a + b,
        (Op::Mul, &[a, b]) => a * b,
        (Op::Relu, &[x]) if x < 0.0 => 0.0,
        (Op::Relu, &[x]) => x,
        // ONNX's Clip gives the upper bound where they are crossed.
        (Op::Clip { min, max }, &[x]) => x.max(f64::from(*min)).min(f64::from(*max)),
        (Op::Activation(function), &[x]) => function.eval(x),
        (Op::Other { op_type, attributes }, _) => other(op_type, Attributes(attributes), operands)?,
        _ => return None,
    })
}

fn other(op_type: &str, a: Attributes, operands: &[f64]) -> Option<f64> {
    match *operands {
        [x] => of_one(op_type, a, x),
        [x, y] => of_two(op_type, x, y),
        [condition, x, y] if op_type == "Where" => Some(if condition != 0.0 { x } else { y }),
        _ => None,
    }
}

/// ONNX's numbers of float32 and of truth.
const FLOAT: i64 = 1;
const BOOL: i64 = 9;

fn of_one(op_type: &str, a: Attributes, x: f64) -> Option<f64> {
    Some(match op_type {
        "Abs" => x.abs(),
        "Neg" => -x,
        "Sign" if x == 0.0 => 0.0,
        "Sign" => x.signum(),
        "Reciprocal" => x.recip(),
        "Sqrt" => x.sqrt(),
        "Exp" => x.exp(),
        "Log" => x.ln(),
        "Erf" => erf(x),
        "Floor" => x.floor(),
        "Ceil" => x.ceil(),
        "Round" => x.round_ties_even(),
        "Sin" => x.sin(),
        "Cos" => x.cos(),
        "Tan" => x.tan(),
        "Asin" => x.asin(),
        "Acos" => x.acos(),
        "Atan" => x.atan(),
        "Sinh" => x.sinh(),
        "Cosh" => x.cosh(),
        "Asinh" => x.asinh(),
        "Acosh" => x.acosh(),
        "Atanh" => x.atanh(),
        "Not" => truth(x == 0.0),
        "Cast" => match a.int("to", FLOAT)? {
            FLOAT => x,
            BOOL => truth(x != 0.0),
            _ => return None,
        },
        "Softsign" => x / (1.0 + x.abs()),
        "Mish" => x * Activation::Softplus.eval(x).tanh(),
        "Selu" => {
            let (alpha, gamma) = (a.float("alpha", 1.673_263_2)?, a.float("gamma", 1.050_701)?);
            f64::from(gamma) * Activation::Elu { alpha }.eval(x)
        }
        "Celu" => {
            let alpha = f64::from(a.float("alpha", 1.0)?);
            if x < 0.0 { alpha * (x / alpha).exp_m1() } else { x }
        }
        "ThresholdedRelu" => {
            let alpha = f64::from(a.float("alpha", 1.0)?);
            if x > alpha { x } else { 0.0 }
        }
        "Shrink" => {
            let [lambd, bias] = [a.float("lambd", 0.5)?, a.float("bias", 0.0)?].map(f64::from);
            match x {
                x if x < -lambd => x + bias,
                x if x > lambd => x - bias,
                _ => 0.0,
            }
        }
        _ => return None,
    })
}

fn of_two(op_type: &str, x: f64, y: f64) -> Option<f64> {
    Some(match op_type {
        "Sub" => x - y,
        "Div" => x / y,
        "Pow" => x.powf(y),
        "Max" => x.max(y),
        "Min" => x.min(y),
        "Greater" => truth(x > y),
        "GreaterOrEqual" => truth(x >= y),
        "Less" => truth(x < y),
        "LessOrEqual" => truth(x <= y),
        "Equal" => truth(x == y),
        "And" => truth(x != 0.0 && y != 0.0),
        "Or" => truth(x != 0.0 || y != 0.0),
        "Xor" => truth((x != 0.0) != (y != 0.0)),
        _ => return None,
    })
}

fn truth(is: bool) -> f64 {
    f64::from(u8::from(is))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Attribute;

    fn other(op_type: &str, attributes: &[(&str, f32)]) -> Op {
        let attributes = attributes.iter().map(|&(name, value)| (name.to_string(), Attribute::Float(value))).collect();
        Op::Other { op_type: op_type.into(), attributes }
    }

    fn six_digits(x: f64) -> f64 {
        (x * 1e6).round() / 1e6
    }

    /// At −2, 0, 0.5 and 3; the values of PyTorch 2.11 (torch.nn.functional) to six digits, but for Selu, whose constants ONNX has in float32.
    #[test]
    fn values_of_functions_with_a_name() {
        for (op, expected) in [
            (other("Abs", &[]), [2.0, 0.0, 0.5, 3.0]),
            (other("Sign", &[]), [-1.0, 0.0, 1.0, 1.0]),
            (other("Round", &[]), [-2.0, 0.0, 0.0, 3.0]),
            (other("Softsign", &[]), [-0.666667, 0.0, 0.333333, 0.75]),
            (other("Mish", &[]), [-0.252501, 0.0, 0.375245, 2.986535]),
            (other("Selu", &[]), [-1.520166, 0.0, 0.525351, 3.152103]),
            (other("Celu", &[("alpha", 0.5)]), [-0.490842, 0.0, 0.5, 3.0]),
            (other("ThresholdedRelu", &[("alpha", 0.5)]), [0.0, 0.0, 0.0, 3.0]),
            (other("Shrink", &[("lambd", 1.0), ("bias", 1.0)]), [-1.0, 0.0, 0.0, 2.0]),
            (other("Shrink", &[("lambd", 0.25)]), [-2.0, 0.0, 0.5, 3.0]),
        ] {
            let formula = Formula::new(vec![Step::new(op.clone(), &[Operand::X])]).unwrap();
            assert_eq!([-2.0, 0.0, 0.5, 3.0].map(|x| six_digits(formula.eval(x))), expected, "{op:?}");
            assert_eq!(formula.name(), op.name());
        }
    }

    #[test]
    fn gelu_by_its_hyperbolic_tangent() {
        let gelu = Formula::gelu_tanh();
        assert_eq!([-2.0, 0.0, 0.5, 3.0].map(|x| six_digits(gelu.eval(x))), [-0.045402, 0.0, 0.345714, 2.996363]);
        assert_eq!(Formula::new(gelu.steps().to_vec()), Some(gelu.clone()));
        assert_eq!(gelu.name(), "Function");
        let swish = Formula::swish(1.5);
        assert_eq!([-2.0, 0.0, 0.5, 3.0].map(|x| six_digits(swish.eval(x))), [-0.094852, 0.0, 0.339589, 2.967039]);
        assert_eq!(Formula::new(swish.steps().to_vec()), Some(swish));
    }

    /// Softplus with its guard, as PyTorch and burn spell it: what the guard leaves out may be anything.
    #[test]
    fn choices() {
        use Operand::{Constant, Step as Made, X};
        let steps = vec![
            Step::new(other("Greater", &[]), &[X, Constant(20.0)]),
            Step::new(other("Exp", &[]), &[X]),
            Step::new(Op::Add, &[Made(1), Constant(1.0)]),
            Step::new(other("Log", &[]), &[Made(2)]),
            Step::new(other("Where", &[]), &[Made(0), X, Made(3)]),
        ];
        let softplus = Formula::new(steps).unwrap();
        assert_eq!([-1.0, 0.5, 900.0].map(|x| six_digits(softplus.eval(x))), [0.313262, 0.974077, 900.0]);
    }

    #[test]
    fn what_is_no_function_of_one_value_is_none() {
        use Operand::{Step as Made, X};
        let of = |op: Op, operands: &[Operand]| Formula::new(vec![Step::new(op, operands)]);
        assert_eq!(Formula::new(Vec::new()), None);
        assert_eq!(of(Op::Relu, &[Made(0)]), None, "its own result");
        assert_eq!(of(Op::GlobalAveragePool, &[X]), None);
        assert_eq!(of(other("Abs", &[]), &[X, X]), None);
        assert_eq!(of(other("CumSum", &[]), &[X]), None);
        let cast = |to| Op::Other { op_type: "Cast".into(), attributes: [("to".into(), Attribute::Int(to))].into() };
        assert_eq!([1, 9, 6].map(|to| of(cast(to), &[X]).is_some()), [true, true, false]);
    }
}
