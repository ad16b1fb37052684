//! Every exchange as a line that opens.

use crate::analyze::{Diagnosis, Survey};
use crate::export::cells;
use crate::export::phrases::{kebab, origin};
use crate::export::style::{clean, counted, duration};
use crate::export::svg::mark::{Answer, purpose};
use crate::export::svg::markup::escape;
use crate::export::svg::verdict;
use crate::trace::{Exchange, HeaderField, Origin};
use std::collections::{BTreeSet, HashSet};
use std::io::{self, Write};

/// Exchanges that the page holds.
pub(super) const MOST_ROWS: usize = 5_000;
/// Exchanges whose headers it holds.
const MOST_WITH_HEADERS: usize = 200;

pub(super) fn write(survey: &Survey, diagnosis: &Diagnosis, out: &mut impl Write) -> io::Result<()> {
    let all = survey.exchanges();
    writeln!(out, "<section id=\"timeline\">\n<h2>Exchanges</h2>")?;
    if all.is_empty() {
        return writeln!(out, "<p>No request was read.</p>\n</section>");
    }
    let list = List::of(survey, diagnosis);
    list.filters(out)?;
    let several = if list.several { " several" } else { "" };
    writeln!(out, "<div class=\"columns{several}\" aria-hidden=\"true\">")?;
    let process = if list.several { "<span>From</span>" } else { "" };
    writeln!(
        out,
        "<span>No.</span><span>UTC</span>{process}<span>Request</span><span>Answer</span><span>Credential</span><span>Error</span>\
         <span>Took</span>\n</div>\n<div id=\"rows\" class=\"rows{several}\">"
    )?;
    let mut before = None;
    for (place, exchange) in &list.rows {
        let skipped = place - before.map_or(0, |before| before + 1);
        if skipped > 0 {
            writeln!(out, "<p class=\"gap\">… {} left out</p>", counted(skipped, "exchange"))?;
        }
        before = Some(*place);
        list.row(*place, exchange, out)?;
    }
    let rest = before.map_or(all.len(), |before| all.len() - before - 1);
    if rest > 0 {
        writeln!(out, "<p class=\"gap\">… {} left out</p>", counted(rest, "exchange"))?;
    }
    writeln!(out, "</div>")?;
    if list.rows.len() < all.len() {
        writeln!(
            out,
            "<p class=\"quiet\">This page holds {} of {}: what failed first, then the beginning and the end. \
             <code>authtrace report --format json</code> has all.</p>",
            counted(list.rows.len(), "exchange"),
            counted(all.len(), "exchange")
        )?;
    }
    writeln!(out, "</section>")
}

struct List<'a> {
    survey: &'a Survey,
    diagnosis: &'a Diagnosis,
    /// What is shown, with its place among all.
    rows: Vec<(usize, &'a Exchange)>,
    evidence: HashSet<u64>,
    with_headers: HashSet<u64>,
    several: bool,
}

impl<'a> List<'a> {
    fn of(survey: &'a Survey, diagnosis: &'a Diagnosis) -> Self {
        let evidence: HashSet<u64> =
            diagnosis.findings.first().map(|top| top.exchanges.iter().copied().collect()).unwrap_or_default();
        let mut ranked: Vec<(usize, &Exchange)> = survey.exchanges().iter().enumerate().collect();
        let last = ranked.len();
        let rank = |place: usize, exchange: &Exchange| {
            let bad = if evidence.contains(&exchange.id) {
                0
            } else {
                match Answer::of(exchange) {
                    Answer::Refused => 1,
                    Answer::Trouble | Answer::Silent => 2,
                    Answer::Good | Answer::Plain => 3,
                }
            };
            (bad, place.min(last - place))
        };
        ranked.sort_by_key(|(place, exchange)| rank(*place, exchange));
        ranked.truncate(MOST_ROWS);
        let bad = ranked.iter().filter(|(place, exchange)| rank(*place, exchange).0 < 3);
        let with_headers = bad.map(|(_, exchange)| exchange.id).take(MOST_WITH_HEADERS).collect();
        ranked.sort_by_key(|(place, _)| *place);
        let several = diagnosis.lineage.processes.len() > 1;
        Self { survey, diagnosis, rows: ranked, evidence, with_headers, several }
    }

    /// Shown by the script only: without it they could do nothing.
    fn filters(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "<form id=\"filters\" hidden=\"\" role=\"search\">\n<label>Filter <input id=\"text\" type=\"search\" \
             placeholder=\"/ to type here\" autocomplete=\"off\" spellcheck=\"false\"/></label>"
        )?;
        let exchanges = || self.rows.iter().map(|(_, exchange)| *exchange);
        let answers: BTreeSet<Answer> = exchanges().map(Answer::of).collect();
        let answers = answers.into_iter().map(|answer| (answer.class().to_owned(), answer.meaning().to_owned()));
        choice(out, "answer", "Answer", answers)?;
        let hosts: BTreeSet<&str> = exchanges().map(|exchange| exchange.request.host.as_str()).collect();
        choice(out, "host", "Host", hosts.into_iter().map(|host| (host.to_owned(), host.to_owned())))?;
        let labels: BTreeSet<String> = exchanges().flat_map(|exchange| self.labels(exchange)).collect();
        choice(out, "credential", "Credential", labels.into_iter().map(|label| (label.clone(), label)))?;
        if self.several {
            let processes = self.diagnosis.lineage.processes.iter().enumerate();
            let named =
                processes.map(|(at, process)| (at.to_string(), format!("P{} {}", at + 1, verdict::process(process))));
            choice(out, "process", "From", named)?;
        }
        writeln!(
            out,
            "<button type=\"reset\">All</button> <output id=\"count\" aria-live=\"polite\"></output>\n\
             <p class=\"quiet\"><kbd>/</kbd> filter, <kbd>j</kbd> <kbd>k</kbd> or arrows to move, <kbd>Enter</kbd> opens, <kbd>Esc</kbd> clears</p>\n</form>"
        )
    }

    fn labels(&self, exchange: &Exchange) -> Vec<String> {
        let issued = exchange.oauth.iter().flat_map(|oauth| &oauth.issued);
        let all = exchange.credentials.iter().chain(issued);
        all.filter_map(|seen| self.survey.credential_label(seen.credential.fp)).map(|label| label.to_string()).collect()
    }

    fn row(&self, place: usize, exchange: &Exchange, out: &mut impl Write) -> io::Result<()> {
        let answer = Answer::of(exchange).class();
        let evidence = if self.evidence.contains(&exchange.id) { " evidence" } else { "" };
        let process = self.diagnosis.lineage.process_of(place);
        let request = &exchange.request;
        write!(
            out,
            "<details id=\"e{}\" class=\"{answer}{evidence}\" data-answer=\"{answer}\" data-host=\"{}\" data-credential=\"{}\" data-process=\"{process}\">\
             <summary><span class=\"no\">#{}</span><span class=\"at\">{}</span>",
            exchange.id,
            escape(request.host.as_str()),
            escape(&self.labels(exchange).join(" ")),
            exchange.id,
            exchange.at.clock()
        )?;
        if self.several {
            write!(out, "<span>P{}</span>", process + 1)?;
        }
        let target = cells::target(request.host.as_str(), request.path.as_str(), 200);
        let what = purpose(exchange);
        let what =
            if matches!(what.as_str(), "refresh" | "login") { format!(" <em>{what}</em>") } else { String::new() };
        write!(
            out,
            "<span class=\"request\"><b>{}</b> {}{what}</span><span class=\"answer\">{}</span><span class=\"credential\">{}</span>\
             <span class=\"error\">{}</span><span class=\"took\">{}</span></summary>\n<dl>",
            escape(request.method.as_str()),
            escape(&target),
            escape(&cells::status(exchange)),
            escape(&cells::credentials(exchange, self.survey.labels())),
            escape(&cells::error(exchange)),
            duration(exchange.timing.total_us)
        )?;
        self.details(exchange, process, out)?;
        writeln!(out, "</dl></details>")
    }

    fn details(&self, exchange: &Exchange, process: usize, out: &mut impl Write) -> io::Result<()> {
        let mut fact = |name: &str, value: &str| {
            if value.is_empty() { Ok(()) } else { writeln!(out, "<dt>{name}</dt><dd>{}</dd>", escape(value)) }
        };
        let error = exchange.error.as_ref();
        fact("Message", error.and_then(|error| error.message.as_ref()).map_or("", |message| message.as_str()))?;
        if exchange.origin != Origin::Upstream {
            fact("Answered by", origin(exchange.origin))?;
        }
        for sent in &exchange.credentials {
            let label =
                self.survey.credential_label(sent.credential.fp).map(|label| label.to_string()).unwrap_or_default();
            let flags: Vec<String> = sent.credential.flags.iter().map(kebab).collect();
            let flags = if flags.is_empty() { String::new() } else { format!(", looks {}", flags.join(", ")) };
            fact("Sent", &format!("{label} {} in {}{flags}", sent.credential, sent.place))?;
        }
        if exchange.credentials.is_empty() {
            fact("Sent", "no credential")?;
        }
        if let Some(oauth) = &exchange.oauth {
            fact("Grant", oauth.grant_type.as_ref().map_or("", |grant| grant.as_str()))?;
            fact("Scopes asked for", oauth.scope_requested.as_ref().map_or("", |scope| scope.as_str()))?;
            fact("Scopes granted", oauth.scope_granted.as_ref().map_or("", |scope| scope.as_str()))?;
            fact("Lifetime", &oauth.expires_in.map(|s| duration(s.saturating_mul(1_000_000))).unwrap_or_default())?;
            for issued in &oauth.issued {
                let label = self.survey.credential_label(issued.credential.fp).map(|label| label.to_string());
                fact("Issued", &format!("{} {}", label.unwrap_or_default(), issued.credential))?;
            }
        }
        let ids = &exchange.request_ids;
        let named = [
            ("request-id", &ids.header),
            ("request-id in the body", &ids.body),
            ("client’s id", &ids.client),
            ("cf-ray", &ids.edge),
        ];
        for (name, id) in named {
            fact(name, id.as_ref().map_or("", |id| id.as_str()))?;
        }
        if let Some(detail) = &exchange.end.detail {
            fact("Ended", &format!("{}: {}", exchange.end.outcome.as_str(), detail))?;
        }
        if self.several {
            fact("From", &self.diagnosis.lineage.process(process).map(verdict::process).unwrap_or_default())?;
        }
        if self.with_headers.contains(&exchange.id) {
            headers(out, "Request headers", &exchange.request.headers)?;
            headers(out, "Answer headers", exchange.response.as_ref().map_or(&[], |response| &response.headers))?;
        }
        Ok(())
    }
}

fn headers(out: &mut impl Write, name: &str, fields: &[HeaderField]) -> io::Result<()> {
    if fields.is_empty() {
        return Ok(());
    }
    write!(out, "<dt>{name}</dt><dd><pre>")?;
    for field in fields.iter().take(80) {
        writeln!(out, "{}: {}", escape(field.name.as_str()), escape(&clean(field.value.as_str())))?;
    }
    writeln!(out, "</pre></dd>")
}

/// A list to choose from, if there is a choice.
fn choice(
    out: &mut impl Write,
    id: &str,
    name: &str,
    options: impl Iterator<Item = (String, String)>,
) -> io::Result<()> {
    let options: Vec<_> = options.take(400).collect();
    if options.len() < 2 {
        return Ok(());
    }
    writeln!(out, "<label>{name} <select data-filter=\"{id}\"><option value=\"\">any</option>")?;
    for (value, text) in options {
        writeln!(out, "<option value=\"{}\">{}</option>", escape(&value), escape(&text))?;
    }
    writeln!(out, "</select></label>")
}
