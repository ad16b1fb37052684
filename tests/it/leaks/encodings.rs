//! Every way in which a secret may be written, and the codings of bodies, from their definitions.

use super::secrets::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::io::Write as _;

/// Ways to write a text in which each character stands for itself or for one escape.
pub(crate) const TEXTUAL: &[&str] = &[
    "raw",
    "upper",
    "percent",
    "percent-twice",
    "base64",
    "base64-at-1",
    "base64-at-2",
    "base64-twice",
    "hex",
    "HEX",
    "json",
    "json-twice",
    "entities",
    "hex-entities",
    "bytes",
    "wide",
];

/// What fits into a field of a head as well as into a body.
pub(crate) const FIELD: &[&str] =
    &["raw", "upper", "percent", "percent-twice", "base64", "base64-at-1", "base64-at-2", "hex", "json", "entities"];

/// What fits into a target or a URL.
pub(crate) const URL: &[&str] = &["raw", "percent", "percent-twice", "base64", "base64-at-1", "hex"];

pub(crate) const RAW: &[&str] = &["raw"];

/// Codings of a whole body; the first four are those of RFC 9110 §8.4.1 and RFC 8878.
pub(crate) const CODINGS: &[&str] = &[
    "gzip",
    "deflate",
    "br",
    "zstd",
    "bare-deflate",
    "gzip, gzip",
    "gzip, br",
    "zstd, gzip",
    "plain-called-gzip",
    "gzip-called-br",
    "gzip-called-nothing",
    "gzip-cut-off",
    "utf-16le",
    "utf-16be",
    "utf-32le",
];

/// `secret` written so.
pub(crate) fn written(secret: &Secret, how: &str) -> String {
    let text = secret.text.as_str();
    let bytes = text.as_bytes();
    let each = |show: fn(u8) -> String| bytes.iter().map(|byte| show(*byte)).collect::<String>();
    match how {
        "raw" => text.to_owned(),
        "upper" => text.to_ascii_uppercase(),
        "percent" => each(|byte| format!("%{byte:02X}")),
        "percent-twice" => each(|byte| format!("%25{byte:02x}")),
        "base64" => STANDARD.encode(bytes),
        "base64-at-1" => STANDARD.encode([b"x", bytes].concat()),
        "base64-at-2" => URL_SAFE_NO_PAD.encode([b"xy", bytes].concat()),
        "base64-twice" => STANDARD.encode(STANDARD.encode(bytes)),
        "hex" => each(|byte| format!("{byte:02x}")),
        "HEX" => each(|byte| format!("{byte:02X}")),
        "json" => each(|byte| format!("\\u{byte:04x}")),
        "json-twice" => each(|byte| format!("\\\\u{byte:04x}")),
        "solidus" => text.replace('/', "\\/"),
        "entities" => each(|byte| format!("&#{byte};")),
        "hex-entities" => each(|byte| format!("&#x{byte:x};")),
        "bytes" => bytes.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        "wide" => each(|byte| format!("{}\\u0000", char::from(byte))),
        "label" => secret.label(),
        // What a query needs and no more.
        "form" => text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D"),
        "head" => text[..text.len() / 2].to_owned(),
        "tail" => text[text.len() / 2..].to_owned(),
        other => panic!("no such way to write: {other}"),
    }
}

/// What the head says of the coding, and the body in it.
pub(crate) fn coded(body: &[u8], how: &str) -> (String, Vec<u8>) {
    let label = |label: &str| format!("Content-Encoding: {label}\r\n");
    match how {
        "gzip" => (label("gzip"), gzip(body)),
        "deflate" => (label("deflate"), zlib(body)),
        "br" => (label("br"), brotli(body)),
        "zstd" => (label("zstd"), zstandard(body)),
        "bare-deflate" => (label("deflate"), bare_deflate(body)),
        "gzip, gzip" => (label("gzip, gzip"), gzip(&gzip(body))),
        "gzip, br" => (label("gzip, br"), brotli(&gzip(body))),
        "zstd, gzip" => (label("zstd, gzip"), gzip(&zstandard(body))),
        "plain-called-gzip" => (label("gzip"), body.to_vec()),
        "gzip-called-br" => (label("br"), gzip(body)),
        "gzip-called-nothing" => (String::new(), gzip(body)),
        "gzip-cut-off" => {
            let mut data = gzip(body);
            data.truncate(data.len() * 2 / 3);
            (label("gzip"), data)
        }
        "utf-16le" => (String::new(), wide(body, |unit| vec![unit, 0])),
        "utf-16be" => (String::new(), wide(body, |unit| vec![0, unit])),
        "utf-32le" => (String::new(), wide(body, |unit| vec![unit, 0, 0, 0])),
        _ => (String::new(), body.to_vec()),
    }
}

fn wide(body: &[u8], unit: fn(u8) -> Vec<u8>) -> Vec<u8> {
    body.iter().flat_map(|byte| unit(*byte)).collect()
}

pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn bare_deflate(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn brotli(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams { quality: 3, ..Default::default() };
    brotli::BrotliCompress(&mut &*body, &mut out, &parameters).unwrap();
    out
}

pub(crate) fn zstandard(body: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(body, 1).unwrap()
}
