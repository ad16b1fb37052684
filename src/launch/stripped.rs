//! An environment without its credentials, for a program that is only to be tried, or that plays with made-up ones.

use super::ParentEnvironment;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// Beginnings of names that belong to credentials, or to what decides where they go.
const PREFIXES: [&str; 9] =
    ["ANTHROPIC_", "CLAUDE", "AWS_", "GOOGLE_", "GCLOUD_", "CLOUDSDK_", "AZURE_", "AUTHTRACE_", "XDG_"];
/// Parts of names that say that the value is one.
const PARTS: [&str; 8] = ["TOKEN", "SECRET", "PASSW", "CREDENTIAL", "API_KEY", "APIKEY", "ACCESS_KEY", "AUTH"];
/// Kept all the same: which certificates are trusted is what a trial is about.
const KEPT: [&str; 1] = ["CLAUDE_CODE_CERT_STORE"];

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

fn is_harmless(name: &OsStr, value: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    let upper = name.to_ascii_uppercase();
    let kept = KEPT.contains(&name);
    let named =
        PREFIXES.iter().any(|prefix| upper.starts_with(prefix)) || PARTS.iter().any(|part| upper.contains(part));
    name != "HOME" && !looks_like_credential(value) && (kept || !named)
}

/// Whether a credential of Anthropic's stands in a value, wherever.
#[must_use]
pub fn looks_like_credential(value: &OsStr) -> bool {
    value.as_bytes().windows(7).any(|bytes| bytes == b"sk-ant-")
}

#[cfg(test)]
mod tests {
    use super::*;

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
