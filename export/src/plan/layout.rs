//! Places in RAM and in the file.

use super::file::packed;
use super::{Network, PlanError};
use infer_nostd::Plan;
use infer_nostd::plan::{
    HEADER_WORDS, Kind, MAGIC, NO_READER, OPERATOR_WORDS, Operator, TENSOR_WORDS, Tensor, VERSION, crc32,
};

/// The words of the plan, checked by the engine's own check.
pub fn words(network: Network) -> Result<Vec<u32>, PlanError> {
    let mut tensors = tensors(&network)?;
    let mut operators: Vec<Operator> = network.drafts.iter().map(|draft| draft.operator).collect();
    let data = data(&network, &mut operators);
    let slots = Plan::ring_slots(&file(&network, &tensors, &operators, &data, 0))?;
    for (tensor, &slots) in tensors.iter_mut().zip(&slots) {
        tensor.slots = slots;
    }
    let arena_words = arena(&mut tensors, &mut operators);
    let words = file(&network, &tensors, &operators, &data, arena_words);
    Plan::parse(&words)?;
    Ok(words)
}

/// Records of the tensors, each with the padding that its readers want stored. A ring has the fewest slots until the
/// schedule says more; the output is kept whole.
fn tensors(network: &Network) -> Result<Vec<Tensor>, PlanError> {
    let tensor = |(id, place): (usize, &super::Place)| {
        let readers = || network.drafts.iter().enumerate().filter(|(_, d)| d.operator.inputs.contains(&(id as u16)));
        let mut pads = [0; 4];
        for (_, draft) in readers().filter(|(_, d)| d.operator.kind.reads_padding()) {
            pads = std::array::from_fn(|side| draft.operator.pads[side].max(pads[side]));
        }
        let last_reader = readers().next_back().map_or(NO_READER, |(reader, _)| reader as u16);
        let narrow = |what, found: usize| {
            let error = |_| PlanError::TooLarge { node: place.name.clone(), what, found, limit: u16::MAX as usize };
            u16::try_from(found).map_err(error)
        };
        let [channels, height, width] = place.shape;
        let height = narrow("height", height)?;
        Ok(Tensor {
            height,
            width: narrow("width", width)?,
            channels: narrow("channels", channels)?,
            zero_point: place.zero_point,
            scale: place.scale,
            pads,
            slots: if last_reader == NO_READER { height } else { 1 },
            last_reader,
            ring: 0,
        })
    };
    network.places.iter().enumerate().map(tensor).collect()
}

/// Weights and tables one after the other; the operators learn where theirs begin.
fn data(network: &Network, operators: &mut [Operator]) -> Vec<u32> {
    let start = HEADER_WORDS + network.places.len() * TENSOR_WORDS + operators.len() * OPERATOR_WORDS;
    let mut data = Vec::new();
    for (draft, operator) in network.drafts.iter().zip(operators) {
        operator.weights = (start + data.len()) as u32;
        let bytes: Vec<u8> = draft.weights.iter().map(|&w| w as u8).collect();
        data.extend(packed(&bytes));
        operator.table = (start + data.len()) as u32;
        data.extend(&draft.table);
    }
    data
}

/// Rings, then accumulators, one after the other; the arena's length in words.
fn arena(tensors: &mut [Tensor], operators: &mut [Operator]) -> u32 {
    let mut at = 0;
    for tensor in tensors.iter_mut() {
        tensor.ring = at;
        at += tensor.ring_words() as u32;
    }
    for (operator, output) in operators.iter_mut().zip(&tensors[1..]) {
        if operator.kind.accumulates() {
            operator.state = at;
            at += operator.state_words(output) as u32;
        }
    }
    at
}

fn file(network: &Network, tensors: &[Tensor], operators: &[Operator], data: &[u32], arena_words: u32) -> Vec<u32> {
    let mut words = vec![MAGIC, VERSION, 0, 0, operators.len() as u32, arena_words, 0, 0];
    words.extend(tensors.iter().flat_map(Tensor::encode));
    words.extend(operators.iter().flat_map(Operator::encode));
    words.extend(data);
    words[6] = words.len() as u32;
    words.extend(names(network));
    words[2] = words.len() as u32;
    words[3] = crc32(&words, 4);
    words
}

/// The network's name, the input's, and each operator's, ended by zero bytes.
fn names(network: &Network) -> Vec<u32> {
    let head = [&network.name, &network.places[0].name];
    let names = head.into_iter().chain(network.drafts.iter().map(|d| &d.name));
    let bytes: Vec<u8> = names.flat_map(|name| name.bytes().filter(|&b| b != 0).chain([0])).collect();
    packed(&bytes)
}

/// The kind's name as people write it.
pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Conv2d => "conv2d",
        Kind::Depthwise => "depthwise",
        Kind::Dense => "dense",
        Kind::MaxPool => "max pool",
        Kind::AveragePool => "average pool",
        Kind::GlobalAveragePool => "global average pool",
        Kind::Add => "add",
        Kind::Requantize => "requantize",
    }
}
