//! The user's environment without their credentials, for a program that is only to be tried; and words for people without them.

use crate::launch::ParentEnvironment;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Beginnings of names that belong to credentials, or to what decides where they go.
const PREFIXES: [&str; 9] =
    ["ANTHROPIC_", "CLAUDE", "AWS_", "GOOGLE_", "GCLOUD_", "CLOUDSDK_", "AZURE_", "AUTHTRACE_", "XDG_"];
/// Parts of names that say that the value is one.
const PARTS: [&str; 8] = ["TOKEN", "SECRET", "PASSW", "CREDENTIAL", "API_KEY", "APIKEY", "ACCESS_KEY", "AUTH"];
/// Kept all the same: which certificates are trusted is what a trial is about.
const KEPT: [&str; 1] = ["CLAUDE_CODE_CERT_STORE"];

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

/// What is left of an environment when everything is taken out that is, or may well be, a credential. Folders of the user's
/// (`HOME`, `XDG_…`) go as well, so that nothing is read or written there.
#[must_use]
pub fn without_credentials(parent: &ParentEnvironment) -> ParentEnvironment {
    parent
        .iter()
        .filter(|(name, value)| is_harmless(name, value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn is_harmless(name: &OsStr, value: &OsString) -> bool {
    let Some(name) = name.to_str() else { return false };
    let upper = name.to_ascii_uppercase();
    let kept = KEPT.contains(&name);
    let named =
        PREFIXES.iter().any(|prefix| upper.starts_with(prefix)) || PARTS.iter().any(|part| upper.contains(part));
    let looks_like_one = value.as_bytes().windows(7).any(|bytes| bytes == b"sk-ant-");
    name != "HOME" && !looks_like_one && (kept || !named)
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

    #[test]
    fn credentials_go_and_what_decides_about_trust_stays() {
        let parent: ParentEnvironment = [
            ("PATH", "/bin"),
            ("HOME", "/home/u"),
            ("LANG", "C.UTF-8"),
            ("NODE_EXTRA_CA_CERTS", "/corp.pem"),
            ("CLAUDE_CODE_CERT_STORE", "system"),
            ("CLAUDE_CONFIG_DIR", "/home/u/c"),
            ("CLAUDE_CODE_OAUTH_TOKEN", "FAKE"),
            ("ANTHROPIC_CUSTOM_HEADERS", "Authorization: FAKE"),
            ("ANTHROPIC_BASE_URL", "https://gateway.example"),
            ("AWS_PROFILE", "work"),
            ("GITHUB_TOKEN", "FAKE"),
            ("npm_config__authToken", "FAKE"),
            ("DB_PASSWORD", "FAKE"),
            ("SSH_AUTH_SOCK", "/run/ssh"),
            ("XDG_CONFIG_HOME", "/home/u/.config"),
            ("MY_KEY", "sk-ant-api03-FAKE"),
        ]
        .map(|(name, value)| (name.into(), value.into()))
        .into();
        let left: Vec<_> = without_credentials(&parent).into_keys().collect();
        assert_eq!(left, ["CLAUDE_CODE_CERT_STORE", "LANG", "NODE_EXTRA_CA_CERTS", "PATH"]);
    }
}
