//! The value grammars that are anchored checks of bytes.

use super::grammar::{COMMENTS, MEDIA_TYPES, PRODUCTS, SERVERS};

pub(super) fn in_list(item: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| word.len() == item.len() && item.eq_ignore_ascii_case(word.as_bytes()))
}

pub(super) fn integer(value: &[u8]) -> bool {
    !value.is_empty() && value.len() <= 15 && value.iter().all(u8::is_ascii_digit)
}

pub(super) fn decimal(value: &[u8]) -> bool {
    let mut parts = value.splitn(2, |b| *b == b'.');
    value.len() <= 20 && parts.next().is_some_and(integer) && parts.next().is_none_or(integer)
}

/// A word of the list, optionally with `;q=0.5`, `=5` behind it.
pub(super) fn weighted_word(item: &[u8], words: &[&str]) -> bool {
    if in_list(item, words) {
        return true;
    }
    let Some(end) = item.iter().position(|b| matches!(b, b';' | b'=')) else {
        return false;
    };
    let (word, rest) = item.split_at(end);
    let digits = match rest {
        [b'=', digits @ ..] => digits,
        [b';', rest @ ..] => match rest.trim_ascii_start() {
            [b'q' | b'Q', b'=', digits @ ..] => digits,
            _ => return false,
        },
        _ => return false,
    };
    in_list(word.trim_ascii_end(), words) && digits.len() <= 10 && decimal(digits)
}

/// `pattern`: `9` a digit, `a` a letter, `x` a lower-case hex digit; anything else stands for itself.
fn like(value: &[u8], pattern: &[u8]) -> bool {
    value.len() == pattern.len()
        && value.iter().zip(pattern).all(|(b, p)| match p {
            b'9' => b.is_ascii_digit(),
            b'a' => b.is_ascii_alphabetic(),
            b'x' => b.is_ascii_hexdigit(),
            p => b == p,
        })
}

pub(super) fn date(value: &[u8]) -> bool {
    like(value, b"9999-99-99")
}

/// IMF-fixdate (RFC 9110 §5.6.7); the names of days and months are checked.
pub(super) fn http_date(value: &[u8]) -> bool {
    const DAYS: &[&str] = &["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: &[&str] = &["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    matches!(value, b"0" | b"-1")
        || ((like(value, b"aaa, 99 aaa 9999 99:99:99 GaT") || like(value, b"aaa, 99-aaa-9999 99:99:99 GaT"))
            && in_list(&value[..3], DAYS)
            && in_list(&value[8..11], MONTHS)
            && value[27] == b'M')
}

/// RFC 3339, in UTC or with an offset.
pub(super) fn timestamp(value: &[u8]) -> bool {
    let Some((head, mut tail)) = value.split_at_checked(19) else {
        return false;
    };
    if !like(head, b"9999-99-99T99:99:99") {
        return false;
    }
    if let [b'.', rest @ ..] = tail {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 || digits > 9 {
            return false;
        }
        tail = &rest[digits..];
    }
    tail == b"Z" || like(tail, b"+99:99") || like(tail, b"-99:99")
}

pub(super) fn uuid(value: &[u8]) -> bool {
    like(value, b"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")
}

pub(super) fn session_id(value: &[u8]) -> bool {
    uuid(value) || (value.len() == 32 && value.iter().all(u8::is_ascii_hexdigit))
}

pub(super) fn request_id(value: &[u8]) -> bool {
    let by_prefix = value.strip_prefix(b"req_").is_some_and(|rest| {
        (4..=64).contains(&rest.len())
            && rest.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
            && !rest.starts_with(b"sk_")
    });
    by_prefix || session_id(value) || (value.len() == 16 && value.iter().all(u8::is_ascii_hexdigit))
}

/// `oauth-2025-04-20`, `claude-code-20250219`.
pub(super) fn beta(item: &[u8]) -> bool {
    let dashed = item
        .len()
        .checked_sub(11)
        .and_then(|at| item.split_at_checked(at))
        .filter(|(_, date)| like(date, b"-2099-99-99"));
    let compact =
        item.len().checked_sub(9).and_then(|at| item.split_at_checked(at)).filter(|(_, date)| like(date, b"-20999999"));
    let Some((name, _)) = dashed.or(compact) else {
        return false;
    };
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    (1..=40).contains(&name.len())
        && !name.starts_with(b"sk-")
        && name.iter().all(plain)
        && name
            .split(|b| *b == b'-')
            .all(|part| part.len() <= 16 && part.iter().filter(|b| b.is_ascii_digit()).count() <= 3)
}

/// `v24.1.0`, `0.128.0`, `2.1.0-beta.3`, `1.2.3+build` without the build.
pub(super) fn version(value: &[u8]) -> bool {
    let value = value.strip_prefix(b"v").unwrap_or(value);
    let (numbers, tail) = match value.iter().position(|b| *b == b'-') {
        Some(at) => (&value[..at], Some(&value[at + 1..])),
        None => (value, None),
    };
    let dotted = |text: &[u8]| {
        text.split(|b| *b == b'.').count() <= 4 && text.split(|b| *b == b'.').all(|n| n.len() <= 6 && integer(n))
    };
    let word = |text: &[u8]| {
        let letters = text.iter().take_while(|b| b.is_ascii_lowercase()).count();
        let (name, number) = text.split_at(letters);
        let number = number.strip_prefix(b".").unwrap_or(number);
        in_list(name, &["alpha", "beta", "rc", "dev", "canary", "next", "stable", "pre", "nightly", "git", "debian"])
            && (number.is_empty() || (number.len() <= 12 && dotted(number)))
    };
    dotted(numbers) && tail.is_none_or(word)
}

/// `claude-cli/2.1.328 (external, sdk-cli) axios/1.15.2`
pub(super) fn user_agent(value: &[u8]) -> bool {
    let mut rest = value;
    if value.is_empty() || value.len() > 256 {
        return false;
    }
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix(b"(") {
            let Some(end) = inner.iter().position(|b| *b == b')') else {
                return false;
            };
            let words = inner[..end].split(|b| matches!(b, b' ' | b',' | b';')).filter(|word| !word.is_empty());
            if !words.into_iter().all(comment_word) {
                return false;
            }
            rest = &inner[end + 1..];
        } else {
            let end = rest.iter().position(|b| *b == b' ').unwrap_or(rest.len());
            if !product(&rest[..end]) {
                return false;
            }
            rest = &rest[end..];
        }
        rest = match rest {
            [] => rest,
            [b' ', next @ ..] if !next.is_empty() => next,
            _ => return false,
        };
    }
    true
}

fn product(text: &[u8]) -> bool {
    if in_list(text, PRODUCTS) {
        return true;
    }
    let Some(at) = text.iter().rposition(|b| matches!(b, b'/' | b'#')) else {
        return false;
    };
    let (name, tail) = (&text[..at], &text[at + 1..]);
    in_list(name, PRODUCTS) && (version(tail) || in_list(tail, COMMENTS) || in_list(tail, PRODUCTS))
}

fn comment_word(word: &[u8]) -> bool {
    in_list(word, COMMENTS) || in_list(word, PRODUCTS) || version(word) || product(word)
}

/// `application/json; charset=utf-8`
pub(super) fn media_type(value: &[u8]) -> bool {
    let mut parts = value.split(|b| *b == b';');
    parts.next().is_some_and(|media| in_list(media.trim_ascii(), MEDIA_TYPES))
        && parts.all(|part| media_parameter(part.trim_ascii()))
}

fn media_parameter(part: &[u8]) -> bool {
    let Some(at) = part.iter().position(|b| *b == b'=') else {
        return part.is_empty();
    };
    let (name, value) = (&part[..at], &part[at + 1..]);
    let value = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
    if in_list(name, &["charset"]) {
        in_list(value, &["utf-8", "utf8", "us-ascii", "iso-8859-1", "utf-16", "windows-1252"])
    } else {
        in_list(name, &["q", "version"]) && decimal(value) && value.len() <= 6
    }
}

/// A media range of `accept`.
pub(super) fn media_range(item: &[u8]) -> bool {
    media_type(item)
}

/// `8c0ffee0deadbeef-FRA`
pub(super) fn cf_ray(value: &[u8]) -> bool {
    like(value, b"xxxxxxxxxxxxxxxx")
        || (like(value, b"xxxxxxxxxxxxxxxx-aaa") && value[17..].iter().all(u8::is_ascii_uppercase))
}

/// `1.1 google`, `1.1 varnish (Varnish/6.0)`, `nginx/1.25`, `HTTP/2 mitmproxy`.
pub(super) fn via(item: &[u8]) -> bool {
    let words = item.split(|b| matches!(b, b' ' | b'(' | b')')).filter(|word| !word.is_empty());
    let mut count = 0;
    for word in words {
        count += 1;
        let (name, tail) = match word.iter().position(|b| *b == b'/') {
            Some(at) => (&word[..at], Some(&word[at + 1..])),
            None => (word, None),
        };
        let named = (in_list(name, SERVERS) || in_list(name, &["http", "https"])) && tail.is_none_or(version);
        let protocol = word.len() <= 3 && version(word);
        if !(named || protocol) {
            return false;
        }
    }
    (1..=4).contains(&count)
}

pub(super) fn trace_parent(value: &[u8]) -> bool {
    value.len() == 55
        && value.iter().enumerate().all(|(at, b)| match at {
            2 | 35 | 52 => *b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (fn(&[u8]) -> bool, &'static [&'static str], &'static [&'static str]);

    #[test]
    fn grammars_are_anchored() {
        let rows: &[Row] = &[
            (integer, &["0", "1200"], &["", "-1", "1a", "1234567890123456", " 1"]),
            (decimal, &["0.25", "600"], &["", ".", "1.", ".5", "1.2.3"]),
            (date, &["2023-06-01"], &["2023-6-1", "2023-06-01x"]),
            (
                http_date,
                &["Tue, 01 Sep 2026 08:00:00 GMT", "0"],
                &["Tue, 01 Sep 2026 08:00:00", "Foo, 01 Sep 2026 08:00:00 GMT"],
            ),
            (
                timestamp,
                &["2026-09-01T08:00:00Z", "2026-09-01T08:00:00.123456+02:00"],
                &["2026-09-01", "2026-09-01T08:00:00.Z"],
            ),
            (
                request_id,
                &["req_011CvHegk71arbU5WHds1f0I", "11111111-2222-4333-8444-555555555555"],
                &["req_", "req_a b", "sk-ant-api03-FAKE"],
            ),
            (
                beta,
                &["oauth-2025-04-20", "claude-code-20250219", "interleaved-thinking-2025-05-14"],
                &[
                    "oauth",
                    "FAKE-2025-04-20",
                    "sk-ant-oat01-FAKE",
                    "-2025-04-20",
                    "oauth-1999-04-20",
                    "sk-ant-oat01-fake-2025-04-20",
                ],
            ),
            (version, &["v24.1.0", "0.128.0", "1.0.0-beta.3", "2"], &["", "v", "1..2", "1.0.0-FAKE", "1234567"]),
            (
                user_agent,
                &[
                    "claude-cli/2.1.328 (external, sdk-cli)",
                    "axios/1.15.2",
                    "node",
                    "git/2.47.3",
                    "curl/8.5.0",
                    "Bun/1.4.4",
                    "python-httpx/0.28.1",
                ],
                &[
                    "",
                    "claude-cli/2.1.328 (external, hunter2FAKE)",
                    "claude-cli/hunter2FAKE",
                    "claude-cli/2.1.328 FAKE",
                    "claude-cli/2.1.328 (external",
                ],
            ),
            (
                media_type,
                &["application/json", "text/event-stream; charset=utf-8", "text/html;charset=\"UTF-8\""],
                &["application/FAKE", "application/json; charset=FAKE", "multipart/form-data; boundary=FAKE"],
            ),
            (cf_ray, &["8c0ffee0deadbeef-FRA"], &["8c0ffee0deadbeef-fra", "8c0ffee0deadbee-FRA"]),
            (
                via,
                &["1.1 google", "nginx/1.25.3", "HTTP/2 mitmproxy", "cloudflare"],
                &["1.1 FAKE", "", "1.1 google FAKE"],
            ),
        ];
        for (check, good, bad) in rows {
            for text in *good {
                assert!(check(text.as_bytes()), "{text}");
            }
            for text in *bad {
                assert!(!check(text.as_bytes()), "{text}");
            }
        }
    }
}
