//! Progress of commands that take more than a moment.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

/// A bar on a terminal; nothing elsewhere, where it would fill a log.
pub fn bar(what: &'static str, count: usize) -> ProgressBar {
    let terminal = std::io::stderr().is_terminal();
    let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{msg:>12} {wide_bar} {pos}/{len} {eta:>4}").expect("a constant template");
    ProgressBar::with_draw_target(Some(count as u64), target).with_style(style).with_message(what)
}
