//! Images in memory.

/// Images of one size, with a label each.
///
/// `pixels.len() == len() * height * width * channels` and every label is below `classes`: [`open`](crate::open) and
/// [`digits::generate`](crate::digits::generate) see to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// What it is, for reports: `mnist`, `digits`, or the folder's name.
    pub name: String,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Values a pixel: 1 for grey, 3 for colour.
    pub channels: usize,
    /// Labels are 0..classes.
    pub classes: usize,
    /// What the classes are called, in the order of their labels; empty where they are called by their numbers.
    pub class_names: Vec<String>,
    /// All images one after the other, each row by row, channels last (N×H×W×C).
    pub pixels: Vec<u8>,
    /// One label an image.
    pub labels: Vec<u8>,
    /// Where it was read from files: file name and SHA-256 of the raw IDX (before gzip), in lower-case hex.
    pub sha256: Vec<(String, String)>,
}

impl Dataset {
    /// How many images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Bytes an image: height × width × channels.
    pub fn image_len_bytes(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// The pixels of image `i`, rows first, channels last. Panics where `i` is not below [`len`](Self::len), as a slice does.
    pub fn image(&self, i: usize) -> &[u8] {
        let n = self.image_len_bytes();
        &self.pixels[i * n..(i + 1) * n]
    }

    /// The label of image `i`. Panics where `i` is not below [`len`](Self::len), as a slice does.
    pub fn label(&self, i: usize) -> u8 {
        self.labels[i]
    }

    /// What a class is called: its name, or its number.
    pub fn class_name(&self, class: usize) -> String {
        self.class_names.get(class).cloned().unwrap_or_else(|| class.to_string())
    }

    /// The first `n` images, or all where there are fewer.
    pub fn take(self, n: usize) -> Self {
        self.split_at(n).0
    }

    /// The first `n` images and the others: a training and a validation part, say. All are in the first part where
    /// there are fewer than `n`.
    pub fn split_at(mut self, n: usize) -> (Self, Self) {
        let n = n.min(self.len());
        let rest = Self {
            name: self.name.clone(),
            class_names: self.class_names.clone(),
            pixels: self.pixels.split_off(n * self.image_len_bytes()),
            labels: self.labels.split_off(n),
            sha256: self.sha256.clone(),
            ..self
        };
        (self, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Dataset {
        Dataset {
            name: "three".into(),
            height: 1,
            width: 2,
            channels: 1,
            classes: 3,
            class_names: vec!["ant".into(), "bee".into(), "cat".into()],
            pixels: vec![0, 1, 10, 11, 20, 21],
            labels: vec![2, 0, 1],
            sha256: vec![],
        }
    }

    #[test]
    fn an_image_and_its_label_go_together() {
        assert_eq!((three().image(1), three().label(1)), (&[10, 11][..], 0));
    }

    #[test]
    fn a_class_without_a_name_is_called_by_its_number() {
        assert_eq!((three().class_name(2), three().class_name(3)), ("cat".into(), "3".into()));
    }

    #[test]
    fn a_split_loses_nothing() {
        let (a, b) = three().split_at(1);
        assert_eq!((a.pixels, a.labels), (vec![0, 1], vec![2]));
        assert_eq!((b.pixels, b.labels), (vec![10, 11, 20, 21], vec![0, 1]));
    }

    #[test]
    fn take_takes_at_most_all() {
        assert_eq!(three().take(2).labels, [2, 0]);
        assert_eq!(three().take(9), three());
        assert!(three().take(0).is_empty());
    }
}
