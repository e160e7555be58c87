//! The test images that are misread, as pictures.

use std::fmt::Write;

use crate::html::{escape, grouped};
use crate::run::{Judgement, Misread, Run};

/// The section; empty where no test image has been judged.
pub(super) fn section(run: &Run) -> String {
    if run.judgements.is_empty() {
        return String::new();
    }
    let mut shown: Vec<(usize, &Judgement, &Misread)> = Vec::new();
    for judgement in &run.judgements {
        for misread in &judgement.misread {
            if shown.iter().all(|(image, ..)| *image != misread.image) {
                shown.push((misread.image, judgement, misread));
            }
        }
    }
    let figures = shown.iter().map(|(_, judgement, misread)| figure(run, judgement, misread));
    let content = format!("<div class=\"gallery\">\n{}</div>\n", figures.collect::<String>());
    super::section("Misread test images", &text(run, shown.len()), &content)
}

fn text(run: &Run, shown: usize) -> String {
    let wrong = |i: usize| run.judgements.iter().any(|j| j.answers.get(i).is_some_and(|a| *a != run.labels[i]));
    let all = (0..run.labels.len()).filter(|&i| wrong(i)).count();
    let shown = match all {
        0 => return "None: every test image was read as its label says.".into(),
        _ if shown == all => format!("All {}", grouped(all)),
        _ => format!("{} of {}, those with the surest wrong answers", grouped(shown), grouped(all)),
    };
    format!("{shown}. First the true class, then what was read; bars are the likeliest classes, the true one blue.")
}

fn figure(run: &Run, judgement: &Judgement, misread: &Misread) -> String {
    let (label, answer) = (run.labels[misread.image], judgement.answers[misread.image]);
    let name = |class: u8| run.classes.get(usize::from(class)).map_or_else(|| class.to_string(), |name| escape(name));
    let mut bars = String::new();
    for &(class, probability) in &misread.likeliest {
        let kind = if class == label {
            " true"
        } else if class == answer {
            " taken"
        } else {
            ""
        };
        let percent = 100.0 * probability;
        let _ = writeln!(
            bars,
            "<div class=\"bar{kind}\"><span>{}</span><i style=\"--p:{percent:.1}\"></i><span>{percent:.1} %</span></div>",
            name(class)
        );
    }
    let read = |judgement: &Judgement| judgement.answers.get(misread.image).copied().unwrap_or(label);
    let (alike, others): (Vec<_>, Vec<_>) = run.judgements.iter().partition(|judged| read(judged) == answer);
    let alike = alike.iter().map(|judged| escape(&judged.name)).collect::<Vec<_>>().join(" and ");
    let by = if run.judgements.len() > 1 { format!(", by {alike}") } else { String::new() };
    let others = others.iter().map(|judged| format!("; {} reads {}", escape(&judged.name), name(read(judged))));
    format!(
        "<figure><img alt=\"test image {0}\" src=\"{1}\">\n<p><b>{2}</b> read as <b>{3}</b></p>\n{bars}\
         <small>test image {0}{by}{4}</small></figure>\n",
        misread.image,
        run.pictures.get(&misread.image).map_or("", String::as_str),
        name(label),
        name(answer),
        others.collect::<String>(),
    )
}

#[cfg(test)]
mod tests {
    use crate::run::tests::{judgement, small, small_test};

    #[test]
    fn a_misread_image_has_its_classes_and_their_probabilities() {
        let html = super::section(&small());
        assert!(html.contains("<p><b>dog &lt;b&gt;</b> read as <b>cat</b></p>"), "{html}");
        assert!(
            html.contains(
                "<div class=\"bar taken\"><span>cat</span><i style=\"--p:75.0\"></i><span>75.0 %</span></div>"
            )
        );
        assert!(html.contains("<div class=\"bar true\"><span>dog &lt;b&gt;</span>"));
        assert!(html.contains("All 1."));
    }

    #[test]
    fn an_image_that_two_runtimes_misread_is_shown_once() {
        let mut run = small();
        run.add(judgement("int8"), &small_test());
        let html = super::section(&run);
        assert_eq!(html.matches("<img").count(), 1);
        assert!(html.contains("<small>test image 2, by float and int8</small>"), "{html}");
        run.judgements[1].answers[2] = 1;
        assert!(super::section(&run).contains("test image 2, by float; int8 reads dog &lt;b&gt;</small>"));
    }
}
