//! What this room promises, as tables and properties.

mod codings;
mod errors;
mod heads;
mod oauth;
mod streams;

use super::*;
use crate::redact::{Options, Redactor};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use std::io::Write;

pub(super) fn redactor() -> Redactor {
    Redactor::new(Options::default().with_key([7; 32])).unwrap()
}

pub(super) fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn raw_deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn brotli(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = ::brotli::CompressorWriter::new(&mut out, 4096, 5, 22);
    encoder.write_all(data).unwrap();
    drop(encoder);
    out
}

pub(super) fn zstd(data: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(data, 3).unwrap()
}

pub(super) type Encode = fn(&[u8]) -> Vec<u8>;

/// Codings by what `Content-Encoding` says of them, and how they are made.
pub(super) fn codings() -> Vec<(&'static str, Encode)> {
    vec![
        ("", |data| data.to_vec()),
        ("identity", |data| data.to_vec()),
        ("gzip", gzip),
        ("X-GZIP", gzip),
        ("deflate", zlib),
        ("deflate", raw_deflate),
        ("br", brotli),
        ("zstd", zstd),
        ("gzip, gzip", |data| gzip(&gzip(data))),
        ("gzip, br", |data| brotli(&gzip(data))),
        ("br,gzip", |data| gzip(&brotli(data))),
        ("zstd, deflate", |data| zlib(&zstd(data))),
    ]
}

/// Codings that are not what their label says.
pub(super) fn mislabelled() -> Vec<(&'static str, Encode)> {
    vec![
        ("gzip", |data| data.to_vec()),
        ("br", |data| data.to_vec()),
        ("zstd", |data| data.to_vec()),
        ("deflate", |data| data.to_vec()),
        ("gzip, br", |data| data.to_vec()),
        ("compress", |data| data.to_vec()),
        ("", gzip),
        ("", zstd),
        ("", |data| gzip(&gzip(data))),
        ("br", gzip),
        ("gzip", zstd),
        ("deflate", gzip),
        ("gzip", |data| gzip(&gzip(data))),
    ]
}

/// An answer for [`answer`].
pub(super) struct Answer<'a> {
    pub(super) target: &'a str,
    pub(super) status: u16,
    pub(super) content_type: &'a str,
    pub(super) coding: &'a str,
    pub(super) complete: bool,
}

impl<'a> Answer<'a> {
    pub(super) fn json(status: u16) -> Self {
        Self { target: "/v1/messages", status, content_type: "application/json", coding: "", complete: true }
    }

    pub(super) fn events() -> Self {
        Self { content_type: "text/event-stream; charset=utf-8", ..Self::json(200) }
    }

    /// Reads `body`, which comes in pieces of `piece` bytes, one each millisecond.
    pub(super) fn read(&self, body: &[u8], piece: usize) -> BodyFacts {
        let headers: &[RawField<'_>] =
            &[(b"Content-Type", self.content_type.as_bytes()), (b"content-encoding", self.coding.as_bytes())];
        let response = ResponseSource { status: self.status, version: Version::Http11, headers };
        let mut reader = response_body(Route::of(self.target.as_bytes()), &response);
        for (index, data) in body.chunks(piece.max(1)).enumerate() {
            if !reader.wants_data() {
                break;
            }
            reader.push(data, index as u64 * 1_000);
        }
        reader.finish(&redactor(), self.complete)
    }
}

/// Reads the body of a request to `target`.
pub(super) fn asked(target: &str, content_type: &str, body: &[u8]) -> BodyFacts {
    let headers: &[RawField<'_>] = &[(b"content-type", content_type.as_bytes())];
    let request = RequestSource {
        method: b"POST",
        scheme: Scheme::Https,
        host: "platform.claude.com",
        port: 443,
        target: target.as_bytes(),
        version: Version::Http11,
        headers,
    };
    let mut reader = request_body(&request);
    for data in body.chunks(7) {
        reader.push(data, 0);
    }
    reader.finish(&redactor(), true)
}

#[test]
fn readers_move_between_threads() {
    fn is_send<T: Send>() {}
    is_send::<BodyReader>();
    is_send::<Extractor>();
}
