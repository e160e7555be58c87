//! From a name to a network: the only place that lists them.
//!
//! burn modules are not trait objects (they are cloned, mapped and moved by value), so a name is
//! turned into a *type* by visiting: the caller's [`Visit`] is run with the network that was named.
//!
//! ```
//! use models::{Network, Task};
//! use models::zoo::{self, Visit};
//!
//! struct TakesColour;
//! impl Visit for TakesColour {
//!     type Output = bool;
//!     fn visit<N: Network>(self) -> bool {
//!         N::fits(&Task { input: [3, 32, 32], classes: 10 }).is_ok()
//!     }
//! }
//! assert!(zoo::visit("mnist-cnn", TakesColour).unwrap());
//! ```

use crate::mnist_cnn::MnistCnn;
use crate::mnist_cnn_wide::MnistCnnWide;
use crate::mnist_dsres::MnistDsRes;
use crate::network::Network;

/// The networks that are shipped: each has a folder with its artifacts.
pub const NAMES: [&str; 2] = [MnistCnn::NAME, MnistDsRes::NAME];

/// The networks that only others learn from.
pub const TEACHERS: [&str; 1] = [MnistCnnWide::NAME];

/// Work to be done with a network whose type is known only by name.
pub trait Visit {
    /// What the work returns.
    type Output;

    /// Does the work with the network `N`.
    fn visit<N: Network>(self) -> Self::Output;
}

/// There is no network of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no network {found:?} in the zoo; it holds {}", [&NAMES[..], &TEACHERS].concat().join(", "))]
pub struct UnknownNetwork {
    /// The name that was asked for.
    pub found: String,
}

/// Runs `work` with the network called `name`.
pub fn visit<V: Visit>(name: &str, work: V) -> Result<V::Output, UnknownNetwork> {
    match name {
        MnistCnn::NAME => Ok(work.visit::<MnistCnn>()),
        MnistDsRes::NAME => Ok(work.visit::<MnistDsRes>()),
        MnistCnnWide::NAME => Ok(work.visit::<MnistCnnWide>()),
        _ => Err(UnknownNetwork { found: name.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Name;
    impl Visit for Name {
        type Output = &'static str;
        fn visit<N: Network>(self) -> &'static str {
            N::NAME
        }
    }

    #[test]
    fn every_name_leads_to_its_network() {
        assert_eq!(NAMES.map(|n| visit(n, Name).unwrap()), NAMES);
        assert_eq!(TEACHERS.map(|n| visit(n, Name).unwrap()), TEACHERS);
    }

    #[test]
    fn an_unknown_name_is_told_what_there_is() {
        let error = visit("resnet", Name).unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no network \"resnet\" in the zoo; it holds mnist-cnn, mnist-dsres, mnist-cnn-wide"
        );
    }
}
