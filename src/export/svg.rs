//! The picture of an auth flow: time runs right, one lane per credential from its birth to its end.
//!
//! Comes in: a trace and what was found out about it. Goes out: one SVG file without script and without anything that
//! is loaded, in light and in dark, 1200 wide and as high as it has to be. Never here: an unescaped value.

mod flow;
mod lane;
pub(super) mod mark;
pub(super) mod markup;
mod row;
mod scale;
pub(super) mod verdict;

#[cfg(test)]
mod tests;

use super::phrases::capitalised;
use super::style::{clean, counted, thousands, wrap};
use crate::analyze::{Diagnosis, Finding, Survey};
use flow::{Flow, margin, pixels, shape, tag};
use lane::{Lanes, MOST_PROCESSES};
use mark::{Answer, pill};
use markup::{Anchor, Canvas, Rect, escape, fitted, width};
use std::io::{self, Write};

/// The looks of the picture, for light and for dark.
pub(super) const STYLE: &str = include_str!("svg/picture.css");

const WIDTH: f64 = 1_200.0;
/// Findings that are listed below the picture besides the first.
const MOST_FINDINGS: usize = 6;

/// Writes the picture as a file.
///
/// # Errors
/// When the writer fails.
pub fn report(survey: &Survey, diagnosis: &Diagnosis, out: &mut impl Write) -> io::Result<()> {
    let mut canvas = Canvas::default();
    let top = head(&mut canvas, survey, diagnosis);
    let below = chart(&mut canvas, survey, diagnosis, top);
    let bottom = foot(&mut canvas, diagnosis, below);
    frame(&canvas.into_markup(), bottom, diagnosis, true, out)
}

/// Writes the chart alone, to stand in a page that tells the rest.
///
/// # Errors
/// When the writer fails.
pub(super) fn inline(survey: &Survey, diagnosis: &Diagnosis, out: &mut impl Write) -> io::Result<()> {
    let mut canvas = Canvas::default();
    let bottom = chart(&mut canvas, survey, diagnosis, 4.0);
    frame(&canvas.into_markup(), bottom, diagnosis, false, out)
}

fn frame(inside: &str, height: f64, diagnosis: &Diagnosis, alone: bool, out: &mut impl Write) -> io::Result<()> {
    let (width, height) = (pixels(WIDTH), pixels(height));
    let title = format!("Auth flow: {}", diagnosis.verdict.code);
    let size = if alone { format!(" width=\"{width}\" height=\"{height}\"") } else { String::new() };
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"picture\"{size} viewBox=\"0 0 {width} {height}\" role=\"group\" \
         aria-label=\"{0}\">\n<title>{0}</title>\n<desc>{1}</desc>",
        escape(&title),
        escape(&diagnosis.verdict.summary)
    )?;
    if alone {
        writeln!(out, "<style>{STYLE}</style>\n<rect width=\"{width}\" height=\"{height}\" class=\"paper\"/>")?;
    }
    writeln!(out, "{}</svg>", inside)
}

/// Verdict, its sentence, and what the picture is made from. Returns where it ends.
fn head(canvas: &mut Canvas, survey: &Survey, diagnosis: &Diagnosis) -> f64 {
    let (left, _) = margin();
    let verdict = &diagnosis.verdict;
    let state = verdict::state(verdict);
    let title = format!("{} {}", state.sign(), verdict::title(verdict.code));
    canvas.text(left, 44.0, &format!("verdict {}", state.class()), Anchor::Start, &title);
    canvas.text(left, 66.0, "code", Anchor::Start, verdict.code.as_str());
    let after = left + 12.0 + width(verdict.code.as_str(), 13.5);
    canvas.text(after, 66.0, "quiet", Anchor::Start, &verdict::qualified(verdict, survey));
    let mut y = 96.0;
    for line in wrap(&clean(&verdict.summary).replace('`', ""), 142).into_iter().take(4) {
        canvas.text(left, y, "sentence", Anchor::Start, &line);
        y += 21.0;
    }
    canvas.text(
        left,
        y + 2.0,
        "quiet small",
        Anchor::Start,
        &fitted(&verdict::made_from(survey), 11.0, WIDTH - 2.0 * left),
    );
    y + 18.0
}

/// The chart and what explains it. Returns where it ends.
fn chart(canvas: &mut Canvas, survey: &Survey, diagnosis: &Diagnosis, top: f64) -> f64 {
    let lanes = Lanes::of(survey, diagnosis);
    if lanes.lanes.is_empty() {
        let (left, right) = margin();
        let place = Rect { x: left - 10.0, y: top + 4.0, width: right - left + 20.0, height: 90.0 };
        canvas.rect(place, "stripe", 6.0);
        canvas.text(
            WIDTH / 2.0,
            top + 54.0,
            "quiet",
            Anchor::Middle,
            "Nothing to draw: no request was read in this trace.",
        );
        return top + 110.0;
    }
    let processes = lanes.processes.clone();
    let evidence = lanes.lanes.iter().flat_map(|lane| &lane.rows).flat_map(|row| &row.marks).any(|mark| mark.evidence);
    let flow = Flow::place(lanes, survey, top);
    flow.draw(canvas);
    let y = legend(canvas, &flow, evidence, flow.bottom() + 30.0);
    self::processes(canvas, diagnosis, &processes, y)
}

fn legend(canvas: &mut Canvas, flow: &Flow, evidence: bool, mut y: f64) -> f64 {
    let (left, right) = margin();
    let mut x = left;
    let mut entry = |canvas: &mut Canvas, sign: f64, text: &str, draw: &dyn Fn(&mut Canvas, f64, f64)| {
        let needed = sign + 8.0 + width(text, 11.0) + 22.0;
        if x + needed > right {
            x = left;
            y += 28.0;
        }
        draw(canvas, x, y - 4.0);
        canvas.text(x + sign + 8.0, y, "quiet small", Anchor::Start, text);
        x += needed;
    };
    for answer in flow.answers() {
        let sample = match answer {
            Answer::Good => "2xx",
            Answer::Plain => "…",
            Answer::Trouble => "5xx",
            Answer::Silent => "none",
            Answer::Refused => "401",
        };
        let sign = pill(sample);
        entry(canvas, sign, answer.meaning(), &|canvas, x, y| {
            shape(canvas, answer, x, y, sign);
            canvas.text(x + sign / 2.0, y + 4.0, &format!("answer {}", answer.class()), Anchor::Middle, sample);
        });
    }
    if evidence {
        entry(
            canvas,
            34.0,
            if flow.has_bars() {
                "ringed or underlined: what the verdict rests on"
            } else {
                "ringed: what the verdict rests on"
            },
            &|canvas, x, y| {
                canvas.rect(Rect { x: x + 2.0, y: y - 12.0, width: 30.0, height: 24.0 }, "ring", 7.0);
            },
        );
    }
    if flow.has_life() {
        entry(canvas, 34.0, "band: from issue or first use to its end", &|canvas, x, y| {
            canvas.rect(Rect { x, y: y - 11.0, width: 34.0, height: 22.0 }, "life access", 5.0);
        });
    }
    if flow.has_afterlife() {
        entry(canvas, 34.0, "dashed: sent after its end", &|canvas, x, y| {
            canvas.rect(Rect { x, y: y - 11.0, width: 34.0, height: 22.0 }, "afterlife", 5.0);
        });
    }
    if flow.has_bars() {
        entry(canvas, 12.0, "bars: many requests, higher is more", &|canvas, x, y| {
            let bar = Rect { x, y: y - 8.0, width: 8.0, height: 18.0 };
            canvas.named("bar", "a bar", |canvas| canvas.rect(bar, "shape good", 0.0));
        });
    }
    y + 18.0
}

/// Who is `P1`, `P2` …
fn processes(canvas: &mut Canvas, diagnosis: &Diagnosis, shown: &[usize], mut y: f64) -> f64 {
    let (left, right) = margin();
    let mut x = left;
    for index in shown.iter().take(MOST_PROCESSES) {
        let Some(process) = diagnosis.lineage.process(*index) else { continue };
        let text = verdict::process(process);
        let needed = 30.0 + width(&text, 11.0) + 22.0;
        if x > left && x + needed > right {
            x = left;
            y += 20.0;
        }
        canvas.text(x, y + 6.0, "tag", Anchor::Start, &tag(*index));
        canvas.text(x + 26.0, y + 6.0, "quiet small", Anchor::Start, &text);
        x += needed;
    }
    let more = shown.len().saturating_sub(MOST_PROCESSES);
    if more > 0 {
        canvas.text(x, y + 6.0, "quiet small", Anchor::Start, &format!("others: {} more", thousands(more)));
    }
    if shown.is_empty() { y } else { y + 20.0 }
}

/// What to do, and what else was found.
fn foot(canvas: &mut Canvas, diagnosis: &Diagnosis, below: f64) -> f64 {
    let mut y = below + 16.0;
    let (left, _) = margin();
    let Some((top, others)) = diagnosis.findings.split_first() else { return y };
    if let Some(remedy) = verdict::remedies(top).first() {
        y = paragraph(canvas, "What to do", remedy, y);
    }
    if let Some(caveat) = top.caveat {
        y = paragraph(canvas, "But", &capitalised(caveat), y);
    }
    for finding in others.iter().take(MOST_FINDINGS) {
        y = paragraph(canvas, &label(finding), &finding.summary, y);
    }
    let more = others.len().saturating_sub(MOST_FINDINGS);
    if more > 0 {
        canvas.text(left, y, "quiet small", Anchor::Start, &format!("and {}", counted(more, "more finding")));
        y += 20.0;
    }
    y
}

fn label(finding: &Finding) -> String {
    format!("Also: {}", finding.code)
}

fn paragraph(canvas: &mut Canvas, name: &str, text: &str, mut y: f64) -> f64 {
    let (left, _) = margin();
    canvas.text(left, y, "small strong", Anchor::Start, name);
    for line in wrap(&clean(text).replace('`', ""), 128).into_iter().take(5) {
        canvas.text(left + 238.0, y, "small", Anchor::Start, &line);
        y += 17.0;
    }
    y + 7.0
}
