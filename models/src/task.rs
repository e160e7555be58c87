//! What a network is built for.

use std::fmt;
use std::str::FromStr;

/// The images that a network takes, and how many classes it tells apart.
///
/// Written as `1x28x28 to 10`, which is how a checkpoint names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Channels, height and width of one image.
    pub input: [usize; 3],
    /// Logits of an answer.
    pub classes: usize,
}

/// Most values of an image.
const MAX_VALUES: usize = 4 << 20;

/// Most classes: a label is a byte.
const MAX_CLASSES: usize = 256;

/// A task that a network cannot be built for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Images that pools and strides would leave nothing of.
    #[error(
        "images of {width}×{height} pixels, but it halves them and needs {smallest}×{smallest} at least; enlarge the images, or choose another network"
    )]
    TooSmall {
        /// Pixels a row.
        width: usize,
        /// Rows.
        height: usize,
        /// The shorter side of the smallest image.
        smallest: usize,
    },
    /// Nothing to tell apart.
    #[error(
        "{classes} class, but there must be two at least to tell apart; check the labels, or sort the pictures into folders by class"
    )]
    OneClass {
        /// How many there are.
        classes: usize,
    },
    /// Images or classes that no microcontroller holds, and no labels name.
    #[error(
        "{task}, but at most {MAX_VALUES} values an image and {MAX_CLASSES} classes are taken; make the images smaller"
    )]
    TooLarge {
        /// The task.
        task: Task,
    },
    /// Images without channels.
    #[error("images without channels; check how the data were made")]
    NoChannels,
}

impl Task {
    /// Handwritten digits, which the networks of the zoo were made for.
    pub const MNIST: Self = Self { input: [1, 28, 28], classes: 10 };

    /// Whether a network fits that takes images of any channels and classes, but none whose shorter side is below `smallest`.
    pub(crate) fn check(&self, smallest: usize) -> Result<(), Unfit> {
        let [channels, height, width] = self.input;
        match () {
            () if channels == 0 => Err(Unfit::NoChannels),
            () if height.min(width) < smallest => Err(Unfit::TooSmall { width, height, smallest }),
            () if !self.is_held() => Err(Unfit::TooLarge { task: self.clone() }),
            () if self.classes < 2 => Err(Unfit::OneClass { classes: self.classes }),
            () => Ok(()),
        }
    }

    fn is_held(&self) -> bool {
        let values = self.input.iter().try_fold(1usize, |values, &side| values.checked_mul(side));
        self.classes <= MAX_CLASSES && values.is_some_and(|values| values <= MAX_VALUES)
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [channels, height, width] = self.input;
        write!(f, "{channels}x{height}x{width} to {}", self.classes)
    }
}

/// A text that is no task.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a task like {:?}, found {found:?}", Task::MNIST.to_string())]
pub struct NoTask {
    /// The text.
    pub found: String,
}

impl FromStr for Task {
    type Err = NoTask;

    fn from_str(text: &str) -> Result<Self, NoTask> {
        let parsed = || {
            let (input, classes) = text.split_once(" to ")?;
            let input: Vec<usize> = input.split('x').map(|side| side.parse().ok()).collect::<Option<_>>()?;
            Some(Self { input: input.try_into().ok()?, classes: classes.parse().ok()? })
        };
        parsed().ok_or_else(|| NoTask { found: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let task = Task { input: [3, 32, 48], classes: 7 };
        assert_eq!(task.to_string(), "3x32x48 to 7");
        assert_eq!(task.to_string().parse(), Ok(task));
        for text in ["", "3x32 to 7", "3x32x48x1 to 7", "3x32x48", "3x32x-1 to 7"] {
            assert!(text.parse::<Task>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_says_why() {
        let check = |input, classes| Task { input, classes }.check(8).map_err(|unfit| unfit.to_string());
        assert_eq!(check([3, 8, 9], 2), Ok(()));
        assert!(check([1, 9, 7], 2).unwrap_err().contains("7×9 pixels, but it halves them and needs 8×8"));
        assert!(check([1, 9, 9], 1).unwrap_err().contains("1 class, but there must be two"));
        assert!(check([1, usize::MAX, 9], 2).unwrap_err().contains("at most 4194304 values an image"));
        assert!(check([1, 9, 9], 257).unwrap_err().contains("at most 4194304 values an image and 256 classes"));
        assert_eq!(check([0, 9, 9], 2), Err(Unfit::NoChannels.to_string()));
    }
}
