//! Places in RAM and in the file.

use super::file::packed;
use super::{Network, PlanError, Target};
use infer_nostd::Plan;
use infer_nostd::plan::{
    HEADER_WORDS, Kind, MAGIC, NO_READER, OPERATOR_WORDS, Operator, ShortLived, TENSOR_WORDS, Tensor, VERSION, crc32,
    operator_words, tensor_words,
};
use infer_nostd::schedule::Life;

/// The words of the plan, checked by the engine's own check.
pub fn words(network: &Network, mut activations: Activations, target: Target) -> Result<Vec<u32>, PlanError> {
    let mut operators: Vec<Operator> = network.drafts.iter().map(|draft| draft.operator).collect();
    let data = data(network, &mut operators);
    let arena_words = arena(&mut activations, &mut operators);
    let words = file(network, &activations.tensors, &operators, &data, arena_words, target);
    Plan::parse(&words)?;
    Ok(words)
}

/// Records of the tensors, channels last, each with the padding that its readers want stored and the slots that the schedule needs; the
/// output is kept whole. They have no place yet.
pub fn activations(network: &Network) -> Result<Activations, PlanError> {
    let mut tensors = records(network)?;
    let mut network = network.clone();
    network.drafts.iter_mut().for_each(|draft| super::pack(draft, &tensors));
    let mut operators: Vec<Operator> = network.drafts.iter().map(|draft| draft.operator).collect();
    complete(&mut operators, &tensors);
    let data = data(&network, &mut operators);
    let slots = Plan::ring_slots(&file(&network, &tensors, &operators, &data, 0, Target::Portable))?;
    for (tensor, &slots) in tensors.iter_mut().zip(&slots) {
        *tensor = Tensor { slots, ..*tensor }.complete();
    }
    let short_lived = Plan::short_lived(&file(&network, &tensors, &operators, &data, 0, Target::Portable))?;
    Ok(Activations { short_lived: short_lived[..tensors.len()].to_vec(), tensors })
}

/// Works out the fields of the operators that follow from others and from their tensors.
pub fn complete(operators: &mut [Operator], tensors: &[Tensor]) {
    for (id, operator) in operators.iter_mut().enumerate() {
        *operator = operator.complete(&tensors[usize::from(operator.inputs[0])], &tensors[id + 1]);
    }
}

/// Records of the tensors, and what their rows may do.
#[derive(Debug, Clone)]
pub struct Activations {
    pub tensors: Vec<Tensor>,
    short_lived: Vec<ShortLived>,
}

impl Activations {
    /// Lets every tensor's rows land that may, where its reader's kernel takes them so: its ring is then a row shorter.
    pub fn land(&mut self, operators: &[Operator]) {
        for (tensor, short_lived) in self.tensors.iter_mut().zip(&self.short_lived) {
            let landing = Tensor { landing: 0, slots: tensor.slots - 1, ..*tensor }.complete();
            let takes = |operator: &Operator| operator.kernel.takes(operator, &landing);
            if short_lived.may_land && landing.slots > 0 && takes(&operators[usize::from(tensor.last_reader)]) {
                *tensor = landing;
            }
        }
    }
}

fn records(network: &Network) -> Result<Vec<Tensor>, PlanError> {
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
        let shape = [height, narrow("width", width)?, narrow("channels", channels)?];
        let tensor = Tensor {
            pads,
            slots: if last_reader == NO_READER { height } else { 1 },
            last_reader,
            ..Tensor::new(shape, place.scale, place.zero_point)
        };
        Ok(tensor.complete())
    };
    network.places.iter().enumerate().map(tensor).collect()
}

/// Weights and tables one after the other; the operators learn where theirs begin.
fn data(network: &Network, operators: &mut [Operator]) -> Vec<u32> {
    let start = HEADER_WORDS + network.places.len() * TENSOR_WORDS + operators.len() * OPERATOR_WORDS;
    let mut data = Vec::new();
    for (draft, operator) in network.drafts.iter().zip(operators) {
        operator.weights = (start + data.len()) as u32;
        data.extend(&draft.weights);
        operator.table = (start + data.len()) as u32;
        data.extend(&draft.table);
    }
    data
}

/// Bytes of code that make padding anew, so that rings which have some can share memory.
const RENEWING_BYTES: u32 = 160;

/// Rings, then places for short-lived rows, then accumulators; the arena's length in words.
///
/// Rows that are dead as soon as they are read, and rows that land, take turns in one of two places. What is done with before something else begins,
/// as the whole maps are that wait for their gates, leaves its place to it.
pub fn arena(Activations { tensors, short_lived }: &mut Activations, operators: &mut [Operator]) -> u32 {
    let mut rings = Vec::new();
    let mut lengths = [0; 2];
    let mut places = vec![None; tensors.len()];
    for (id, tensor) in tensors.iter().enumerate() {
        let len = if tensor.lands() { tensor.landing_words() } else { tensor.ring_words() } as u32;
        rings.push(if short_lived[id].passing { 0 } else { tensor.ring_words() as u32 });
        if short_lived[id].passing || tensor.lands() {
            // Not the place of the rows it is made from.
            let made_from = operators[id - 1].inputs.map(|input| places[usize::from(input)]);
            let place = usize::from(made_from.contains(&Some(0)));
            places[id] = Some(place);
            lengths[place] = lengths[place].max(len);
        }
    }
    let states = operators
        .iter()
        .enumerate()
        .map(|(id, operator)| operator.state_words(&tensors[usize::from(operator.inputs[0])], &tensors[id + 1]) as u32);
    let states: Vec<u32> = states.collect();
    let blocks = |renews: bool| -> Vec<Block> {
        let life = |id: usize| if renews || tensors[id].pads == [0; 4] { short_lived[id].life } else { ALWAYS };
        let rings = rings.iter().enumerate().map(|(id, &len)| Block { len, life: life(id) });
        let states = states.iter().enumerate().map(|(id, &len)| Block { len, life: life(id + 1) });
        rings.chain(lengths.map(|len| Block { len, life: ALWAYS })).chain(states).collect()
    };
    let [kept, renewed] = [false, true].map(|renews| in_turn(&blocks(renews)));
    // A byte of RAM is worth four of flash.
    let (at, len) = if (kept.1 - renewed.1.min(kept.1)) * 16 > RENEWING_BYTES { renewed } else { kept };
    for (id, tensor) in tensors.iter_mut().enumerate() {
        if !short_lived[id].passing {
            tensor.ring = at[id];
        }
        if let Some(place) = places[id] {
            *(if tensor.lands() { &mut tensor.landing } else { &mut tensor.ring }) = at[rings.len() + place];
        }
    }
    for ((operator, &at), &words) in operators.iter_mut().zip(&at[rings.len() + lengths.len()..]).zip(&states) {
        operator.state = if words > 0 { at } else { 0 };
    }
    len
}

/// Words of the arena for one use, and when in an image they are in use.
#[derive(Clone, Copy)]
struct Block {
    len: u32,
    life: Life,
}

/// The life of what is in use from one image to the next.
const ALWAYS: Life = Life { first: 0, last: u32::MAX };

/// Where each block begins, and the words of all: one after the other, or the longest first where that is less.
fn in_turn(blocks: &[Block]) -> (Vec<u32>, u32) {
    let one_by_one: Vec<usize> = (0..blocks.len()).filter(|&i| blocks[i].len > 0).collect();
    let mut longest_first = one_by_one.clone();
    longest_first.sort_by_key(|&i| std::cmp::Reverse(blocks[i].len));
    let [in_order, by_length] = [one_by_one, longest_first].map(|order| in_order(blocks, &order));
    if by_length.1 < in_order.1 { by_length } else { in_order }
}

/// The same, each in its turn at the first place where nothing lies that is in use at the same time.
fn in_order(blocks: &[Block], order: &[usize]) -> (Vec<u32>, u32) {
    let (mut at, mut end) = (vec![0; blocks.len()], 0);
    // Beginning, end and life, by where they begin.
    let mut placed: Vec<(u32, u32, Life)> = Vec::with_capacity(order.len());
    for &i in order {
        let Block { len, life } = blocks[i];
        let mut first = 0;
        for &(start, end, _) in placed.iter().filter(|(.., other)| !life.is_apart(*other)) {
            if first + len <= start {
                break;
            }
            first = first.max(end);
        }
        at[i] = first;
        end = end.max(first + len);
        placed.insert(placed.partition_point(|&(start, ..)| start <= first), (first, first + len, life));
    }
    (at, end)
}

/// Words of a plan besides weights and tables.
pub fn overhead_words(network: &Network) -> usize {
    let operators = network.drafts.len();
    HEADER_WORDS + (operators + 1) * TENSOR_WORDS + operators * OPERATOR_WORDS + names(network).len()
}

fn file(
    network: &Network,
    tensors: &[Tensor],
    operators: &[Operator],
    data: &[u32],
    arena_words: u32,
    target: Target,
) -> Vec<u32> {
    let mut words = vec![MAGIC, VERSION, 0, 0, operators.len() as u32, arena_words, 0, target as u32];
    words.extend(tensors.iter().flat_map(tensor_words));
    words.extend(operators.iter().flat_map(operator_words));
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
        Kind::Lookup => "lookup",
        Kind::Concat => "concat",
        Kind::Mul => "mul",
        Kind::Resize => "resize",
    }
}
