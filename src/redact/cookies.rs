//! Cookies: names from a closed list, values as credentials (RFC 6265).

use super::credentials::{Piece, lossy};
use super::grammar::COOKIES;
use super::kind::{Kind, Place};
use super::marker;
use super::redactor::Redactor;
use super::syntax;

pub(super) fn request(redactor: &Redactor, value: &[u8]) -> Vec<Piece> {
    marker::split(value, b';').into_iter().map(|pair| cookie(redactor, pair.trim_ascii())).collect()
}

pub(super) fn response(redactor: &Redactor, value: &[u8]) -> Vec<Piece> {
    let mut parts = marker::split(value, b';').into_iter().map(<[u8]>::trim_ascii);
    let first = parts.next().map(|pair| cookie(redactor, pair));
    first.into_iter().chain(parts.map(|part| attribute(redactor, part))).collect()
}

fn cookie(redactor: &Redactor, pair: &[u8]) -> Piece {
    let (name, value) = pair_of(pair);
    let item = redactor.name(name, COOKIES);
    match value {
        Some(value) => redactor.piece(value, Kind::Unknown, Place::Cookie).of(item),
        None => Piece::plain(item),
    }
}

fn attribute(redactor: &Redactor, part: &[u8]) -> Piece {
    const NAMES: &[&str] =
        &["path", "domain", "max-age", "expires", "httponly", "secure", "samesite", "partitioned", "priority"];
    let (name, value) = pair_of(part);
    let mut piece = Piece::plain(redactor.name(name, NAMES));
    let Some(value) = value else { return piece };
    let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
    let plain = (is("path") && value == b"/")
        || (is("max-age") && syntax::integer(value))
        || (is("expires") && syntax::http_date(value))
        || (is("samesite") && syntax::in_list(value, &["lax", "strict", "none"]))
        || (is("priority") && syntax::in_list(value, &["low", "medium", "high"]));
    piece.text = match std::str::from_utf8(value) {
        _ if plain => lossy(value),
        Ok(domain) if is("domain") => {
            let dot = if domain.starts_with('.') { "." } else { "" };
            format!("{dot}{}", redactor.host(domain.trim_start_matches('.')))
        }
        _ => redactor.opaque(value),
    };
    piece
}

/// Name and value; an equals sign inside a marker separates nothing.
pub(super) fn pair_of(pair: &[u8]) -> (&[u8], Option<&[u8]>) {
    match marker::split(pair, b'=').first() {
        Some(name) if name.len() < pair.len() => (name.trim_ascii(), Some(pair[name.len() + 1..].trim_ascii())),
        _ => (pair, None),
    }
}
