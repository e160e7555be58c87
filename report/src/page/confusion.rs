//! Which classes are taken for which.

use std::fmt::Write;

use crate::html::{escape, grouped};
use crate::run::{Judgement, Run};

/// With more classes than this a table has more cells than a page, and the pairs that are confused are listed.
const MOST_CLASSES: usize = 24;

/// Pairs in that list.
const MOST_PAIRS: usize = 30;

/// Names longer than this stand upright over their column.
const SHORT_NAME: usize = 3;

/// The section: of the last runtime, which is what ships.
pub(super) fn section(run: &Run) -> String {
    let Some(judgement) = run.judgements.last() else { return String::new() };
    let matrix = judgement.confusion(&run.labels, run.classes.len());
    let content = if run.classes.len() > MOST_CLASSES { pairs(run, &matrix) } else { table(run, &matrix) };
    super::section("Confusion", &text(judgement), &content)
}

fn text(judgement: &Judgement) -> String {
    format!(
        "A row is a true class, a column what {} took its test images for; orange is misread.",
        escape(&judgement.name)
    )
}

fn table(run: &Run, matrix: &[Vec<usize>]) -> String {
    let long = run.classes.iter().any(|name| name.chars().count() > SHORT_NAME);
    let class = if long { " class=\"long\"" } else { "" };
    let heads = run.classes.iter().map(|name| format!("<th{class}>{}</th>", escape(name))).collect::<String>();
    let most_wrong =
        matrix.iter().enumerate().flat_map(|(i, row)| row.iter().enumerate().filter(move |(j, _)| i != *j));
    let most_wrong = most_wrong.map(|(_, &count)| count).max().unwrap_or(0);
    let mut html = format!(
        "<div class=\"scroll\"><table class=\"confusion\">\n<thead><tr><th></th>{heads}<th></th></tr></thead>\n"
    );
    for (i, (name, row)) in run.classes.iter().zip(matrix).enumerate() {
        let sum: usize = row.iter().sum();
        let cells =
            row.iter().enumerate().map(|(j, &count)| cell(count, i == j, if i == j { sum } else { most_wrong }));
        let _ = writeln!(
            html,
            "<tr><th>{}</th>{}<td class=\"sum\">{}</td></tr>",
            escape(name),
            cells.collect::<String>(),
            if sum == 0 { "–".into() } else { super::percent(row[i], sum) }
        );
    }
    html + "</table></div>\n"
}

/// A count, shaded by its part of the largest there can be.
fn cell(count: usize, right: bool, most: usize) -> String {
    if count == 0 {
        return "<td class=\"none\">·</td>".into();
    }
    let class = if right { "right" } else { "wrong" };
    let part = count as f64 / most.max(1) as f64;
    let alpha = if right { 0.30 * part } else { 0.15 + 0.55 * part };
    format!("<td class=\"{class}\" style=\"--a:{alpha:.2}\">{}</td>", grouped(count))
}

fn pairs(run: &Run, matrix: &[Vec<usize>]) -> String {
    let cells = matrix.iter().enumerate().flat_map(|(i, row)| row.iter().enumerate().map(move |(j, &n)| (n, i, j)));
    let mut wrong: Vec<_> = cells.filter(|&(count, i, j)| i != j && count > 0).collect();
    wrong.sort_by_key(|&(count, i, j)| (std::cmp::Reverse(count), i, j));
    let mut html = String::from(
        "<table class=\"facts\">\n<tr><th>true class</th><th>taken for</th><th class=\"number\">images</th></tr>\n",
    );
    for (count, i, j) in wrong.into_iter().take(MOST_PAIRS) {
        let (label, answer) = (escape(&run.classes[i]), escape(&run.classes[j]));
        let _ = writeln!(html, "<tr><td>{label}</td><td>{answer}</td><td class=\"number\">{count}</td></tr>");
    }
    html + "</table>\n"
}

#[cfg(test)]
mod tests {
    use crate::run::tests::small;

    #[test]
    fn counts_stand_where_they_belong() {
        let html = super::section(&small());
        let rows: Vec<&str> = html.split("<tr>").skip(2).collect();
        assert!(rows[0].starts_with("<th>cat</th><td class=\"right\" style=\"--a:0.30\">1</td><td class=\"none\">"));
        assert!(rows[1].contains(
            "</th><td class=\"wrong\" style=\"--a:0.70\">1</td><td class=\"right\" style=\"--a:0.15\">1</td>"
        ));
        assert!(rows[1].contains("50.0 %"));
    }

    #[test]
    fn many_classes_are_a_list_of_pairs() {
        let mut run = small();
        run.classes = (0..100).map(|i| format!("class {i}")).collect();
        assert!(super::section(&run).contains("<tr><td>class 1</td><td>class 0</td><td class=\"number\">1</td></tr>"));
    }
}
