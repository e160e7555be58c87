//! Float against int8: what quantization costs on the test images.

use std::fmt::Write;

use crate::html::{escape, grouped};
use crate::run::{Judgement, Run};

/// A row a runtime, each held against the first; empty where there is only one.
pub(super) fn section(run: &Run) -> String {
    let [first, others @ ..] = &run.judgements[..] else { return String::new() };
    if others.is_empty() {
        return String::new();
    }
    let name = escape(&first.name);
    let mut html = format!(
        "<div class=\"scroll\"><table class=\"facts wide\">\n<tr><th></th><th>runtime</th><th class=\"number\">test accuracy</th>\
         <th class=\"number\">errors</th><th class=\"number\">same class as {name}</th>\
         <th class=\"number\">only {name} right</th><th class=\"number\">only {name} wrong</th></tr>\n"
    );
    for judgement in &run.judgements {
        let errors = judgement.errors(&run.labels);
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>{}</tr>",
            escape(&judgement.name),
            escape(&judgement.runtime),
            super::percent(run.labels.len() - errors, run.labels.len()),
            grouped(errors),
            against(run, first, judgement),
        );
    }
    let text = format!("The same {} test images through each.", grouped(run.labels.len()));
    super::section("Float against int8", &text, &(html + "</table></div>\n"))
}

fn against(run: &Run, first: &Judgement, other: &Judgement) -> String {
    if first.name == other.name {
        return "<td></td><td></td><td></td>".into();
    }
    let count = |what: fn(u8, u8, u8) -> bool| {
        let images = run.labels.iter().zip(&first.answers).zip(&other.answers);
        images.filter(|((label, first), other)| what(**label, **first, **other)).count()
    };
    let same = count(|_, first, other| first == other);
    let lost = count(|label, first, other| first == label && other != label);
    let won = count(|label, first, other| first != label && other == label);
    format!(
        "<td class=\"number\">{} of {}</td><td class=\"number\">{lost}</td><td class=\"number\">{won}</td>",
        grouped(same),
        grouped(run.labels.len())
    )
}

#[cfg(test)]
mod tests {
    use crate::run::Judgement;
    use crate::run::tests::{judgement, small, small_test};

    #[test]
    fn int8_is_held_against_float_image_by_image() {
        let mut run = small();
        assert_eq!(super::section(&run), "");
        run.add(Judgement { answers: vec![1, 1, 1], ..judgement("int8") }, &small_test());
        let html = super::section(&run);
        let row = "<td>int8</td><td>test</td><td class=\"number\">66.7 %</td><td class=\"number\">1</td>\
                   <td class=\"number\">1 of 3</td><td class=\"number\">1</td><td class=\"number\">1</td>";
        assert!(html.contains(row), "{html}");
    }
}
