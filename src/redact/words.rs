//! What looks like a word of a language, and what looks like data.

/// Which letter may follow which, by how often they do in technical English. A random run of letters soon has a pair
/// that is not in here.
const FOLLOWS: [&str; 26] = [
    "abcdefghijklmnprstuvwxyz",
    "abcdefijlmnoprstuvy",
    "acdefhiklmnoqrstuvy",
    "abcdefghijklmnoprstuvy",
    "abcdefghijklmnopqrstuvwxy",
    "acdefilmnorstuy",
    "aeghilmnorstuy",
    "adeilmnoprstuwy",
    "abcdefgklmnopqrstvxz",
    "aeosu",
    "adegilnostuwy",
    "abcdefgiklmnoprstuvy",
    "abcdeiklmnopstuy",
    "abcdefghijklmnopqrstuvwyz",
    "abcdefgijklmnoprstuvwxyz",
    "acdefghiklmoprstuy",
    "u",
    "abcdefgiklmnoprstuvwy",
    "acdefghiklmnopqrstuwy",
    "abcdefhilmnoprstuvwyz",
    "abcdefgijlmnoprstz",
    "aeimosuy",
    "adehilnors",
    "aceimpstxy",
    "acegilmnopstw",
    "aeioyz",
];

/// Names in running text that the rule for words would not let through.
const NAMES: &[&str] = &[
    "oauth",
    "OAuth",
    "OAuth2",
    "API",
    "APIs",
    "URL",
    "URI",
    "HTTP",
    "HTTPS",
    "HTTP/1.0",
    "HTTP/1.1",
    "HTTP/1.x",
    "HTTP/2",
    "HTTP/3",
    "NTLM",
    "TLS",
    "TLSv1.2",
    "TLSv1.3",
    "ClientHello",
    "SSL",
    "JSON",
    "JWT",
    "UUID",
    "IP",
    "SSO",
    "SAML",
    "PKCE",
    "MCP",
    "CLI",
    "SDK",
    "AWS",
    "IAM",
    "STS",
    "GCP",
    "VPN",
    "DNS",
    "TCP",
    "CORS",
    "WebSocket",
    "GitHub",
    "GitLab",
    "LiteLLM",
    "LLM",
    "HTML",
    "XML",
    "npm",
    "ID",
    "UTC",
    "GMT",
    "UTF-8",
    "ASCII",
    "EOF",
    "RFC",
    "CSRF",
    "XSRF",
    "MFA",
    "OTP",
    "ms",
    "kb",
    "mb",
    "vs",
    "etc",
    "i.e",
    "e.g",
    "OpenAI",
    "OpenRouter",
    "ClaudeCode",
    "Node.js",
    "v1",
    "v2",
    "h2",
    "1M",
    "200k",
    "5xx",
    "4xx",
    "3xx",
    "3P",
    "x-api-key",
    "anthropic-beta",
    "anthropic-version",
    "cf-ray",
    "request-id",
    "TypeError",
    "FetchError",
    "ECONNRESET",
    "ECONNREFUSED",
    "ETIMEDOUT",
    "ENOTFOUND",
    "EPIPE",
    "EAI_AGAIN",
    "UND_ERR_SOCKET",
    "UND_ERR_ABORTED",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    "SELF_SIGNED_CERT_IN_CHAIN",
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "CERT_HAS_EXPIRED",
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
    "nginx",
    "openresty",
    "http",
    "https",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "HTTPS_PROXY",
    "NODE_EXTRA_CA_CERTS",
    "DOCTYPE",
    "JavaScript",
    "SigV4",
    "AccessDenied",
    "ARN",
    "max_tokens",
    "api_key",
    "code_verifier",
    "refresh_token",
    "access_token",
    "client_id",
    "client_secret",
    "redirect_uri",
    "grant_type",
    "session_id",
    "user_id",
    "apiKey",
    "authToken",
    "WWW-Authenticate",
    "Retry-After",
    "Content-Type",
    "Content-Length",
    "thinking.type",
    "budget_tokens",
    "tool_use",
    "tool_result",
    "tool_choice",
    "cache_control",
    "stop_sequences",
    "top_p",
    "top_k",
    "image/png",
    "and/or",
    "N/A",
    "lapsed",
    "loopback",
    // Products that sign in the place of servers.
    "Zscaler",
    "Netskope",
    "Fortinet",
    "Broadcom",
    "Forcepoint",
    "Sophos",
    "Skyhigh",
    "McAfee",
    "iboss",
    "WatchGuard",
    "Kaspersky",
    "Bitdefender",
    "ESET",
    "mitmproxy",
    "authtrace",
];

pub(super) fn is_name(text: &str) -> bool {
    NAMES.contains(&text)
}

/// Words of two letters.
const SHORT: &[&str] = &[
    "am", "an", "as", "at", "be", "by", "do", "go", "he", "id", "if", "in", "ip", "is", "it", "me", "my", "no", "of",
    "oh", "ok", "on", "or", "so", "to", "up", "us", "we", "vs", "ms", "kb", "mb", "gb", "pm", "ui", "os", "pr", "ai",
    "re",
];

/// Two letters or digits that are no word: a run of them may be a secret in pairs.
pub(super) fn is_pair(text: &str) -> bool {
    text.len() == 2
        && text.bytes().all(|b| b.is_ascii_alphanumeric())
        && !text.bytes().all(|b| b.is_ascii_digit())
        && !SHORT.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// A word: letters in one case or capitalised, apostrophes and hyphens inside, no longer than 24 letters a part.
pub(super) fn is_plain(text: &str) -> bool {
    let parts = text.split(['-', '\'', '’']);
    let mut letters = 0;
    for (index, part) in parts.enumerate() {
        let tail = matches!(part, "s" | "t" | "re" | "ll" | "ve" | "d" | "m");
        if !(is_word(part) || (index > 0 && tail)) || index > 3 {
            return false;
        }
        letters += part.len();
    }
    letters <= 36
}

fn is_word(part: &str) -> bool {
    let bytes = part.as_bytes();
    if bytes.is_empty() || bytes.len() > 24 || !bytes.iter().all(u8::is_ascii_alphabetic) {
        return false;
    }
    let capitals = bytes.iter().filter(|b| b.is_ascii_uppercase()).count();
    let one_case = capitals == 0
        || (capitals == 1 && bytes[0].is_ascii_uppercase())
        || (capitals == bytes.len() && bytes.len() <= 14);
    one_case && is_pronounceable(bytes)
}

fn is_pronounceable(bytes: &[u8]) -> bool {
    if bytes.len() <= 2 {
        return true;
    }
    let lower = |b: u8| b.to_ascii_lowercase();
    let vowel = |b: u8| matches!(lower(b), b'a' | b'e' | b'i' | b'o' | b'u' | b'y');
    let vowels = bytes.iter().filter(|b| vowel(**b)).count();
    let (mut consonants, mut run) = (0, 0);
    for b in bytes {
        run = if vowel(*b) { 0 } else { run + 1 };
        consonants = consonants.max(run);
    }
    let follows = |pair: &[u8]| {
        let row = FOLLOWS.get(usize::from(lower(pair[0]) - b'a'));
        row.is_some_and(|row| row.as_bytes().contains(&lower(pair[1])))
    };
    vowels * 8 >= bytes.len() && consonants <= 4 && bytes.windows(2).all(follows)
}

/// A host label of up to 20 letters that looks like a word, or two or three of them with hyphens.
pub(super) fn is_label(label: &str) -> bool {
    label.len() <= 20 && label.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') && is_plain(label)
}

/// The families of models by name.
pub(super) fn is_family(word: &str) -> bool {
    ["opus", "sonnet", "haiku", "instant", "latest", "fable", "mythos", "fast", "preview", "thinking", "beta", "code"]
        .contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_pass_and_data_does_not() {
        for word in [
            "authentication",
            "credentials",
            "token",
            "Claude",
            "Re-authenticate",
            "account's",
            "organization",
            "ERROR",
            "throughput",
            "reject",
            "account",
            "don't",
            "requirement",
            "object",
            "acquired",
            "destroyed",
            "subscription",
            "don’t",
            "strength",
            "a",
            "rate",
        ] {
            assert!(is_plain(word), "{word}");
        }
        for data in [
            "qhvmzpxkwtrb",
            "aBcDeFgH",
            "hunter2",
            "",
            "-",
            "XKJQWPZVBNMLKJH",
            "abcdefghijklmnopqrstuvwxyz",
            "FaKe",
            "zzqq",
            "é",
            "wxkvhj",
        ] {
            assert!(!is_plain(data), "{data}");
        }
    }
}
