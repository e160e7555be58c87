//! On the real MNIST, where `$MNIST_DIR` says that it is there.
#![cfg(feature = "files")]

use data::{Dataset, Source, Split};

/// Opens both parts, unless there is no MNIST here.
fn real(source: impl Fn(String) -> Source) -> Option<[Dataset; 2]> {
    let Ok(folder) = std::env::var("MNIST_DIR") else {
        println!("skipped: MNIST_DIR is not set");
        return None;
    };
    Some([Split::Train, Split::Test].map(|split| data::open(&source(folder.clone()), split).unwrap()))
}

#[test]
fn its_sizes_and_first_labels() {
    let Some([train, test]) = real(|_| Source::Mnist) else { return };
    assert_eq!((train.len(), test.len()), (60_000, 10_000));
    assert_eq!((test.height, test.width, test.channels, test.classes), (28, 28, 1, 10));
    assert_eq!(train.labels[..10], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    assert_eq!(test.labels[..10], [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
    // The mean pixel of the training images, 0.1307 of 255, is what everyone's normalization quotes.
    let mean = train.pixels.iter().map(|&pixel| u64::from(pixel)).sum::<u64>() as f64 / train.pixels.len() as f64;
    assert_eq!((mean / 255.0 * 1e4).round(), 1307.0);
}

#[test]
fn it_is_recognized_in_a_folder() {
    let Some([train, test]) = real(|folder| Source::Path(folder.into())) else { return };
    assert_eq!((train.name.as_str(), test.name.as_str(), test.classes), ("mnist", "mnist", 10));
}
