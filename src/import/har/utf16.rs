//! Text in UTF-16 read as UTF-8. Shells of Windows write files so.

use std::io::{self, BufRead, Read};
use zeroize::Zeroizing;

/// Passes UTF-8 through, without its byte order mark, and decodes what begins with that of UTF-16.
pub(super) struct Decoded<R> {
    input: R,
    form: Form,
    out: Zeroizing<Vec<u8>>,
    taken: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Unknown,
    Utf8,
    Little,
    Big,
}

impl<R: BufRead> Decoded<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, form: Form::Unknown, out: Zeroizing::default(), taken: 0 }
    }

    /// Looks at the first bytes, which may come one by one.
    fn recognise(&mut self) -> io::Result<()> {
        let mut start = Zeroizing::new(Vec::with_capacity(3));
        (&mut self.input).take(3).read_to_end(&mut start)?;
        let (form, mark) = match start.as_slice() {
            [0xff, 0xfe, ..] => (Form::Little, 2),
            [0xfe, 0xff, ..] => (Form::Big, 2),
            [0xef, 0xbb, 0xbf] => (Form::Utf8, 3),
            _ => (Form::Utf8, 0),
        };
        self.form = form;
        let behind = start.get(mark..).unwrap_or_default();
        if form == Form::Utf8 {
            self.out.extend_from_slice(behind);
        } else {
            self.decode(behind)?;
        }
        Ok(())
    }

    /// Decodes a few thousand units, `start` first.
    fn decode(&mut self, start: &[u8]) -> io::Result<()> {
        let mut raw = Zeroizing::new(start.to_vec());
        (&mut self.input).take(8192 - start.len() as u64).read_to_end(&mut raw)?;
        let form = self.form;
        let unit = |pair: &[u8]| match pair {
            [a, b] if form == Form::Little => u16::from_le_bytes([*a, *b]),
            [a, b] => u16::from_be_bytes([*a, *b]),
            _ => u16::from(b' '),
        };
        let mut units: Vec<u16> = raw.chunks(2).map(unit).collect();
        if units.last().is_some_and(|last| (0xd800..0xdc00).contains(last)) {
            let mut other_half = Zeroizing::new(Vec::new());
            (&mut self.input).take(2).read_to_end(&mut other_half)?;
            units.push(unit(&other_half));
        }
        let text = Zeroizing::new(String::from_utf16_lossy(&units));
        zeroize::Zeroize::zeroize(&mut units);
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl<R: BufRead> BufRead for Decoded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.form == Form::Unknown {
            self.recognise()?;
        }
        if self.taken >= self.out.len() {
            self.out.clear();
            self.taken = 0;
            match self.form {
                Form::Utf8 | Form::Unknown => return self.input.fill_buf(),
                Form::Little | Form::Big => self.decode(&[])?,
            }
        }
        Ok(self.out.get(self.taken..).unwrap_or_default())
    }

    fn consume(&mut self, len: usize) {
        if self.taken < self.out.len() {
            self.taken += len;
        } else {
            self.input.consume(len);
        }
    }
}

impl<R: BufRead> Read for Decoded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let len = available.len().min(into.len());
        for (to, from) in into.iter_mut().zip(available) {
            *to = *from;
        }
        self.consume(len);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(raw: &[u8], room: usize) -> String {
        let mut text = String::new();
        Decoded::new(io::BufReader::with_capacity(room, raw)).read_to_string(&mut text).unwrap();
        text
    }

    proptest! {
        #[test]
        fn every_form_reads_the_same(text in "[a-zé日😀]{3}\\PC{0,40}", times in 1_usize..400, room in 1_usize..9000) {
            let text = text.repeat(times);
            let units: Vec<u16> = text.encode_utf16().collect();
            let mut little = vec![0xff, 0xfe];
            little.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
            let mut big = vec![0xfe, 0xff];
            big.extend(units.iter().flat_map(|unit| unit.to_be_bytes()));
            let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
            for raw in [little, big, marked, text.clone().into_bytes()] {
                prop_assert_eq!(&read(&raw, room), &text);
            }
        }
    }

    #[test]
    fn short_inputs_are_survived() {
        for raw in [b"".as_slice(), b"{", b"\xff\xfe", b"\xff\xfe{", b"\xef\xbb"] {
            let mut text = Vec::new();
            Decoded::new(raw).read_to_end(&mut text).unwrap();
        }
    }
}
