//! The answer to "was it authtrace?".

use super::sections::link;
use crate::analyze::{Knowledge, Receipt, Survey};
use crate::export::phrases::kebab;
use crate::export::style::{bytes, counted, duration, thousands};
use crate::export::svg::markup::escape;
use std::io::{self, Write};

/// Exchanges that are named in a line.
const MOST_NAMED: usize = 20;

pub(super) fn write(survey: &Survey, out: &mut impl Write) -> io::Result<()> {
    let receipt = survey.receipt();
    writeln!(
        out,
        "<section id=\"receipt\">\n<h2>Was it authtrace?</h2>\n<p>{}</p>\n<ul>",
        verdict(&receipt, survey.is_imported())
    )?;
    for line in facts(&receipt) {
        writeln!(out, "<li>{line}</li>")?;
    }
    writeln!(out, "</ul>\n</section>")
}

fn verdict(receipt: &Receipt, imported: bool) -> &'static str {
    if receipt.exchanges == 0 {
        return "Nothing passed through it.";
    }
    match receipt.knowledge {
        Knowledge::None if imported => "Not known: another tool captured this.",
        Knowledge::None => "Not known: the trace does not say how the messages passed.",
        _ if !receipt.altered.is_empty() => {
            "<strong>Something went out otherwise than it came in. That is a defect of authtrace.</strong>"
        }
        _ if !receipt.answered_by_us.is_empty() => "Some requests it answered itself, since it could not pass them on.",
        Knowledge::Partial => "No, as far as the trace tells: of some exchanges it does not.",
        Knowledge::Full if receipt.is_clean() => "No: what passed through it went out as it came in.",
        Knowledge::Full => "No exchange was altered, but client and server were spoken to in different protocols.",
    }
}

fn facts(receipt: &Receipt) -> Vec<String> {
    let mut lines = Vec::new();
    if receipt.knowledge != Knowledge::None && receipt.exchanges > 0 {
        lines.push(format!(
            "{} of {} passed whole and unchanged",
            thousands(size(receipt.passed)),
            counted(size(receipt.exchanges), "exchange")
        ));
    }
    let lists = [
        ("altered", &receipt.altered),
        ("broke off; what passed of them is unchanged", &receipt.incomplete),
        ("answered by authtrace", &receipt.answered_by_us),
        ("answered by the proxy that authtrace goes through", &receipt.answered_by_upstream_proxy),
    ];
    for (what, ids) in lists {
        if !ids.is_empty() {
            let links: Vec<String> = ids.iter().take(MOST_NAMED).map(|id| link(*id)).collect();
            let more = ids.len().saturating_sub(MOST_NAMED);
            let more = if more > 0 { format!(" and {} more", thousands(more)) } else { String::new() };
            lines.push(format!("{what}: {}{more}", links.join(", ")));
        }
    }
    if receipt.knowledge == Knowledge::Partial {
        lines.push(format!("not known of {}", counted(receipt.unknown.len(), "exchange")));
    }
    for (name, passed) in [("request bodies", receipt.up), ("answer bodies", receipt.down)] {
        if passed.read > 0 {
            lines.push(format!("{name}: {} came in, {} went out", bytes(passed.read), bytes(passed.written)));
        }
    }
    for (change, count) in &receipt.head_changes {
        lines.push(format!("changed on purpose: {} in {}", escape(&kebab(change)), counted(size(*count), "head")));
    }
    if let Some(added) = receipt.added {
        lines.push(format!(
            "time that it added: {} (median), {} (99 of 100)",
            duration(added.p50_us),
            duration(added.p99_us)
        ));
    }
    if receipt.tls_fingerprint_caveat {
        lines.push("the server saw the TLS and TCP fingerprint of authtrace in place of the client’s: the one thing it cannot keep".to_owned());
    }
    lines
}

fn size(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
