//! Hand-drawn-looking digits from a seed: no file, no network, and the same bits on every machine.
//!
//! A sample is drawn as one is written. A style of its digit is chosen, a hand moves its points, bends,
//! slants and scales it and picks a pen, and the ink makes pixels of it. The result is placed as MNIST's images are:
//! 28×28, white on black, the ink in a box of 20×20, centred by its mass.
//!
//! Seeds and indices name samples for good: a golden test holds the bytes.
//!
//! ```
//! let (pixels, label) = data::digits::image(data::digits::TEST_SEED, 0);
//! let test = data::digits::generate(data::digits::TEST_SEED, 10);
//! assert_eq!((test.image(0), test.label(0)), (&pixels[..], label));
//! ```

mod dice;
mod hand;
mod ink;
#[rustfmt::skip] // a style a line reads as a table; a point a line does not
mod styles;

use crate::Dataset;
use dice::Dice;

/// Rows, and columns, of an image.
pub const SIDE: usize = 28;

/// The seed behind `open(&Source::Digits, Split::Train)`.
pub const TRAIN_SEED: u64 = 1;

/// The seed behind `open(&Source::Digits, Split::Test)`.
pub const TEST_SEED: u64 = 2;

const CLASSES: usize = 10;

/// Images 0 to `count` of a seed. Every ten in a row hold each digit once, so classes are balanced to within one.
pub fn generate(seed: u64, count: usize) -> Dataset {
    let mut pixels = Vec::with_capacity(count * SIDE * SIDE);
    let mut labels = Vec::with_capacity(count);
    for index in 0..count as u64 {
        let (image, label) = image(seed, index);
        pixels.extend_from_slice(&image);
        labels.push(label);
    }
    Dataset {
        name: "digits".into(),
        height: SIDE,
        width: SIDE,
        channels: 1,
        classes: CLASSES,
        class_names: vec![],
        pixels,
        labels,
        sha256: vec![],
    }
}

/// One image, row by row, and its label. Any index will do, in any order: each has dice of its own.
pub fn image(seed: u64, index: u64) -> ([u8; SIDE * SIDE], u8) {
    let label = label(seed, index);
    let dice = &mut Dice::new(seed, index);
    let strokes = hand::write(label, dice);
    // MNIST moved its images by whole pixels, so their centres of mass are spread over the pixel at (14, 14).
    let target = [14.0, 14.0].map(|corner| corner + dice.between(0.0, 1.0));
    let middle = [SIDE as f64 / 2.0; 2];
    let mass = ink::centre(&ink::draw(&strokes, middle));
    let origin = [0, 1].map(|i| middle[i] + target[i] - mass[i]);
    (ink::bytes(&ink::draw(&strokes, origin)), label)
}

/// The digits 0 to 9, shuffled anew for every ten indices.
fn label(seed: u64, index: u64) -> u8 {
    let (block, place) = (index / 10, (index % 10) as usize);
    let mut order: [u8; CLASSES] = core::array::from_fn(|i| i as u8);
    let dice = &mut Dice::new(!seed, block);
    for last in (1..CLASSES).rev() {
        order.swap(last, dice.below(last as u32 + 1) as usize);
    }
    order[place]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FNV-1a, 64 bits: enough to see that a byte differs.
    fn hash(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
    }

    fn sum(image: &[u8]) -> u32 {
        image.iter().map(|&pixel| u32::from(pixel)).sum()
    }

    /// The same bytes on every machine and in every version: a change here changes the samples that firmware carries.
    #[test]
    fn golden_samples() {
        let check = |seed, index, label, pixel_sum, pixel_hash| {
            let (image, found) = image(seed, index);
            assert_eq!(
                (found, sum(&image), hash(&image)),
                (label, pixel_sum, pixel_hash),
                "seed {seed}, index {index}"
            );
        };
        check(TRAIN_SEED, 0, 5, 39_906, 16_728_088_377_006_635_687);
        check(TRAIN_SEED, 9_999, 8, 30_030, 5_814_915_309_666_054_863);
        check(TEST_SEED, 0, 1, 9_747, 6_074_032_187_601_179_978);
        check(u64::MAX, u64::MAX, 3, 39_666, 13_626_223_241_468_816_821);
    }

    #[test]
    fn golden_hash_of_a_thousand() {
        assert_eq!(hash(&generate(TEST_SEED, 1_000).pixels), 2_715_938_281_632_906_784);
    }

    #[test]
    fn a_sample_is_its_seed_and_index() {
        let many = generate(5, 30);
        let (pixels, label) = image(5, 29);
        assert_eq!((many.image(29), many.label(29)), (&pixels[..], label));
        assert_ne!(generate(5, 1).pixels, generate(6, 1).pixels);
    }

    #[test]
    fn every_ten_hold_each_digit_once() {
        for ten in generate(8, 100).labels.chunks(10) {
            let mut sorted = ten.to_vec();
            sorted.sort();
            assert_eq!(sorted, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        }
    }

    #[test]
    fn every_image_is_placed_as_mnist_is() {
        let data = generate(9, 2_000);
        for i in 0..data.len() {
            let [x, y] = ink::centre(&core::array::from_fn(|k| f64::from(data.image(i)[k])));
            // The pixel at (14, 14), and a fifth, as moved ink is sampled anew.
            let near = |centre: f64| (13.8..15.2).contains(&centre);
            assert!(near(x) && near(y), "image {i}: centre of mass at {x}, {y}");
        }
    }

    /// MNIST's first 10,000: mean 33.4, 19.2 % of pixels not 0, means of images between 5 and 82.
    #[test]
    fn as_much_ink_as_mnist_has() {
        let data = generate(9, 2_000);
        let mean = f64::from(sum(&data.pixels)) / data.pixels.len() as f64;
        let inked = data.pixels.iter().filter(|&&pixel| pixel > 0).count() as f64 / data.pixels.len() as f64;
        assert!((32.0..35.0).contains(&mean), "mean {mean}");
        assert!((0.18..0.21).contains(&inked), "inked {inked}");
        for i in 0..data.len() {
            let mean = sum(data.image(i)) / 784;
            assert!((5..90).contains(&mean), "image {i} of mean {mean}");
        }
    }

    #[test]
    fn every_style_of_every_digit_is_drawn() {
        for (digit, styles) in styles::STYLES.iter().enumerate() {
            assert!(styles.len() >= 3, "{digit}");
            assert!(
                styles.iter().all(|style| style.weight > 0 && style.strokes.iter().all(|line| line.len() > 1)),
                "{digit}"
            );
        }
    }
}
