//! What `export quantize` says: scales, choices, errors; as text and as JSON.

use anyhow::Result;
use export::{
    quantize::{Choice, LayerError, QuantOp, QuantTensor, Range, Ranges, Sqnr, Tuned},
    tables,
};
use serde::Serialize;

/// What the network is where nothing was chosen.
const PLAIN: &str = "so ranges are min–max and weights at their nearest steps";

/// The int8 file in tract against the float one.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Verified {
    /// How many inputs.
    pub inputs: usize,
    /// How many of these calibrated: all, where there were no others.
    pub calibrated: usize,
    /// How many of these judged choices.
    pub judged: usize,
    /// Inputs given the same class, in percent, of a network with classes.
    pub agreement: Option<f64>,
    /// Of the logits.
    pub sqnr_db: f64,
}

/// Everything there is to say.
pub struct Report<'r> {
    pub tuned: &'r Tuned,
    /// Empty where they were not asked for.
    pub layers: &'r [LayerError],
    /// Inputs that choices were to be judged by.
    pub judged_by: usize,
    /// Whether some of them calibrated as well.
    pub in_turns: bool,
    pub verified: Verified,
}

/// The report's JSON.
#[derive(Serialize)]
struct Json<'r> {
    network: &'r str,
    judged_by: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    judged: Option<Sqnr>,
    verified: Verified,
    tensors: Vec<Tensor<'r>>,
    choices: &'r [Choice],
    layers: &'r [LayerError],
}

#[derive(Serialize)]
struct Tensor<'r> {
    layer: &'r str,
    tensor: &'r str,
    shape: [usize; 3],
    /// Absent where it has its input's scale.
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<[f32; 2]>,
    scale: f32,
    zero_point: i8,
}

impl<'r> Report<'r> {
    pub fn text(&self, explain: bool) -> String {
        let mut text = self.scales();
        if explain {
            text = format!("{text}\n{}\n{}", self.choices(), self.errors());
        }
        let Verified { inputs, calibrated, judged, agreement, sqnr_db } = self.verified;
        let seen = if calibrated > 0 {
            "that calibrated as well".to_string()
        } else {
            format!("kept from calibration, of which {judged} judged choices")
        };
        let classes = agreement.map_or(String::new(), |part| format!("{part:.2} % of the classes as in float, "));
        format!(
            "{text}{}\nverified in tract on {inputs} inputs {seen}: {classes}SQNR of the logits \
             {sqnr_db:.1} dB\n",
            self.gain()
        )
    }

    pub fn json(&self) -> Result<String> {
        let network = &self.tuned.network;
        let tensor = |(tensor, layer): (&'r QuantTensor, &'r str)| Tensor {
            layer,
            tensor: &tensor.name,
            shape: tensor.shape,
            range: self.tuned.ranges.get(&tensor.name).map(|&Range { min, max }| [min, max]),
            scale: tensor.scale,
            zero_point: tensor.zero_point,
        };
        let json = Json {
            network: &network.name,
            judged_by: self.judged_by,
            judged: self.tuned.judged,
            verified: self.verified,
            tensors: network.tensors.iter().zip(self.makers()).map(tensor).collect(),
            choices: &self.tuned.choices,
            layers: self.layers,
        };
        Ok(serde_json::to_string_pretty(&json)? + "\n")
    }

    /// What the choices have brought in all, and how sure that is.
    fn gain(&self) -> String {
        let (Some(first), Some(Sqnr { inputs, db, standard_error_db })) =
            (self.tuned.choices.first(), self.tuned.judged)
        else {
            return format!(
                "warning: {} inputs are too few to judge choices by, {PLAIN}; give at least 4",
                self.judged_by
            );
        };
        let turns = if self.in_turns { ", in turns by networks made without them" } else { "" };
        let machine =
            if self.tuned.in_engine { "the engine" } else { "tract, as the engine has no plan for this network" };
        let judged = format!("judged by {inputs} inputs in {machine}{turns}: SQNR of the logits");
        if self.tuned.choices.iter().all(|choice| choice.gain_db == 0.0) {
            let warning =
                format!("warning: on {inputs} inputs no choice gained more than chance, {PLAIN}; more inputs may tell");
            return format!("{judged} {db:.1} ± {standard_error_db:.1} dB\n{warning}");
        }
        let before = first.sqnr_db;
        format!("{judged} {before:.1} dB with min–max ranges, {db:.1} ± {standard_error_db:.1} dB as chosen")
    }

    /// Who makes each tensor.
    fn makers(&self) -> impl Iterator<Item = &'r str> {
        std::iter::once("(input)").chain(self.tuned.network.nodes.iter().map(|node| node.name.as_str()))
    }

    /// One line a tensor: who makes it, its range, its steps, and the scales of the weights.
    fn scales(&self) -> String {
        let nodes = self.tuned.network.nodes.iter().map(|node| weight_scales(&node.op));
        let weights = std::iter::once(String::new()).chain(nodes);
        let rows =
            self.tuned.network.tensors.iter().zip(self.makers()).zip(weights).map(|((tensor, maker), weights)| {
                let [shape, range, scale, zero_point] = columns(tensor, &self.tuned.ranges);
                vec![maker.into(), shape, range, scale, zero_point, weights]
            });
        tables::table(&["layer", "C×H×W", "range", "scale", "zero", "weight scales"], &rows.collect::<Vec<_>>())
    }

    /// What was chosen, in order, and what it has brought.
    fn choices(&self) -> String {
        let row = |choice: &Choice| {
            let of = if choice.of.is_empty() { "(network)" } else { &choice.of };
            vec![of.into(), choice.chosen.clone(), format!("{:+.2}", choice.gain_db), format!("{:.2}", choice.sqnr_db)]
        };
        let rows: Vec<_> = self.tuned.choices.iter().map(row).collect();
        tables::table(&["of", "chosen", "gain dB", "SQNR dB"], &rows)
    }

    /// Each layer's error, and the one that costs most.
    fn errors(&self) -> String {
        let row = |error: &LayerError| {
            vec![error.layer.clone(), format!("{:.1}", error.sqnr_db), format!("{:.1}", error.alone_db)]
        };
        let rows: Vec<_> = self.layers.iter().map(row).collect();
        let table = tables::table(&["layer", "SQNR dB", "logits with it alone int8"], &rows);
        let worst = self.layers.iter().min_by(|a, b| a.alone_db.total_cmp(&b.alone_db));
        let worst = worst.map(|worst| format!("`{}` costs most: {:.1} dB by itself\n", worst.layer, worst.alone_db));
        table + &worst.unwrap_or_default()
    }
}

/// Shape, range, scale, zero point.
fn columns(tensor: &QuantTensor, ranges: &Ranges) -> [String; 4] {
    let [channels, height, width] = tensor.shape;
    let range = ranges.get(&tensor.name).map_or("as its input".into(), |r| format!("{:.4} … {:.4}", r.min, r.max));
    let scale = format!("{:.6}", tensor.scale);
    [format!("{channels}×{height}×{width}"), range, scale, tensor.zero_point.to_string()]
}

fn weight_scales(op: &QuantOp) -> String {
    let (QuantOp::Conv2d { weights, .. } | QuantOp::Dense { weights, .. }) = op else { return String::new() };
    let (low, high) = weights.scales.iter().fold((f32::MAX, 0f32), |(low, high), &s| (low.min(s), high.max(s)));
    format!("{low:.1e} … {high:.1e}")
}
