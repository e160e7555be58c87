//! Text inside HTML and SVG.

/// Text as it must stand in an element or in a quoted attribute.
pub(crate) fn escape(text: &str) -> String {
    let escaped = |character| match character {
        '&' => "&amp;".into(),
        '<' => "&lt;".into(),
        '>' => "&gt;".into(),
        '"' => "&quot;".into(),
        '\'' => "&#39;".into(),
        other => String::from(other),
    };
    text.chars().map(escaped).collect()
}

/// A whole number with thin spaces between thousands.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let space = |(i, digit): (usize, char)| {
        let before = i > 0 && (digits.len() - i).is_multiple_of(3);
        before.then_some('\u{2009}').into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(space).collect()
}

/// A number without needless zeros: 99.5, 100, 0.02.
pub(crate) fn short(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".into() } else { text.replace('-', "−") }
}

/// Hours, minutes and seconds, the large ones where there are any.
pub(crate) fn duration(seconds: f64) -> String {
    let all = seconds.max(0.0).round() as u64;
    match (all / 3600, all / 60 % 60, all % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_an_element_or_an_attribute() {
        assert_eq!(escape(r#"<a b="c">&'"#), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;");
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!([grouped(37), grouped(19_194)], ["37", "19\u{2009}194"]);
        assert_eq!([short(99.5, 2), short(100.0, 2), short(-8.0, 0), short(-0.001, 2)], ["99.5", "100", "−8", "0"]);
        assert_eq!([duration(59.4), duration(61.0), duration(7_320.0)], ["59 s", "1 min 01 s", "2 h 02 min"]);
    }
}
