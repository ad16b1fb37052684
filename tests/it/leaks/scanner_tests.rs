//! That nothing is found means something only if the scanner finds what is there.

use super::encodings::{CODINGS, TEXTUAL, written};
use super::generator::Generator;
use super::scanner::Scanner;
use super::secrets::{ALL, LABELS, Rng, Secret, Shape};

fn scanner_for(secret: &Secret) -> Scanner {
    let mut scanner = Scanner::new();
    scanner.add(0, secret);
    scanner
}

#[test]
fn a_secret_is_found_in_every_shape_and_encoding_and_another_one_is_not() {
    let mut rng = Rng::new(5, 5);
    for shape in ALL {
        let (secret, other) = (Secret::new(*shape, &mut rng), Secret::new(*shape, &mut rng));
        let mut scanner = scanner_for(&secret);
        for how in TEXTUAL.iter().chain(&["solidus", "form", "label", "head", "tail"]) {
            // Labels are made of letters and digits alone; half of a short one is little more than its prefix.
            let short = (secret.text.len() < 24 || *shape == Shape::Email) && ["head", "tail"].contains(how);
            if short || *how == "label" && !LABELS.contains(shape) {
                continue;
            }
            let line = |secret: &Secret| format!("{{\"a\":\"x={}\",\"b\":1}}\n", written(secret, how)).into_bytes();
            scanner.search("sink", &line(&other));
            assert!(scanner.leaks.is_empty(), "{shape:?} {how} {:?}", scanner.leaks);
            scanner.search("sink", &line(&secret));
            assert_eq!(scanner.leaks.len(), 1, "{shape:?} {how} {}", written(&secret, how));
            scanner.leaks.clear();
        }
    }
}

#[test]
fn eight_characters_of_it_are_found_wherever_they_begin() {
    let mut rng = Rng::new(6, 6);
    for shape in ALL {
        let secret = Secret::new(*shape, &mut rng);
        let least = if secret.is_hex() { 12 } else { 8 };
        let mut scanner = scanner_for(&secret);
        for part in secret.private.clone() {
            for from in 0..=part.len() - least {
                let piece = &part[from..from + least];
                for text in [piece.to_owned(), piece.to_ascii_uppercase(), piece.to_ascii_lowercase()] {
                    scanner.search("sink", format!("| {text} |").as_bytes());
                    assert_eq!(scanner.leaks.len(), 1, "{shape:?} {text}");
                    scanner.leaks.clear();
                }
                scanner.search("sink", format!("| {} |", &piece[1..]).as_bytes());
                assert!(scanner.leaks.is_empty(), "{shape:?} {piece}");
            }
        }
    }
}

#[test]
fn two_encodings_on_top_of_each_other_are_undone() {
    let secret = Secret::new(Shape::Gateway, &mut Rng::new(7, 7));
    let simple = ["percent", "base64", "base64-at-1", "base64-at-2", "hex", "json", "entities", "bytes"];
    for inner in simple {
        let once = Secret { text: written(&secret, inner), ..secret.clone() };
        for outer in ["percent", "json", "entities", "base64"] {
            let mut scanner = scanner_for(&secret);
            scanner.search("sink", format!("x {} y", written(&once, outer)).as_bytes());
            assert_eq!(scanner.leaks.len(), 1, "{inner} in {outer}: {}", written(&once, outer));
        }
    }
}

/// A sink that writes down what it gets: each exchange whose bytes it holds is found, but for what compression hides.
#[test]
fn a_sink_that_leaks_is_found_out() {
    let generator = Generator::new(3);
    for number in 0..2 * generator.categories.len() {
        let exchange = generator.exchange(number);
        let mut scanner = Scanner::new();
        exchange.secrets.iter().for_each(|secret| scanner.add(0, secret));
        scanner.search("the wire", &[exchange.request.as_slice(), &unchunked(&exchange.answer.concat())].concat());
        let how = generator.categories[exchange.category].how;
        let packed = CODINGS.contains(&how) && !how.starts_with("utf") && how != "plain-called-gzip";
        assert!(!scanner.leaks.is_empty() || packed, "{number}, {}", generator.name(exchange.category));
    }
}

/// The answer without the frames of its chunks.
fn unchunked(answer: &[u8]) -> Vec<u8> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    let (head, mut rest) = answer.split_at(end);
    if !head.windows(26).any(|part| part == b"Transfer-Encoding: chunked") {
        return answer.to_vec();
    }
    let mut out = head.to_vec();
    while let Some(at) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..at]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        // A size with an extension, the last chunk, trailers: as they are.
        let Some(data) = size.filter(|size| *size > 0).and_then(|size| rest.get(at + 2..at + 2 + size)) else { break };
        out.extend_from_slice(data);
        rest = &rest[at + 2 + data.len() + 2..];
    }
    out.extend_from_slice(rest);
    out
}
