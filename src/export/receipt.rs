//! What authtrace did to what passed through it, in words: the answer to "did authtrace cause it?".

use super::style::{bytes, clean, counted, duration, thousands};
use crate::analyze::{AlpnPair, Bytes, HeadCounts, Knowledge, Receipt, Spread, Survey};
use crate::redact::Redacted;
use crate::trace::HeadChange;

/// The answer, and what it rests on.
pub(super) struct Account {
    /// One sentence.
    pub(super) answer: String,
    /// Whether something speaks against authtrace.
    pub(super) suspicious: bool,
    /// Names and facts.
    pub(super) facts: Vec<(&'static str, String)>,
}

/// Nothing where nothing passed.
pub(super) fn account(survey: &Survey) -> Option<Account> {
    let receipt = survey.receipt();
    if survey.is_imported() {
        let answer = "Not known: another tool captured this, and authtrace did not carry it.".to_owned();
        return Some(Account { answer, suspicious: false, facts: Vec::new() });
    }
    let over_tls = survey.exchanges().iter().any(|exchange| exchange.request.scheme.as_str() == "https");
    (receipt.exchanges > 0).then(|| Account {
        answer: answer(&receipt),
        suspicious: !receipt.altered.is_empty() || !receipt.answered_by_us.is_empty() || !receipt.alpn_equal,
        facts: facts(&receipt, survey.timing().added, over_tls),
    })
}

fn answer(receipt: &Receipt) -> String {
    if !receipt.altered.is_empty() {
        return format!(
            "It may have: {} went out otherwise than it came in. That is a defect of authtrace; please report it.",
            numbers(&receipt.altered)
        );
    }
    if receipt.knowledge == Knowledge::None {
        return "Not known: the trace was made by a version that did not take this down.".to_owned();
    }
    let broken = match receipt.incomplete.len() {
        0 => String::new(),
        count => format!("; {} broke off", thousands(count)),
    };
    let passed = usize::try_from(receipt.passed).unwrap_or(usize::MAX);
    let all = if receipt.passed == receipt.exchanges {
        format!("{} passed as {} came in", counted(passed, "exchange"), if passed == 1 { "it" } else { "they" })
    } else {
        let of = usize::try_from(receipt.exchanges).unwrap_or(usize::MAX);
        format!("{} of {} passed as they came in{broken}", thousands(passed), counted(of, "exchange"))
    };
    match (receipt.answered_by_us.as_slice(), receipt.alpn_equal) {
        ([], true) => format!("No sign of it: {all}."),
        ([], false) => format!("{all}, but client and server spoke different protocols."),
        (ours, _) => format!("{all}; {} was answered by authtrace itself, not by a server.", numbers(ours)),
    }
}

fn facts(receipt: &Receipt, timing: Option<Spread>, over_tls: bool) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if receipt.knowledge != Knowledge::None {
        facts.push(("requests", leg(receipt.request_heads, receipt.up)));
        facts.push(("answers", leg(receipt.response_heads, receipt.down)));
    }
    let changes: Vec<String> = receipt
        .head_changes
        .iter()
        .map(|(change, count)| {
            format!("{} {}×", self::change(*change), thousands(usize::try_from(*count).unwrap_or(0)))
        })
        .collect();
    if !changes.is_empty() {
        facts.push(("on purpose", changes.join(", ")));
    }
    for (name, ids) in [
        ("broken off", &receipt.incomplete),
        ("a proxy's", &receipt.answered_by_upstream_proxy),
        ("not known", &receipt.unknown),
    ] {
        if !ids.is_empty() && ids.len() as u64 != receipt.exchanges {
            facts.push((name, numbers(ids)));
        }
    }
    if !receipt.alpn.is_empty() {
        facts.push(("protocols", receipt.alpn.iter().map(pair).collect::<Vec<_>>().join(", ")));
    }
    if let Some(added) = receipt.added.or(timing) {
        let [median, most, longest] = [added.p50_us, added.p99_us, added.max_us].map(duration);
        facts.push(("time added", format!("{median} (median), {most} (99 of 100), {longest} (worst)")));
    }
    if receipt.tls_fingerprint_caveat || over_tls {
        let text = "The server saw the TLS and TCP fingerprint of authtrace in place of the client's. That alone can set off \
                    a bot check at the edge; if in doubt, try once without authtrace";
        facts.push(("but", text.to_owned()));
    }
    facts
}

/// `heads: 5 byte for byte, 1 changed on purpose; bodies: 1.2 MB, as many out as in`
fn leg(heads: HeadCounts, bodies: Bytes) -> String {
    let counts = [
        (heads.verbatim, "byte for byte"),
        (heads.same_fields, "with the same fields (HTTP/2)"),
        (heads.rewritten, "changed on purpose"),
        (heads.partial, "not whole"),
        (heads.altered, "ALTERED"),
    ];
    let parts: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, how)| format!("{} {how}", thousands(usize::try_from(count).unwrap_or(usize::MAX))))
        .collect();
    let heads = if parts.is_empty() { "none".to_owned() } else { parts.join(", ") };
    let volume = match bodies.read == bodies.written {
        true => format!("{}, as many out as in", bytes(bodies.read)),
        false => format!("{} B in, {} B out", bodies.read, bodies.written),
    };
    format!("heads: {heads}; bodies: {volume}")
}

fn pair(pair: &AlpnPair) -> String {
    let name = |protocol: &Option<Redacted>| {
        protocol.as_ref().map_or_else(|| "no ALPN".to_owned(), |name| clean(name.as_str()).into_owned())
    };
    let (client, upstream) = (name(&pair.client), name(&pair.upstream));
    let count = counted(usize::try_from(pair.connections).unwrap_or(usize::MAX), "connection");
    match client == upstream {
        true => format!("{client} on both legs ({count})"),
        false => format!("{client} with the client but {upstream} with the server ({count})"),
    }
}

fn change(change: HeadChange) -> &'static str {
    match change {
        HeadChange::AbsoluteForm => "target without scheme and host",
        HeadChange::ProxyFields => "fields for the proxy left out",
        HeadChange::HostAdded => "Host added",
        HeadChange::UpstreamProxyFields => "password for the upstream proxy added",
        HeadChange::AcceptEncoding => "compression declined for a scenario",
    }
}

/// `#3, #4 and 12 more`
fn numbers(ids: &[u64]) -> String {
    let names: Vec<String> = ids.iter().map(|id| format!("#{id}")).collect();
    super::phrases::shortened(&names, 8)
}
