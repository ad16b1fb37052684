//! The raw heads that facts are made of. Borrowed for one call, never kept.

/// How the exchange travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// Inside TLS.
    Https,
}

/// Version of the protocol, as the first line or the connection states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
    /// HTTP/3.
    Http3,
    /// Not known: the capture of another tool does not tell.
    Unknown,
}

/// Name and value of a field as they stood on the wire, without the white space around the value.
pub type RawField<'a> = (&'a [u8], &'a [u8]);

/// The head of a request. It has no `Debug`: a log macro cannot print it.
#[derive(Clone, Copy)]
pub struct RequestSource<'a> {
    /// Method.
    pub method: &'a [u8],
    /// With or without TLS.
    pub scheme: Scheme,
    /// Host that the connection or the request names, without port.
    pub host: &'a str,
    /// Port.
    pub port: u16,
    /// Path and query (origin form, RFC 9112 §3.2.1).
    pub target: &'a [u8],
    /// Version.
    pub version: Version,
    /// Fields in their order.
    pub headers: &'a [RawField<'a>],
}

/// The head of an answer. It has no `Debug`: a log macro cannot print it.
#[derive(Clone, Copy)]
pub struct ResponseSource<'a> {
    /// Status.
    pub status: u16,
    /// Version.
    pub version: Version,
    /// Fields in their order.
    pub headers: &'a [RawField<'a>],
}

/// The values of the fields called `name`, in their order.
pub(super) fn values<'a>(headers: &'a [RawField<'a>], name: &str) -> impl Iterator<Item = &'a [u8]> {
    headers
        .iter()
        .filter(move |(raw, _)| raw.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, value)| value.trim_ascii())
}

/// Whether one of the fields called `name` starts with `start`, in any case.
pub(super) fn starts(headers: &[RawField<'_>], name: &str, start: &str) -> bool {
    values(headers, name)
        .any(|value| value.get(..start.len()).is_some_and(|v| v.eq_ignore_ascii_case(start.as_bytes())))
}
