//! The page: a function of the run, from top to bottom.

mod confusion;
mod gallery;
mod stages;

use std::fmt::Write;

use crate::chart::{Chart, Line, Scale};
use crate::disturb::Disturbance;
use crate::html::{duration, escape, grouped, short};
use crate::run::{Epoch, Judgement, Run};

const STYLE: &str = include_str!("page.css");

/// `report.html`.
pub fn page(run: &Run) -> String {
    let title = format!("{} on {}", escape(&run.network), escape(&run.data));
    let sections = [
        headline(run),
        learning(run),
        stages::section(run),
        robustness(run),
        confusion::section(run),
        gallery::section(run),
        method(run),
    ];
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{}</body>\n</html>\n",
        sections.concat()
    )
}

fn headline(run: &Run) -> String {
    let test = grouped(run.labels.len());
    let mut figures = Vec::new();
    for judgement in &run.judgements {
        let errors = judgement.errors(&run.labels);
        let accuracy = percent(run.labels.len() - errors, run.labels.len());
        figures.push((
            accuracy,
            format!("{} test accuracy, {} in {test}", escape(&judgement.name), counted(errors, "error")),
        ));
    }
    figures.push((grouped(run.parameters), "parameters".into()));
    figures.push((grouped(run.history.len()), "epochs".into()));
    figures.push((duration(run.seconds), format!("training on {}", escape(&run.device))));
    figures.push((run.seed.to_string(), "seed".into()));
    let figures = figures.into_iter().map(|(value, what)| format!("<div><b>{value}</b><span>{what}</span></div>\n"));
    format!(
        "<p class=\"lead\">{} training and {} validation images, {} test images, {} classes. \
         The test images were read once, after the last epoch.</p>\n<div class=\"figures\">\n{}</div>\n",
        grouped(run.train_images),
        grouped(run.validation_images),
        test,
        run.classes.len(),
        figures.collect::<String>()
    )
}

/// A number of things.
fn counted(number: usize, thing: &str) -> String {
    format!("{} {thing}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// In percent, with as many decimals as the number of images bears.
fn percent(right: usize, images: usize) -> String {
    let accuracy = 100.0 * right as f64 / images.max(1) as f64;
    let decimals = if images >= 1_000 { 2 } else { 1 };
    format!("{accuracy:.decimals$} %")
}

fn learning(run: &Run) -> String {
    if run.history.is_empty() {
        return String::new();
    }
    let line = |label: &str, color, dashed, value: fn(&Epoch) -> f64| Line {
        label: label.into(),
        color,
        dashed,
        points: run.history.iter().map(|epoch| (epoch.epoch as f64, value(epoch))).collect(),
    };
    // Half an image: where none is misread, the scale has an end.
    let least = 50.0 / run.validation_images.max(1) as f64;
    let charts = [
        Chart {
            title: "Training loss by epoch".into(),
            x: "epoch".into(),
            y: "loss".into(),
            scale: Scale::Logarithmic,
            least_range: None,
            lines: vec![line("training", 0, false, |epoch| epoch.train_loss)],
        },
        Chart {
            title: "Accuracy by epoch: training, validation, averaged weights".into(),
            x: "epoch".into(),
            y: "accuracy, %".into(),
            scale: Scale::Nines(least),
            least_range: None,
            lines: vec![
                line("training", 0, false, |epoch| epoch.train_accuracy),
                line("validation", 1, false, |epoch| epoch.validation_accuracy),
                line("averaged", 2, false, |epoch| epoch.validation_accuracy_ema),
            ],
        },
        Chart {
            title: "Learning rate by epoch".into(),
            x: "epoch".into(),
            y: "learning rate".into(),
            scale: Scale::Linear,
            least_range: None,
            lines: vec![line("rate", 3, false, |epoch| epoch.learning_rate)],
        },
    ];
    section(
        "Learning",
        "Accuracy of training is on augmented images, which are harder to read than the validation images; averaged is the \
         accuracy of the running average of the weights on these, which is what is shipped. Accuracy and loss are drawn by \
         ratios: 90 to 99 % is as high as 99 to 99.9 %. The learning rate is that of an epoch's last step.",
        &figures(&charts),
    )
}

fn robustness(run: &Run) -> String {
    let chart = |disturbance: Disturbance| Chart {
        title: format!("Accuracy under {}", disturbance.title().to_lowercase()),
        x: format!("{}: {}", disturbance.title().to_lowercase(), disturbance.axis()),
        y: "accuracy, %".into(),
        scale: Scale::Linear,
        least_range: Some((0.0, 100.0)),
        lines: run.judgements.iter().enumerate().filter_map(|(i, judged)| curve(i, judged, disturbance)).collect(),
    };
    let images =
        run.judgements.iter().flat_map(|j| &j.curves).flat_map(|curve| &curve.points).map(|point| point.images);
    let Some(images) = images.max() else { return String::new() };
    let text = format!(
        "The first {} test images, turned, shifted and made noisy: the same bytes for every runtime. None was \
         trained on.",
        grouped(images)
    );
    section("Disturbed images", &text, &figures(&Disturbance::ALL.map(chart)))
}

fn curve(number: usize, judgement: &Judgement, disturbance: Disturbance) -> Option<Line> {
    let curve = judgement.curves.iter().find(|curve| curve.disturbance == disturbance)?;
    let points = curve.points.iter().map(|point| (f64::from(point.amount), point.accuracy())).collect();
    Some(Line { label: judgement.name.clone(), color: number % 4, dashed: number > 0, points })
}

fn figures(charts: &[Chart]) -> String {
    let figures = charts.iter().map(|chart| format!("<figure>\n{}</figure>\n", chart.svg()));
    format!("<div class=\"charts\">\n{}</div>\n", figures.collect::<String>())
}

fn method(run: &Run) -> String {
    let mut rows = String::new();
    for (name, value) in &run.recipe {
        let _ = writeln!(rows, "<tr><th>{}</th><td>{}</td></tr>", escape(name), escape(value));
    }
    let speed = run.history.iter().map(|epoch| epoch.images_per_second).fold(0.0, f64::max);
    let content = format!(
        "<pre>{}</pre>\n<table class=\"facts\">\n{rows}<tr><th>fastest epoch</th><td>{} images/s</td></tr>\n</table>\n",
        escape(&run.command),
        short(speed, 0)
    );
    section(
        "How it was trained",
        "The command for the same bits on the same machine, and the recipe that it stands for.",
        &content,
    )
}

/// A heading, what there is to say, and what there is to see.
fn section(heading: &str, text: &str, content: &str) -> String {
    format!("<section>\n<h2>{heading}</h2>\n<p class=\"note\">{text}</p>\n{content}</section>\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::tests::{judgement, small, small_test};

    #[test]
    fn the_page_needs_nothing_else() {
        let html = page(&small());
        for outside in ["http:", "https:", "//cdn", "<script", "<link", "url(", "@import"] {
            assert!(!html.contains(outside), "{outside}");
        }
        assert!(html.contains("src=\"data:image/png;base64,"));
    }

    #[test]
    fn every_element_is_closed() {
        let mut run = small();
        run.add(judgement("int8"), &small_test());
        let html = page(&run);
        for element in
            ["html", "head", "body", "section", "figure", "svg", "table", "tr", "td", "div", "p", "pre", "text"]
        {
            let opened = html.matches(&format!("<{element}>")).count() + html.matches(&format!("<{element} ")).count();
            assert_eq!(opened, html.matches(&format!("</{element}>")).count(), "{element}");
            assert!(opened > 0, "{element}");
        }
    }

    #[test]
    fn figures_and_names_are_the_runs() {
        let html = page(&small());
        assert!(html.contains("<b>66.7 %</b><span>float test accuracy, 1 error in 3</span>"), "{html}");
        assert!(html.contains("<b>1\u{2009}234</b>") && html.contains("<b>1 min 01 s</b>"));
        assert!(html.contains("dog &lt;b&gt;") && !html.contains("dog <b>"));
    }

    #[test]
    fn a_run_with_nothing_misread_and_no_history_is_a_page() {
        let mut run = small();
        run.history.clear();
        run.judgements[0].answers = run.labels.clone();
        run.judgements[0].misread.clear();
        run.judgements[0].curves.clear();
        let html = page(&run);
        assert!(html.contains("<b>100.0 %</b>") && !html.contains("NaN"));
    }
}
