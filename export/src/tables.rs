//! Small text tables, aligned, for people.

/// Lines of `rows` under `headers`: the first column flush left, the others right.
pub fn table(headers: &[&str], rows: &[Vec<String>]) -> String {
    let all = || std::iter::once(headers.iter().map(|h| h.to_string()).collect()).chain(rows.iter().cloned());
    let width = |column: usize| all().filter_map(|row: Vec<String>| row.get(column).map(|c| c.chars().count())).max();
    let widths: Vec<usize> = (0..headers.len()).map(|column| width(column).unwrap_or(0)).collect();
    all().map(|row| line(&row, &widths)).collect()
}

fn line(row: &[String], widths: &[usize]) -> String {
    let cell = |(column, (cell, width)): (usize, (&String, &usize))| match column {
        0 => format!("{cell:<width$}"),
        _ => format!("  {cell:>width$}"),
    };
    let line: String = row.iter().zip(widths).enumerate().map(cell).collect();
    line.trim_end().to_string() + "\n"
}

/// A number with commas between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let comma = |(i, digit): (usize, char)| {
        let before = i > 0 && (digits.len() - i).is_multiple_of(3);
        before.then_some(',').into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(comma).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_the_script() {
        let rows = [vec!["conv1".into(), "8×28×28".into()], vec!["a".into(), "1".into()]];
        assert_eq!(table(&["layer", "output"], &rows), "layer   output\nconv1  8×28×28\na            1\n");
    }

    #[test]
    fn thousands_have_commas() {
        let numbers = [0, 999, 1_000, 19_194, 2_317_248].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "19,194", "2,317,248"]);
    }
}
