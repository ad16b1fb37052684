//! Header lines (`name: value`, one a line): what is shown is stable and holds nothing of a secret.

use super::secret::{assert_hidden, has_mark, pair, put, redactor};
use super::transcript::cut;
use authtrace::redact::Direction;
use std::fmt::Write;

pub fn run(data: &[u8]) {
    let show = |data: &[u8]| show(data);
    if has_mark(data) {
        assert_hidden(data, show);
    } else {
        show(&put(data, &pair(data)[0]));
    }
}

fn show(data: &[u8]) -> String {
    let redactor = redactor();
    let mut all = String::new();
    for line in data.split(|byte| *byte == b'\n') {
        let (name, value) = cut(line, b':').unwrap_or((b"authorization", line));
        let value = value.strip_prefix(b" ").unwrap_or(value);
        for credential in redactor.credentials(name, value) {
            let shown = serde_json::to_string(&credential.credential).expect("serialises");
            writeln!(all, "{shown} {:?} {:?}", credential.scheme, credential.item).expect("a string");
        }
        for direction in [Direction::Request, Direction::Response] {
            let shown = redactor.header(name, value, direction);
            let again = redactor.header(shown.0.as_str().as_bytes(), shown.1.as_str().as_bytes(), direction);
            assert_eq!(shown, again, "shown again, it changes");
            assert!(!shown.1.as_str().chars().any(|c| c.is_control() && c != '\t'), "{shown:?}");
            writeln!(all, "{}: {}", shown.0, shown.1).expect("a string");
        }
    }
    all
}
