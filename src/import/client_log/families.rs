//! Which line says what. Versions reword their lines, so that only how one begins is looked at, and single values in it.

use super::failure;
use super::line::uuid;
use crate::redact::{Redacted, Redactor};
use crate::trace::{
    ClientEventKind as Kind, ClientFailure, ExtraFile, ExtraState, FailureClass, KeptBecause, LockTrouble, StartUp,
};
use zeroize::Zeroizing;

/// What may follow `source=`: who inside the client asks.
const PURPOSES: &[&str] = &[
    "sdk",
    "repl_main_thread",
    "generate_session_title",
    "session_title",
    "compact",
    "auto_mode",
    "agent",
    "side_question",
    "quota_check",
    "hook_prompt",
    "unknown",
];

const STORES: &[&str] = &["bundled", "system"];

/// How a line of the family begins, and how it is read.
type Family = (&'static str, fn(&str, &Redactor) -> Option<Kind>);

/// The first that fits decides.
const FAMILIES: &[Family] = &[
    ("[API REQUEST] /", request),
    ("API error (attempt ", attempt_failed),
    ("API error x-client-request-id=", |rest, redactor| {
        let id = rest.get(..36).and_then(uuid)?;
        Some(Kind::GaveUpOn { client_id: redactor.request_id(id) })
    }),
    ("Error in API request:", |rest, redactor| Some(Kind::GaveUp { failure: failure::read(rest, redactor) })),
    ("Connection error details:", |rest, redactor| {
        Some(Kind::ConnectionFailed { failure: failure::read(rest, redactor) })
    }),
    ("Error streaming", |rest, redactor| Some(Kind::StreamFailed { failure: failure::read(rest, redactor) })),
    ("[API:auth] OAuth token check starting", |_, _| Some(Kind::TokenCheckBegun)),
    ("[API:auth] OAuth token check complete", |_, _| Some(Kind::TokenCheckEnded)),
    ("OAuth refresh failed", renewal_failed),
    ("OAuth token refresh failed", renewal_failed),
    ("OAuth refresh ", renewal_lock),
    ("OAuth dead-token disk clear", |_, _| Some(Kind::LoginNotWiped)),
    ("OAuth 401 recovery: waiting", |_, _| Some(Kind::AwaitsToken)),
    ("OAuth 401:", |rest, _| Some(Kind::RefusedTokenKept { because: kept(rest) })),
    ("Failed to fetch oauth profile", |rest, redactor| {
        Some(Kind::ProfileFailed { failure: failure::read(rest, redactor) })
    }),
    ("Remote settings: Fetch failed", |rest, redactor| start_up(StartUp::RemoteSettings, rest, redactor)),
    ("Policy limits: fetch failed", |rest, redactor| start_up(StartUp::PolicyLimits, rest, redactor)),
    ("Policy limits: Fetch failed", |rest, redactor| start_up(StartUp::PolicyLimits, rest, redactor)),
    ("apiKeyHelper failed", |_, _| Some(Kind::ApiKeyHelperFailed)),
    ("Error getting API key from apiKeyHelper", |_, _| Some(Kind::ApiKeyHelperFailed)),
    ("CA certs: stores=", certificate_stores),
    ("CA certs: Loaded ", roots_loaded),
    ("CA certs: system store ", |_, _| Some(Kind::SystemStoreMissing)),
    ("CA certs: Failed to load system CA certificates", |_, _| Some(Kind::SystemStoreMissing)),
    ("CA certs: Appended extra certificates", |_, _| Some(Kind::ExtraCertificates { state: ExtraState::Loaded })),
    ("CA certs: Failed to read NODE_EXTRA_CA_CERTS", |_, _| {
        Some(Kind::ExtraCertificates { state: ExtraState::Unreadable })
    }),
    ("CA certs: skipping settings-sourced NODE_EXTRA_CA_CERTS", |_, _| {
        Some(Kind::ExtraCertificates { state: ExtraState::Skipped })
    }),
    ("CA certs: The proxy answered CONNECT with ", |rest, _| Some(Kind::ProxyTrouble { status: number(rest) })),
    ("Proxy response (", |rest, _| Some(Kind::ProxyTrouble { status: number(rest) })),
    ("proxy authorization ", |_, _| Some(Kind::ProxyTrouble { status: None })),
    ("[proxy] ", |_, _| Some(Kind::ProxyTrouble { status: None })),
];

/// What the text of a line says; none if it belongs to no known family.
pub(super) fn recognise(text: &str, redactor: &Redactor) -> Option<Kind> {
    FAMILIES.iter().find_map(|(begin, read)| {
        let rest = text.strip_prefix(begin)?;
        Some(read(rest, redactor))
    })?
}

/// `v1/messages x-client-request-id=… source=sdk`, behind the slash.
fn request(rest: &str, redactor: &Redactor) -> Option<Kind> {
    let mut words = rest.split(' ');
    let path = words.next()?;
    let value = |name: &str| rest.split(' ').find_map(|word| word.strip_prefix(name));
    let purpose = value("source=").and_then(|word| PURPOSES.iter().find(|known| **known == word));
    Some(Kind::Request {
        path: redactor.path(Zeroizing::new(format!("/{path}")).as_bytes()),
        client_id: value("x-client-request-id=").and_then(uuid).map(|id| redactor.request_id(id)),
        purpose: purpose.map(|word| Redacted::literal(word)),
    })
}

/// `1/11): 401 …`
fn attempt_failed(rest: &str, redactor: &Redactor) -> Option<Kind> {
    let (count, why) = rest.split_once("):")?;
    let (attempt, of) = count.split_once('/')?;
    Some(Kind::AttemptFailed {
        attempt: attempt.trim().parse().ok()?,
        of: of.trim().parse().ok()?,
        failure: failure::read(why, redactor),
    })
}

fn renewal_failed(rest: &str, redactor: &Redactor) -> Option<Kind> {
    if rest.contains("lock compromised") {
        return Some(Kind::RenewalLock { trouble: LockTrouble::Compromised });
    }
    let mut failure = failure::read(rest, redactor);
    if failure.class == FailureClass::Other && rest.contains("run /login") {
        failure.class = FailureClass::LoginGone;
    }
    Some(Kind::RenewalFailed { failure })
}

fn renewal_lock(rest: &str, _: &Redactor) -> Option<Kind> {
    if !rest.contains("lock") {
        return None;
    }
    let has = |word: &str| rest.contains(word);
    let trouble = if has("compromised") {
        LockTrouble::Compromised
    } else if has("acquire failed") || has("retry limit") {
        LockTrouble::NotAcquired
    } else if has("release failed") {
        LockTrouble::NotReleased
    } else {
        LockTrouble::Other
    };
    Some(Kind::RenewalLock { trouble })
}

fn kept(rest: &str) -> KeptBecause {
    if rest.contains("CLAUDE_CODE_OAUTH_TOKEN") {
        KeptBecause::Environment
    } else if rest.contains("different account") {
        KeptBecause::OtherAccount
    } else {
        KeptBecause::Other
    }
}

fn start_up(what: StartUp, rest: &str, redactor: &Redactor) -> Option<Kind> {
    let failure = failure::read(rest, redactor);
    Some(Kind::StartUpFailed { what, failure: ClientFailure { message: None, ..failure } })
}

/// `bundled,system, extraCertsPath=…`
fn certificate_stores(rest: &str, redactor: &Redactor) -> Option<Kind> {
    let (stores, extra) = rest.split_once(", extraCertsPath=").unwrap_or((rest, "undefined"));
    Some(Kind::CertificateStores {
        stores: stores.split(',').map(|store| redactor.identifier(store.trim(), STORES)).collect(),
        extra: extra_file(extra.trim()),
    })
}

/// Ours lies in a folder of the run, `authtrace-…`.
fn extra_file(path: &str) -> ExtraFile {
    if matches!(path, "" | "undefined" | "null" | "none") {
        return ExtraFile::None;
    }
    let ours = path.split('/').rev().nth(1).is_some_and(|folder| folder.starts_with("authtrace-"));
    if ours { ExtraFile::Authtrace } else { ExtraFile::Other }
}

/// `118 bundled root certificates`, `142 system CA certificates`
fn roots_loaded(rest: &str, _: &Redactor) -> Option<Kind> {
    let mut words = rest.split(' ');
    let count = words.next()?.parse().ok()?;
    let store = words.next()?;
    let store = STORES.iter().find(|known| **known == store)?;
    Some(Kind::RootsLoaded { store: Redacted::literal(store), count })
}

/// The number that the text begins with.
fn number(text: &str) -> Option<u16> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}
