//! A page about a trace, in one file: verdict, picture, findings, every exchange, credentials, what authtrace did.
//!
//! Comes in: a trace and what was found out about it. Goes out: HTML that loads nothing and may load nothing (its
//! Content-Security-Policy allows the style sheets and the script inside by their hashes). Without scripts everything
//! is readable; with them the exchanges can be filtered. Never here: an unescaped value.

mod receipt;
mod sections;
mod timeline;

#[cfg(test)]
mod tests;

use super::svg;
use super::svg::markup::escape;
use super::svg::verdict;
use crate::analyze::{Diagnosis, Survey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use std::io::{self, Write};

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// Writes the page.
///
/// # Errors
/// When the writer fails.
pub fn report(survey: &Survey, diagnosis: &Diagnosis, out: &mut impl Write) -> io::Result<()> {
    let code = diagnosis.verdict.code;
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{code}: auth trace</title>\n<style>{STYLE}</style>\n<style>{}</style>\n</head>\n<body>",
        policy(),
        svg::STYLE
    )?;
    sections::head(survey, diagnosis, out)?;
    writeln!(out, "<main>")?;
    picture(survey, diagnosis, out)?;
    sections::findings(diagnosis, out)?;
    timeline::write(survey, diagnosis, out)?;
    sections::credentials(diagnosis, out)?;
    receipt::write(survey, out)?;
    sections::surroundings(survey, out)?;
    writeln!(out, "</main>\n<footer>{}</footer>", escape(&verdict::made_from(survey)))?;
    writeln!(out, "<script>{SCRIPT}</script>\n</body>\n</html>")
}

/// What the page may do: show its own style sheets, run its own script, nothing else (CSP Level 3 §6.7.2.3).
fn policy() -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; style-src {} {}; script-src {}; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(svg::STYLE),
        hash(SCRIPT)
    )
}

fn picture(survey: &Survey, diagnosis: &Diagnosis, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "<section id=\"picture\">\n<h2>The flow</h2>\n<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"The flow, drawn\">"
    )?;
    svg::inline(survey, diagnosis, out)?;
    writeln!(out, "</div>\n</section>")
}
