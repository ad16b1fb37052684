//! The parts of the page around the exchanges.

use crate::analyze::{CredentialHistory, CredentialOrigin, Diagnosis, Finding, Lineage, Severity, Survey};
use crate::catalogue::entry;
use crate::export::cells;
use crate::export::phrases::{capitalised, clock, kebab, listed, missing, played, shortened};
use crate::export::style::{clean, counted, thousands};
use crate::export::svg::markup::escape;
use crate::export::svg::verdict;
use std::collections::BTreeSet;
use std::io::{self, Write};

/// Credentials that are listed.
const MOST_CREDENTIALS: usize = 500;

/// Verdict, its sentence, what to do, and where to look.
pub(super) fn head(survey: &Survey, diagnosis: &Diagnosis, out: &mut impl Write) -> io::Result<()> {
    let verdict = &diagnosis.verdict;
    let state = verdict::state(verdict);
    let qualified = match verdict::qualified(verdict, survey) {
        none if none.is_empty() => none,
        some => format!("· {some}"),
    };
    writeln!(
        out,
        "<header class=\"{}\">\n<h1><span aria-hidden=\"true\">{}</span> {}</h1>",
        state.class(),
        state.sign(),
        escape(verdict::title(verdict.code))
    )?;
    writeln!(out, "<p class=\"qualified\"><code>{}</code> {}</p>", verdict.code, escape(&qualified))?;
    writeln!(out, "<p class=\"sentence\">{}</p>", prose(&verdict.summary))?;
    if let Some(top) = diagnosis.findings.first() {
        remedies(top, "remedy", out)?;
    }
    writeln!(out, "<p class=\"quiet\">{}</p>", escape(&verdict::made_from(survey)))?;
    write!(out, "<nav aria-label=\"Parts of this page\">")?;
    let parts = [
        ("picture", "Flow"),
        ("findings", "Findings"),
        ("timeline", "Exchanges"),
        ("credentials", "Credentials"),
        ("receipt", "Was it authtrace?"),
        ("surroundings", "How it was captured"),
    ];
    for (id, name) in parts {
        write!(out, "<a href=\"#{id}\">{name}</a> ")?;
    }
    writeln!(out, "</nav>\n</header>")
}

/// Every finding with its evidence and what to do.
pub(super) fn findings(diagnosis: &Diagnosis, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "<section id=\"findings\">\n<h2>Findings</h2>")?;
    if diagnosis.findings.is_empty() {
        writeln!(out, "<p>{}</p>", escape(&diagnosis.verdict.summary))?;
    }
    for (at, finding) in diagnosis.findings.iter().enumerate() {
        one_finding(finding, at == 0, &diagnosis.lineage, out)?;
    }
    writeln!(out, "</section>")
}

fn one_finding(finding: &Finding, is_top: bool, lineage: &Lineage, out: &mut impl Write) -> io::Result<()> {
    let severity = match finding.severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Failure => "failure",
    };
    let mut about = vec![severity.to_owned(), verdict::confidence(finding.confidence).to_owned()];
    if finding.recovered {
        about.push("worked again later".to_owned());
    }
    writeln!(
        out,
        "<article class=\"finding {severity}\">\n<h3>{} <small><code>{}</code> · {}</small></h3>",
        escape(verdict::title(finding.code)),
        finding.code,
        about.join(" · ")
    )?;
    writeln!(out, "<p>{}</p>\n<p class=\"quiet\">{}</p>", prose(&finding.summary), prose(entry(finding.code).meaning))?;
    if !is_top {
        remedies(finding, "steps", out)?;
    }
    if let Some(advice) = &finding.version {
        let state = if advice.affected { "is older than" } else { "is not older than" };
        let text = format!(
            "The client’s version, {}, {state} {}, which mended: {}",
            advice.client, advice.fixed_in, advice.what
        );
        writeln!(out, "<p>{}</p>", escape(&text))?;
    }
    if let Some(caveat) = finding.caveat {
        writeln!(out, "<p><strong>But:</strong> {}</p>", prose(&capitalised(caveat)))?;
    }
    let mut facts = Vec::new();
    if !finding.exchanges.is_empty() {
        let links: Vec<String> = finding.exchanges.iter().map(|id| link(*id)).collect();
        facts.push(format!("Evidence: {}", links.join(", ")));
    }
    if !finding.connections.is_empty() {
        facts.push(format!("{} that came to nothing", counted(finding.connections.len(), "connection")));
    }
    let labels: Vec<String> =
        finding.credentials.iter().filter_map(|fp| lineage.get(*fp)).map(|one| one.label.to_string()).collect();
    if !labels.is_empty() {
        facts.push(format!("About: {}", escape(&shortened(&labels, 12))));
    }
    if !finding.otherwise.is_empty() {
        let codes: Vec<&str> = finding.otherwise.iter().map(|code| code.as_str()).collect();
        facts.push(format!("Could also be: {}", codes.join(", ")));
    }
    if !facts.is_empty() {
        writeln!(out, "<p class=\"quiet\">{}</p>", facts.join(" · "))?;
    }
    writeln!(out, "</article>")
}

/// What to do about a finding, step by step.
fn remedies(finding: &Finding, class: &str, out: &mut impl Write) -> io::Result<()> {
    let steps = verdict::remedies(finding);
    if steps.is_empty() {
        return Ok(());
    }
    writeln!(out, "<div class=\"{class}\"><strong>What to do</strong>\n<ol>")?;
    for step in steps {
        writeln!(out, "<li>{}</li>", prose(step))?;
    }
    writeln!(out, "</ol></div>")
}

/// A text in which commands and names stand between backticks.
fn prose(text: &str) -> String {
    let parts: Vec<String> = text.split('`').map(escape).collect();
    if parts.len().is_multiple_of(2) {
        return escape(text);
    }
    let marked = parts.iter().enumerate().map(|(at, part)| match at % 2 {
        0 => part.clone(),
        _ => format!("<code>{part}</code>"),
    });
    marked.collect()
}

/// A way to an exchange in the list.
pub(super) fn link(id: u64) -> String {
    format!("<a href=\"#e{id}\">#{id}</a>")
}

/// What became of each credential.
pub(super) fn credentials(diagnosis: &Diagnosis, out: &mut impl Write) -> io::Result<()> {
    let all = &diagnosis.lineage.credentials;
    writeln!(out, "<section id=\"credentials\">\n<h2>Credentials</h2>")?;
    if all.is_empty() {
        return writeln!(out, "<p>None was sent or issued.</p>\n</section>");
    }
    writeln!(
        out,
        "<p class=\"quiet\">Values were never recorded. Equal fingerprints are equal values, within this trace only.</p>\n\
         <div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Credentials\"><table>\n<thead><tr>"
    )?;
    let columns = [
        "Name",
        "Kind, length, fingerprint",
        "Where from",
        "First seen (UTC)",
        "Used",
        "Accepted",
        "Refused",
        "What became of it",
    ];
    for column in columns {
        write!(out, "<th scope=\"col\">{column}</th>")?;
    }
    writeln!(out, "</tr></thead>\n<tbody>")?;
    let shown = chosen(all);
    for history in &shown {
        credential(history, &diagnosis.lineage, out)?;
    }
    writeln!(out, "</tbody>\n</table></div>")?;
    let more = all.len() - shown.len();
    if more > 0 {
        writeln!(out, "<p>{} that no request refused are left out.</p>", counted(more, "more credential"))?;
    }
    writeln!(out, "</section>")
}

/// All that were refused as far as there is room, then others, in the order of time.
fn chosen(all: &[CredentialHistory]) -> Vec<&CredentialHistory> {
    let mut places: Vec<(usize, &CredentialHistory)> = all.iter().enumerate().collect();
    places.sort_by_key(|(_, history)| history.first_refused.is_none());
    places.truncate(MOST_CREDENTIALS);
    places.sort_by_key(|(place, _)| *place);
    places.into_iter().map(|(_, history)| history).collect()
}

fn credential(history: &CredentialHistory, lineage: &Lineage, out: &mut impl Write) -> io::Result<()> {
    let flags: Vec<String> = history.credential.flags.iter().map(kebab).collect();
    let marker = if flags.is_empty() {
        history.credential.to_string()
    } else {
        format!("{} looks {}", history.credential, flags.join(", "))
    };
    let (accepted, refused) = (history.accepted(), history.refused());
    writeln!(
        out,
        "<tr{}><th scope=\"row\">{}</th><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        if refused > 0 { " class=\"refused\"" } else { "" },
        escape(&history.label.to_string()),
        escape(&marker),
        origin(history.origin, lineage),
        history.first_seen.clock(),
        thousands(history.uses.len()),
        thousands(accepted),
        thousands(refused),
        fate(history, lineage)
    )
}

fn origin(origin: CredentialOrigin, lineage: &Lineage) -> String {
    match origin {
        CredentialOrigin::Brought => "there before".to_owned(),
        CredentialOrigin::Refresh { exchange, out_of } => {
            let with =
                out_of.and_then(|fp| lineage.get(fp)).map(|one| format!(" with {}", one.label)).unwrap_or_default();
            format!("refresh {}{}", link(exchange), escape(&with))
        }
        CredentialOrigin::Login { exchange } => format!("login {}", link(exchange)),
        CredentialOrigin::KeyCreation { exchange } => format!("made in {}", link(exchange)),
        CredentialOrigin::Other { exchange } => format!("from {}", link(exchange)),
    }
}

fn fate(history: &CredentialHistory, lineage: &Lineage) -> String {
    let mut parts = Vec::new();
    if let Some(refusal) = &history.first_refused {
        parts.push(format!("first refused in {}", link(refusal.exchange)));
    }
    if let Some((fp, exchange)) = history.replaced_by {
        let by = lineage.get(fp).map(|one| one.label.to_string()).unwrap_or_default();
        parts.push(format!("replaced by {} in {}", escape(&by), link(exchange)));
    }
    if let Some(exchange) = history.revoked_by {
        parts.push(format!("revoked, {}", link(exchange)));
    }
    if let Some(expires) = history.expires() {
        parts.push(format!("runs out {}", verdict::date_time(expires)));
    }
    if let Some(scopes) = &history.scopes {
        parts.push(format!("for <code>{}</code>", escape(scopes.as_str())));
    }
    parts.join("; ")
}

/// The circumstances: tool, system, clients, names of variables, hosts, what is missing.
pub(super) fn surroundings(survey: &Survey, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "<section id=\"surroundings\">\n<h2>How it was captured</h2>\n<dl>")?;
    let mut value = |name: &str, value: &str| {
        if value.is_empty() { Ok(()) } else { writeln!(out, "<dt>{name}</dt><dd>{}</dd>", escape(value)) }
    };
    if let Some(head) = survey.head() {
        value("Tool", &verdict::source(survey).unwrap_or_default())?;
        value("Played", &played(survey).unwrap_or_default())?;
        value("System", head.os.as_str())?;
        value("Begun", &format!("{} UTC", verdict::date_time(head.started)))?;
        let names = listed(head.variables.iter());
        value("Variables that were set (names only)", if names.is_empty() { "none" } else { &names })?;
    }
    if let Some(code) = survey.end().and_then(|end| end.exit_code) {
        value("Exit code", &code.to_string())?;
    }
    let clients: Vec<String> = survey.clients().iter().map(|client| clean(client.as_str()).into_owned()).collect();
    value("Clients", &shortened(&clients, 12))?;
    let versions: BTreeSet<&str> = survey
        .exchanges()
        .iter()
        .map(|one| one.request.version.as_str())
        .filter(|version| !version.is_empty())
        .collect();
    value("Protocols", &versions.into_iter().collect::<Vec<_>>().join(", "))?;
    let hosts: Vec<String> = survey.hosts().iter().map(|row| format!("{} ({})", row.host, row.exchanges)).collect();
    value("Hosts that were read", &shortened(&hosts, 40))?;
    let unread: Vec<String> = survey.tunnelled().iter().map(|row| cells::host_and_port(Some(&row.target))).collect();
    value("Hosts that passed unread", &shortened(&unread, 40))?;
    if let Some(difference) = survey.clock_difference() {
        value("Clock", &clock(difference))?;
    }
    for note in survey.notes().iter().take(50) {
        value("Noted", &format!("{} UTC: {}", note.at.clock(), note.text))?;
    }
    for line in missing(survey) {
        value("Missing", &line)?;
    }
    writeln!(out, "</dl>\n</section>")
}
