//! Pasted error texts: the answer is in words of our own, whatever was pasted.

use super::scenario::readable;
use super::secret::{assert_hidden, has_mark};
use authtrace::catalogue::{candidates, holds_credential, nearest};
use authtrace::export::Style;
use authtrace::export::explain::{Answer, json, markdown, text};

pub fn run(data: &[u8]) {
    let answer = |data: &[u8]| answer(&String::from_utf8_lossy(data));
    if has_mark(data) {
        assert_hidden(data, answer);
    }
    readable(&answer(data));
}

fn answer(pasted: &str) -> String {
    let (candidates, nearest) = (candidates(pasted), nearest(pasted));
    assert!(candidates.len() <= 8 && nearest.len() <= 5);
    let answer = Answer { candidates: &candidates, nearest: &nearest, holds_credential: holds_credential(pasted) };
    let mut page = Vec::new();
    text::answer(&answer, &mut page, Style::default()).expect("into memory");
    markdown::answer(&answer, &mut page).expect("into memory");
    json::answer(&answer, &mut page).expect("into memory");
    String::from_utf8(page).expect("reports are UTF-8")
}
