//! The report of a validation for people.

use anyhow::{Result, ensure};
use export::tables;
use export::validate::{Difference, Layer, Row};

/// One line a stage.
pub fn stages(rows: &[Row]) -> String {
    let headers = ["stage", "images", "accuracy", "agreement", "max step", "RMSE", "cosine", "SQNR"];
    tables::table(&headers, &rows.iter().map(line).collect::<Vec<_>>())
}

fn line(row: &Row) -> Vec<String> {
    let mut line = vec![row.stage.clone(), row.images.to_string(), percent(row.accuracy)];
    line.extend(row.against.iter().flat_map(columns));
    line
}

/// Agreement, largest step, RMSE, cosine, SQNR.
fn columns(difference: &Difference) -> [String; 5] {
    let Difference { agreement, max_step, rmse, cosine, sqnr_db, .. } = difference;
    [
        percent(*agreement),
        max_step.map_or("–".into(), |steps| steps.to_string()),
        format!("{rmse:.5}"),
        format!("{cosine:.6}"),
        decibels(Some(*sqnr_db)),
    ]
}

fn percent(share: Option<f64>) -> String {
    share.map_or("–".into(), |share| format!("{share:.2} %"))
}

fn decibels(sqnr: Option<f64>) -> String {
    match sqnr {
        None => "–".into(),
        Some(f64::INFINITY) => "equal".into(),
        Some(db) => format!("{db:.1} dB"),
    }
}

/// What the boards took, if there were any.
pub fn boards(rows: &[Row]) -> String {
    let line = |row: &Row| {
        let board = row.board?;
        let bytes = |count: usize| tables::grouped(count as u64);
        let ram = [board.ram_bytes, board.static_bytes, board.stack_bytes].map(bytes);
        let count = |count: Option<u64>| count.map_or("–".into(), tables::grouped);
        let seconds = format!("{:.1} s", board.run_ms as f64 / 1_000.0);
        let work = [count(board.instructions), count(board.cycles), bytes(board.flash_bytes)];
        let numbers = [&work[..], &ram, &[seconds]].concat();
        Some([vec![row.stage.clone()], numbers].concat())
    };
    let lines: Vec<_> = rows.iter().filter_map(line).collect();
    if lines.is_empty() {
        return String::new();
    }
    let headers = ["board", "instructions", "cycles", "flash bytes", "RAM bytes", "static", "stack", "ran for"];
    format!("\n{}", tables::table(&headers, &lines))
}

/// The layers of a plan: all of them, or a line where they are as they should be. Wrong ones have their own line elsewhere.
pub fn layers(row: &Row, all: bool) -> String {
    if row.layers.is_empty() {
        return String::new();
    }
    if all {
        let headers = ["layer", "kind", "output", "max step", "unequal", "SQNR to float"];
        let lines: Vec<_> = row.layers.iter().map(layer).collect();
        return format!("\n{}:\n{}", row.stage, tables::table(&headers, &lines));
    }
    let steps = row.layers.iter().map(|layer| layer.max_step).max().unwrap_or(0);
    let plural = if steps == 1 { "" } else { "s" };
    let loudest = row.layers.iter().filter_map(|l| Some((l.sqnr_db?, &l.layer))).min_by(|a, b| a.0.total_cmp(&b.0));
    let against_float = loudest.map_or(String::new(), |(db, layer)| {
        format!("; against float the least SQNR is {} at `{layer}`", decibels(Some(db)))
    });
    format!(
        "{}: {} layers within {steps} step{plural} of the int8 file, each given the same inputs{against_float}\n",
        row.stage,
        row.layers.len()
    )
}

fn layer(layer: &Layer) -> Vec<String> {
    let [channels, height, width] = layer.output;
    vec![
        layer.layer.clone(),
        layer.kind.into(),
        format!("{channels}×{height}×{width}"),
        layer.max_step.to_string(),
        format!("{:.3} %", layer.unequal),
        decibels(layer.sqnr_db),
    ]
}

/// Labels down, classes across, and how many images; a dot for none.
pub fn confusion(row: &Row) -> Result<String> {
    ensure!(!row.confusion.is_empty(), "--confusion: expected data with labels and a network with classes, found none");
    let classes: Vec<String> = (0..row.confusion.len()).map(|class| class.to_string()).collect();
    let headers: Vec<&str> = std::iter::once("label").chain(classes.iter().map(String::as_str)).collect();
    let shown = |&count: &usize| if count == 0 { "·".into() } else { count.to_string() };
    let line = |(label, counts): (&String, &Vec<usize>)| {
        std::iter::once(label.clone()).chain(counts.iter().map(shown)).collect::<Vec<_>>()
    };
    let lines: Vec<_> = classes.iter().zip(&row.confusion).map(line).collect();
    Ok(format!("\n{}, by class:\n{}", row.stage, tables::table(&headers, &lines)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        let against = Difference {
            agreement: Some(99.0),
            max_step: Some(1),
            rmse: 0.25,
            cosine: 0.999,
            sqnr_db: 30.0,
            worst_image: None,
        };
        Row {
            stage: "int8".into(),
            images: 10,
            accuracy: Some(90.0),
            against: Some(against),
            board: None,
            confusion: vec![vec![9, 1], vec![0, 10]],
            layers: vec![],
        }
    }

    #[test]
    fn a_line_of_the_table() {
        assert_eq!(line(&row()), ["int8", "10", "90.00 %", "99.00 %", "1", "0.25000", "0.999000", "30.0 dB"]);
    }

    #[test]
    fn a_confusion_matrix() {
        assert_eq!(confusion(&row()).unwrap(), "\nint8, by class:\nlabel  0   1\n0      9   1\n1      ·  10\n");
    }
}
