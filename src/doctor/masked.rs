//! Words for people without what looks like a credential.

/// What credentials begin with, in lower case, and how many more characters make one.
const MARKS: [(&str, usize); 10] = [
    ("sk-ant-", 9),
    ("github_pat_", 16),
    ("ghp_", 16),
    ("gho_", 16),
    ("ghu_", 16),
    ("ghs_", 16),
    ("aiza", 16),
    ("absk", 32),
    ("bedrock-api-key-", 16),
    ("eyj", 32),
];

/// A text that may show a path, a host or an address, without what looks like a credential: people put one into the wrong
/// variable.
pub(super) fn masked(text: String) -> String {
    let of_token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    // Case is changed byte for byte, so that places stay.
    let lower = text.to_ascii_lowercase();
    let mut shown = String::new();
    let mut from = 0;
    loop {
        let rest = lower.get(from..).unwrap_or_default();
        let next = MARKS
            .iter()
            .flat_map(|(mark, more)| rest.match_indices(mark).map(move |(at, _)| (at, mark.len(), *more)))
            .filter_map(|(at, mark, more)| {
                let length = rest.bytes().skip(at + mark).take_while(|byte| of_token(byte)).count();
                (length >= more).then_some((at, at + mark + length))
            })
            .min();
        let Some((at, end)) = next else { break };
        shown.push_str(text.get(from..from + at).unwrap_or_default());
        shown.push_str("‹a credential›");
        from += end;
    }
    if from == 0 {
        return text;
    }
    shown.push_str(text.get(from..).unwrap_or_default());
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_in_the_wrong_place_is_not_shown() {
        for (text, shown) in [
            ("", ""),
            (
                "NODE_EXTRA_CA_CERTS names /corp.pem, which is not there",
                "NODE_EXTRA_CA_CERTS names /corp.pem, which is not there",
            ),
            ("sk-ant-oat01-FAKEé", "‹a credential›é"),
            ("it begins with sk-ant-oat01-", "it begins with sk-ant-oat01-"),
            ("Write http://SK-ANT-api03-FAKE_x-y:1, or sk-ant-.", "Write http://‹a credential›:1, or sk-ant-."),
            ("~/a/ghp_FAKEFAKEFAKEFAKEFAKE/b", "~/a/‹a credential›/b"),
            ("/home/ghp_x/absk/eyj", "/home/ghp_x/absk/eyj"),
        ] {
            assert_eq!(masked(text.to_owned()), shown);
        }
    }
}
