//! Content codings of an answer (RFC 9110 §8.4.1).

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use std::io::{self, Write};

/// Bytes of one stored brotli meta-block: what a length of 16 bits holds.
const STORED: usize = 1 << 16;

/// Bytes of one raw Zstandard block: what its length of 21 bits may say at most (RFC 8878 §3.1.1.2.4).
const RAW: usize = 1 << 17;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Coding {
    /// Not at all.
    #[default]
    Identity,
    /// gzip (RFC 1952).
    Gzip,
    /// deflate in the zlib format (RFC 1950), as the field's definition asks for.
    Deflate,
    /// brotli (RFC 7932), in stored blocks: a valid stream that saves no bytes.
    Brotli,
    /// Zstandard (RFC 8878), in raw blocks: a valid frame that saves no bytes.
    Zstd,
}

impl Coding {
    /// The value of `content-encoding`, none for identity.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Deflate => Some("deflate"),
            Self::Brotli => Some("br"),
            Self::Zstd => Some("zstd"),
        }
    }

    /// The bytes in this coding.
    #[must_use]
    pub fn encode(self, plain: &[u8]) -> Vec<u8> {
        // The encoders write to memory, which does not fail; were one to, the body is empty and the test that asked
        // for the coding sees it.
        self.try_encode(plain).unwrap_or_default()
    }

    fn try_encode(self, plain: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Identity => Ok(plain.to_vec()),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(plain)?;
                encoder.finish()
            }
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(plain)?;
                encoder.finish()
            }
            Self::Brotli => Ok(stored_brotli(plain)),
            Self::Zstd => Ok(raw_zstd(plain)),
        }
    }
}

/// A brotli stream of uncompressed meta-blocks (RFC 7932 §9.1, §9.2): the window (one bit, 16 bits wide), then per
/// block `ISLAST` 0, `MNIBBLES` 4, the length less one, `ISUNCOMPRESSED` 1, fill bits, the bytes; last an empty block.
fn stored_brotli(plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(plain.len() + 8);
    // Bits come lowest first. The window bit stands before the first block only.
    let mut width = 1;
    for block in plain.chunks(STORED) {
        let length = u32::try_from(block.len() - 1).unwrap_or(0);
        let header = (length << 3 | 1 << 19) << width;
        let bytes = header.to_le_bytes();
        // 20 bits of block header, 21 with the window bit: three bytes either way.
        out.extend_from_slice(bytes.get(..3).unwrap_or_default());
        out.extend_from_slice(block);
        width = 0;
    }
    // `ISLAST` 1, `ISLASTEMPTY` 1.
    out.push(3 << width);
    out
}

/// A Zstandard frame of raw blocks (RFC 8878 §3.1.1): magic number, descriptor 0, a window of 128 KiB, then per block
/// three bytes (last, type 0, length) and the bytes.
fn raw_zstd(plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(plain.len() + 16);
    out.extend_from_slice(&[0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3]);
    let mut blocks = plain.chunks(RAW).peekable();
    while let Some(block) = blocks.next() {
        let last = u32::from(blocks.peek().is_none());
        push_block_header(&mut out, last, block.len());
        out.extend_from_slice(block);
    }
    if plain.is_empty() {
        push_block_header(&mut out, 1, 0);
    }
    out
}

fn push_block_header(out: &mut Vec<u8>, last: u32, length: usize) {
    let header = last | u32::try_from(length).unwrap_or(0) << 3;
    out.extend_from_slice(header.to_le_bytes().get(..3).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn decode(coding: Coding, coded: &[u8]) -> Vec<u8> {
        let mut reader: Box<dyn Read> = match coding {
            Coding::Identity => Box::new(coded),
            Coding::Gzip => Box::new(flate2::read::GzDecoder::new(coded)),
            Coding::Deflate => Box::new(flate2::read::ZlibDecoder::new(coded)),
            Coding::Brotli => Box::new(brotli_decompressor::Decompressor::new(coded, 4096)),
            Coding::Zstd => Box::new(zstd::stream::read::Decoder::new(coded).unwrap()),
        };
        let mut plain = Vec::new();
        reader.read_to_end(&mut plain).unwrap();
        plain
    }

    #[test]
    fn every_coding_is_read_back_by_an_ordinary_decoder() {
        let long: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
        for plain in [
            &b""[..],
            b"x",
            b"{\"type\":\"error\"}",
            &long[..STORED],
            &long[..=STORED],
            &long[..RAW],
            &long[..=RAW],
            &long,
        ] {
            for coding in [Coding::Identity, Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd] {
                let coded = coding.encode(plain);
                assert_eq!(decode(coding, &coded), plain, "{coding:?} of {} bytes", plain.len());
            }
        }
    }
}
