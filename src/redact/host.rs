//! Hosts: well-known names stand, others are a fingerprint and their last label.

use std::net::IpAddr;

use super::marker;
use super::redacted::Redacted;
use super::redactor::Redactor;
use super::words;

/// Names that stand verbatim, alone and below labels that are plain words.
const DOMAINS: &[&str] = &[
    "anthropic.com",
    "claude.ai",
    "claude.com",
    "claudeusercontent.com",
    "github.com",
    "githubusercontent.com",
    "githubcopilot.com",
    "golang.org",
    "googleapis.com",
    "google.com",
    "amazonaws.com",
    "cloudflare.com",
    "datadoghq.com",
    "sentry.io",
    "growthbook.io",
    "statsig.com",
    "statsigapi.net",
    "openai.com",
    "openrouter.ai",
    "minimax.io",
    "aliyuncs.com",
    "deepseek.com",
    "moonshot.ai",
    "z.ai",
    "bigmodel.cn",
    "portkey.ai",
    "helicone.ai",
    "atlassian.com",
    "buildkite.com",
    "linear.app",
    "notion.com",
    "microsoftonline.com",
    "azure.com",
    "windows.net",
    "apple.com",
    "mozilla.org",
    "ubuntu.com",
    "docker.io",
    "docker.com",
    "nodejs.org",
    "bun.sh",
    "deno.land",
    "example.com",
    "example.org",
    "example.net",
    "vercel.sh",
    "gateway.ai.cloudflare.com",
    "asana.com",
    "figma.com",
    "stripe.com",
    "intercom.io",
    "segment.io",
];

/// Labels that are no dictionary words but public.
const LABELS: &[&str] = &[
    "api",
    "www",
    "mcp",
    "cdn",
    "mcp-proxy",
    "http-intake",
    "raw",
    "us",
    "eu",
    "us5",
    "us3",
    "us1",
    "eu1",
    "oauth2",
    "sts",
    "sso",
    "npm",
    "iam",
    "s3",
    "aiplatform",
    "bedrock-runtime",
    "bedrock",
    "bedrock-mantle",
    "o4",
    "ap1",
    "auth",
    "gist",
    "codeload",
    "objects",
    "api-staging",
    "us-central1-aiplatform",
    "us-east5-aiplatform",
    "europe-west1-aiplatform",
    "global-aiplatform",
    "dashscope",
    "dashscope-intl",
    "a-api",
];

impl Redactor {
    /// A host, with or without a port: `api.anthropic.com`, `‹host fp=…›.com:443`, `127.0.0.1:8080`.
    #[must_use]
    pub fn host(&self, host: &str) -> Redacted {
        if host.is_empty() || marker::is_whole(host.as_bytes()) {
            return Redacted::vouched(host);
        }
        if let Some(usual) = ["api.anthropic.com", "platform.claude.com"].into_iter().find(|usual| *usual == host) {
            return Redacted::literal(usual);
        }
        let (name, port) = split_port(host);
        if self.shows_host(name) && name.is_ascii() {
            return Redacted::vouched(host);
        }
        let port = port.map_or(String::new(), |port| format!(":{port}"));
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        if bare.parse::<IpAddr>().is_ok() {
            return Redacted::vouched(&format!("{}{port}", self.labelled("ip", bare.as_bytes())));
        }
        if is_marked(name) {
            return Redacted::vouched(&format!("{name}{port}"));
        }
        Redacted::vouched(&format!("{}{port}", self.foreign(name)))
    }

    /// Whether a name stands verbatim.
    pub(super) fn shows_host(&self, name: &str) -> bool {
        let lower = name.trim_end_matches('.').to_ascii_lowercase();
        let bare = lower.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            return address.is_loopback() || address.is_unspecified() || self.is_named_host(bare);
        }
        if lower == "localhost"
            || lower.ends_with(".localhost") && lower.len() <= 30 && words::is_label(&lower[..lower.len() - 10])
        {
            return true;
        }
        if self.is_named_host(&lower) {
            return true;
        }
        DOMAINS.iter().any(|domain| match lower.strip_suffix(domain) {
            Some("") => true,
            Some(rest) => rest
                .strip_suffix('.')
                .is_some_and(|labels| labels.split('.').count() <= 4 && labels.split('.').all(is_public_label)),
            None => false,
        })
    }

    /// `‹host fp=…›.com` for a name that is not shown.
    fn foreign(&self, name: &str) -> String {
        let lower = name.trim_end_matches('.').to_ascii_lowercase();
        let marked = self.labelled("host", lower.as_bytes());
        match lower.rsplit_once('.') {
            Some((_, last)) if is_public_suffix(last) => format!("{marked}.{last}"),
            _ => marked,
        }
    }
}

/// Name and port; a port has one to five digits.
fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port))
            if (1..=5).contains(&port.len())
                && port.bytes().all(|b| b.is_ascii_digit())
                && (!name.contains(':') || name.ends_with(']') || name.ends_with('›')) =>
        {
            (name, Some(port))
        }
        _ => (host, None),
    }
}

/// What `host` itself has made: a marker, optionally a dot and a suffix.
fn is_marked(name: &str) -> bool {
    let Some((_, len)) = marker::at_start(name) else {
        return false;
    };
    match name.get(len..) {
        Some("") => true,
        Some(rest) => rest.strip_prefix('.').is_some_and(is_public_suffix),
        None => false,
    }
}

fn is_public_suffix(label: &str) -> bool {
    const SUFFIXES: &[&str] = &[
        "com", "org", "net", "io", "ai", "dev", "app", "cloud", "co", "de", "fr", "uk", "eu", "us", "cn", "jp", "in",
        "br", "au", "ca", "nl", "ch", "at", "it", "es", "se", "no", "pl", "kr", "tw", "hk", "sg", "sh", "me", "tech",
        "local", "internal", "lan", "corp", "home", "test", "example", "invalid", "edu", "gov", "info", "xyz", "site",
        "online", "space", "run", "land", "arpa", "intern", "svc",
    ];
    SUFFIXES.contains(&label)
}

/// A label below a known name: from the list, a cloud region, or a plain word.
fn is_public_label(label: &str) -> bool {
    LABELS.contains(&label) || is_region(label) || words::is_label(label)
}

/// `us-east-1`, `eu-central-1`.
fn is_region(label: &str) -> bool {
    const AREAS: &[&str] = &["us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx"];
    const SIDES: &[&str] = &[
        "east",
        "west",
        "north",
        "south",
        "central",
        "northeast",
        "northwest",
        "southeast",
        "southwest",
        "gov-east",
        "gov-west",
    ];
    let Some((area, rest)) = label.split_once('-') else {
        return false;
    };
    let Some((side, number)) = rest.rsplit_once('-') else {
        return false;
    };
    AREAS.contains(&area) && SIDES.contains(&side) && number.len() == 1 && number.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Options;

    #[test]
    fn well_known_and_named_hosts_stand() {
        let r = Redactor::new(Options::default().with_hosts(["gw.FAKE-corp.example"])).unwrap();
        for host in [
            "api.anthropic.com",
            "api.anthropic.com:443",
            "platform.claude.com",
            "claude.ai",
            "localhost:8080",
            "127.0.0.1:1",
            "[::1]:443",
            "::1",
            "bedrock-runtime.us-east-1.amazonaws.com",
            "gw.fake-corp.example:8443",
            "mcp.example.com",
            "http-intake.logs.us5.datadoghq.com",
            "raw.githubusercontent.com",
            "storage.googleapis.com",
            "downloads.claude.ai",
        ] {
            assert_eq!(r.host(host), host);
        }
    }

    #[test]
    fn other_hosts_keep_a_suffix_at_most() {
        let r = Redactor::plain();
        for (host, start, end) in [
            ("gateway.hunter2fake.com:8443", "‹host fp=", "›.com:8443"),
            ("xk3jd9fake.anthropic.com", "‹host fp=", "›.com"),
            ("10.1.2.3:80", "‹ip fp=", "›:80"),
            ("anthropic.com.evilfake", "‹host fp=", "›"),
            ("evilanthropic.com", "‹host fp=", "›.com"),
            ("user:hunter2fake@api.anthropic.com", "‹host fp=", "›.com"),
        ] {
            let shown = r.host(host);
            assert!(shown.as_str().starts_with(start) && shown.as_str().ends_with(end), "{host} {shown}");
            assert!(!shown.as_str().to_lowercase().contains("fake"), "{shown}");
            assert_eq!(r.host(shown.as_str()), shown);
        }
    }
}
