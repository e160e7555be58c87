//! A plan's words as bytes, and back.

/// The bytes of a plan file, each word's low byte first.
pub fn to_bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The words of a plan file. Bytes short of a word give two, so that the length check cannot miss them.
pub fn words(bytes: &[u8]) -> Vec<u32> {
    let ragged = (!bytes.len().is_multiple_of(4)).then_some(0);
    packed(bytes).into_iter().chain(ragged).collect()
}

/// Int8 values as words, the last filled up with zeros.
pub(super) fn packed_i8(values: &[i8]) -> Vec<u32> {
    packed(&values.iter().map(|&v| v as u8).collect::<Vec<_>>())
}

/// Bytes as words, the last filled up with zeros.
pub(super) fn packed(bytes: &[u8]) -> Vec<u32> {
    let word = |chunk: &[u8]| {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        u32::from_le_bytes(word)
    };
    bytes.chunks(4).map(word).collect()
}
