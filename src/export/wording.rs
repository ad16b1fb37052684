//! Ends of connections in sentences, and what to do next.

use crate::trace::Outcome;

/// What happened, as the second half of a sentence that begins with the target.
pub(super) fn what(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "served and closed",
        Outcome::BadConnect => "the CONNECT request was malformed",
        Outcome::BlockedTarget => "the target is not allowed (authtrace itself, or a link-local address)",
        Outcome::NotAProxyRequest => "a request came that is not meant for a proxy",
        Outcome::HttpsAbsoluteForm => "the client sent an https:// request to the proxy in the clear; it was refused",
        Outcome::ProxyAuthRequired => "407: the password of the proxy was missing or wrong",
        Outcome::BadRequest => "the first request was malformed, ambiguous or too large",
        Outcome::ClientTlsTimeout => "the client opened the tunnel and sent no TLS greeting for ten seconds",
        Outcome::ClientNotTls => "the client did not speak TLS inside the tunnel",
        Outcome::ClientDistrustsCa => "the client does not trust the certificate of this run",
        Outcome::ClientTls => "the TLS handshake with the client failed",
        Outcome::UnusedTunnel => "the tunnel was opened and never used",
        Outcome::UpstreamDns => "the name of the server could not be resolved",
        Outcome::UpstreamConnect => "the server could not be reached",
        Outcome::UpstreamTls => "the TLS handshake with the server failed",
        Outcome::UpstreamMtls => "the server asks for a client certificate",
        Outcome::UpstreamProxyRefused => "the upstream proxy refused the tunnel",
        Outcome::UpstreamReset => "the server broke the connection off",
        Outcome::UpstreamProtocol => "the server broke the rules of HTTP",
        Outcome::ClientAbort => "the client broke the connection off",
        Outcome::ClientProtocol => "the client broke the rules of HTTP",
        Outcome::ClientTimeout => "the client did not finish a request in time",
        Outcome::Shutdown => "authtrace was stopped",
        Outcome::Internal => "authtrace could not serve it",
    }
}

/// What to do where no file descriptor was left.
pub(super) const SHORTAGE: &str =
    "raise the limit of open files (`ulimit -n`) where authtrace is started, and start it again";

/// What to do next. `program` is the name of the client's program, `status` with which the tunnel was refused.
pub(super) fn next(outcome: Outcome, program: Option<&str>, status: Option<u16>) -> Option<String> {
    let fixed = match outcome {
        Outcome::ClientDistrustsCa => return Some(trust(program)),
        Outcome::UpstreamProxyRefused if status == Some(407) => {
            "put the proxy's user and password into the HTTPS_PROXY that authtrace is started with, or into --upstream-proxy"
        }
        Outcome::UpstreamProxyRefused => {
            "ask whoever runs that proxy whether it allows this host; it is the HTTPS_PROXY that authtrace was started with"
        }
        Outcome::ProxyAuthRequired => {
            "start the program with `authtrace run --`, or set HTTPS_PROXY anew from what `authtrace proxy` prints: the \
             password is made up for each run, and one of an earlier run is refused"
        }
        Outcome::HttpsAbsoluteForm => {
            "the HTTP library of the client has to open a tunnel (CONNECT) for https; update it, or give it an agent that \
             does. The credential went to the proxy unencrypted and no further"
        }
        Outcome::UpstreamDns => {
            "check the network, the VPN and the name server; where only a proxy gets out, set HTTPS_PROXY before starting \
             authtrace, or use --upstream-proxy"
        }
        Outcome::UpstreamConnect => {
            "check firewall and VPN; where only a proxy gets out, set HTTPS_PROXY before starting authtrace, or use \
             --upstream-proxy"
        }
        Outcome::UpstreamTls => {
            "if a company proxy looks into TLS here, give its CA with --upstream-ca FILE.pem; else check the clock"
        }
        Outcome::UpstreamMtls => {
            "let this host pass unread with --tunnel HOST, so that the client shows its certificate itself"
        }
        Outcome::ClientNotTls | Outcome::ClientTls | Outcome::ClientTlsTimeout => {
            "if the client pins certificates or speaks another protocol there, let the host pass unread with --tunnel HOST"
        }
        Outcome::NotAProxyRequest => "set HTTPS_PROXY to the address of authtrace, not ANTHROPIC_BASE_URL",
        Outcome::Internal if status == Some(503) => SHORTAGE,
        Outcome::Internal => "look at the log of authtrace",
        Outcome::BadConnect | Outcome::BlockedTarget | Outcome::BadRequest | Outcome::ClientProtocol => {
            "what the client sent cannot be forwarded; the program or its HTTP library is at fault"
        }
        Outcome::UpstreamReset | Outcome::UpstreamProtocol | Outcome::ClientTimeout => {
            "try again without authtrace: if it fails there too, the network or the server is at fault"
        }
        Outcome::Ok | Outcome::UnusedTunnel | Outcome::ClientAbort | Outcome::Shutdown => return None,
    };
    Some(fixed.to_owned())
}

/// Which variable makes a program trust the CA.
fn trust(program: Option<&str>) -> String {
    let variables = match program.map(str::to_ascii_lowercase).as_deref() {
        Some("node" | "claude" | "bun" | "npm" | "npx" | "deno") => "NODE_EXTRA_CA_CERTS",
        Some("curl") => "CURL_CA_BUNDLE",
        Some("git" | "git-remote-http" | "git-remote-https") => "GIT_SSL_CAINFO",
        Some("cargo") => "CARGO_HTTP_CAINFO",
        Some(name) if name.starts_with("python") || name == "uv" || name == "pip" => {
            "REQUESTS_CA_BUNDLE and SSL_CERT_FILE"
        }
        _ => {
            "NODE_EXTRA_CA_CERTS (Node), SSL_CERT_FILE (OpenSSL, Go, Rust), REQUESTS_CA_BUNDLE (Python) or CURL_CA_BUNDLE"
        }
    };
    format!(
        "the program has to see {variables}; `authtrace run --` sets it, but sudo, a container, a wrapper script or a \
         settings file may drop or replace it. Or let the host pass unread: --tunnel HOST"
    )
}
