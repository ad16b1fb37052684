//! The head of a request in absolute form, as its origin is to receive it.

use memchr::memchr;

use super::target::authority;
use super::{AbsoluteForm, Refusal, RequestHead};

/// Whether two texts name the same host and port; neither does if it cannot be read.
#[must_use]
pub fn is_same_authority(one: &[u8], other: &[u8], default_port: u16) -> bool {
    let one = authority(one, Some(default_port));
    one.is_some() && one == authority(other, Some(default_port))
}

/// The head to send to the origin of a request whose target is in absolute form: the target in origin form
/// ([RFC 9112 §3.2.1](https://www.rfc-editor.org/rfc/rfc9112#section-3.2.1)), `Proxy-Authorization` and `Proxy-Connection` left out,
/// a `Host` added if there is none; every other byte as it was. `buf` is the buffer the head was read from, `form` its target
/// [taken apart](super::absolute_form).
///
/// # Errors
/// [`Refusal::HostMismatch`] if `Host` names another origin than the target: RFC 9112 §3.2.2 has the target win, and without it
/// the field would.
pub fn forwarded_head(buf: &[u8], head: &RequestHead, form: &AbsoluteForm) -> Result<Vec<u8>, Refusal> {
    let target = head.target.of(buf);
    let written = form.written.of(target);
    if let Some(host) = head.host
        && authority(host.of(buf), Some(form.scheme.default_port())).as_ref() != Some(&form.authority)
    {
        return Err(Refusal::HostMismatch);
    }
    let mut bytes = Vec::with_capacity(head.len + written.len());
    bytes.extend_from_slice(slice(buf, 0, head.target.start as usize));
    let path = form.origin_form.of(target);
    match path.first() {
        // RFC 9112 §3.2.4: the server as a whole.
        None if head.method.of(buf) == b"OPTIONS" => bytes.push(b'*'),
        None | Some(b'?') => bytes.push(b'/'),
        Some(_) => {}
    }
    bytes.extend_from_slice(path);
    let at = line_end(buf, head.target.end as usize);
    bytes.extend_from_slice(slice(buf, head.target.end as usize, at));
    if head.host.is_none() {
        bytes.extend_from_slice(b"Host: ");
        bytes.extend_from_slice(written);
        bytes.extend_from_slice(b"\r\n");
    }
    push_fields(&mut bytes, buf, head, at);
    Ok(bytes)
}

/// The head to send to the next proxy: the target stays in absolute form, `Proxy-Authorization` and `Proxy-Connection` are left
/// out, and our own authorization goes in after the request line.
#[must_use]
pub fn proxied_head(buf: &[u8], head: &RequestHead, authorization: Option<&[u8]>) -> Vec<u8> {
    let at = line_end(buf, head.target.end as usize);
    let mut bytes = Vec::with_capacity(head.len + 128);
    bytes.extend_from_slice(slice(buf, 0, at));
    if let Some(value) = authorization {
        bytes.extend_from_slice(b"Proxy-Authorization: ");
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"\r\n");
    }
    push_fields(&mut bytes, buf, head, at);
    bytes
}

/// The field lines from `at` on, and the empty line, without the fields that are meant for us.
fn push_fields(bytes: &mut Vec<u8>, buf: &[u8], head: &RequestHead, mut at: usize) {
    for field in &head.fields {
        let end = line_end(buf, field.value.end as usize);
        if !is_for_this_proxy(field.name.of(buf)) {
            bytes.extend_from_slice(slice(buf, at, end));
        }
        at = end;
    }
    bytes.extend_from_slice(slice(buf, at, head.len));
}

/// Whether a field of that name is meant for the proxy that receives it, and is left out.
#[must_use]
pub fn is_for_this_proxy(name: &[u8]) -> bool {
    [b"proxy-authorization".as_slice(), b"proxy-connection"].iter().any(|each| name.eq_ignore_ascii_case(each))
}

fn line_end(buf: &[u8], from: usize) -> usize {
    let rest = buf.get(from..).unwrap_or_default();
    from + memchr(b'\n', rest).map_or(rest.len(), |at| at + 1)
}

fn slice(buf: &[u8], from: usize, to: usize) -> &[u8] {
    buf.get(from..to).unwrap_or_default()
}
