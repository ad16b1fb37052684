//! Between client and API, on the side of the user.

use super::{Code, Entry, Family, fixed, issue, says, thread};

pub(super) static PROXY_AUTH_REQUIRED: Entry = Entry {
    code: Code::ProxyAuthRequired,
    family: Family::Network,
    title: "A proxy on the way wants credentials of its own",
    meaning: "A proxy between this machine and the internet refuses the tunnel (407) until it knows who asks. The API was never \
              reached, so no login or key of Claude Code plays a part. Claude Code does not show the status.",
    wire: &[
        "CONNECT api.anthropic.com:443          (to the corporate proxy)",
        "  407 Proxy-Authenticate: NTLM, Negotiate, Basic …",
    ],
    causes: &[
        "`HTTPS_PROXY` has no user and password.",
        "The proxy wants NTLM or Kerberos, which Claude Code does not speak.",
        "The password has characters that are not percent-encoded.",
    ],
    remedy: &[
        "Put the credentials into the proxy URL: HTTPS_PROXY=http://USER:PASSWORD@proxy:port (percent-encoded).",
        "For NTLM or Kerberos run a local helper (`px`, `cntlm`) and point `HTTPS_PROXY` to it.",
        "Ask whether the proxy may let `api.anthropic.com` and `platform.claude.com` pass.",
    ],
    attach: &["the schemes in `Proxy-Authenticate`", "names of the proxy variables that are set; never the password"],
    evidence: &[issue(4560), issue(217)],
    versions: &[fixed("2.1.238", "the refusal of a proxy is named instead of a general network error")],
    decides: "A CONNECT that was answered 407. 403 or 502 there is a proxy that refuses the host, or cannot reach it.",
    confused_with: &[Code::TlsInterceptionUntrusted, Code::RefreshNetworkFailure, Code::RequestForbiddenEdge],
    wordings: &[
        says(88, &["proxy authentication required"], "a proxy asks who you are"),
        says(86, &["err_proxy_tunnel"], "a proxy refused the tunnel"),
        says(84, &["couldn't connect through your proxy"], "a proxy refused the tunnel"),
        says(80, &["api error: 407"], "a proxy asks who you are"),
        says(84, &["proxy-authenticate"], "a proxy asks who you are"),
        says(68, &["und_err_aborted"], "older versions say this when a proxy refuses the tunnel"),
        says(60, &["tunneling socket could not be established"], "a proxy refused the tunnel"),
        says(60, &["unsupportedproxyprotocol"], "the proxy of the environment cannot be used as it is written"),
        says(44, &["check the proxy set in https_proxy"], "a proxy is set, and the connection was cut"),
        says(42, &["econnrefused"], "the proxy of the environment may be down"),
        says(38, &["check your internet connection"], "older versions say this when a proxy asks who you are"),
        says(36, &["econnreset"], "a proxy may have cut the connection"),
        says(34, &["unable to connect to api"], "a proxy may have refused the tunnel"),
        says(34, &["connection error"], "a proxy may have refused the tunnel"),
        says(34, &["fetch failed"], "a proxy may have refused the tunnel"),
    ],
};

pub(super) static TLS_INTERCEPTION_UNTRUSTED: Entry = Entry {
    code: Code::TlsInterceptionUntrusted,
    family: Family::Network,
    title: "The client does not trust the certificate that it was shown",
    meaning: "Something on the way opens TLS and shows a certificate of its own: a security product of the company, or \
              authtrace. This process does not know that authority and gives up before it sends anything.",
    wire: &[
        "CONNECT api.anthropic.com:443     200",
        "TLS: certificate shown, the client hangs up (usually without an alert)",
        "(no request)",
    ],
    causes: &[
        "Zscaler, Netskope, Palo Alto and the like, whose root this process does not trust.",
        "A program with a store of its own, which does not get the certificate of authtrace.",
        "`NODE_EXTRA_CA_CERTS` in `settings.json` only: in older versions parts of the client do not see it.",
    ],
    remedy: &[
        "Export NODE_EXTRA_CA_CERTS=/path/to/root.pem in the shell that starts Claude Code, or update to 2.1.101 or newer.",
        "Ask IT for the root certificate as PEM; see who signs: \
         `openssl s_client -connect api.anthropic.com:443 -showcerts`.",
        "Only under authtrace: `authtrace run` sets the variables; a program with its own store needs `--tunnel HOST`.",
        "Do not set `NODE_TLS_REJECT_UNAUTHORIZED=0`: it lets anybody read the credentials.",
    ],
    attach: &[
        "issuer of the certificate that is shown",
        "names of the CA variables that are set",
        "how Claude Code is installed (native, npm and node version, extension)",
    ],
    evidence: &[issue(2855), issue(25084), issue(20194), issue(24916), issue(22512), issue(85635)],
    versions: &[fixed("2.1.101", "the certificates of the operating system are trusted by default")],
    decides: "The client ends the connection after our certificate and before its Finished. Claude Code sends no alert there. \
              A tunnel without a request after a finished handshake is usually harmless.",
    confused_with: &[Code::ProxyAuthRequired, Code::RefreshNetworkFailure, Code::PartlyProxied],
    wordings: &[
        says(96, &["self_signed_cert_in_chain"], "the certificate comes from an authority that is not trusted"),
        says(95, &["depth_zero_self_signed_cert"], "the certificate is signed by itself"),
        says(95, &["unable_to_get_issuer_cert"], "the authority of the certificate is not known"),
        says(95, &["unable_to_verify_leaf_signature"], "the authority of the certificate is not known"),
        says(92, &["unable to get issuer certificate"], "the authority of the certificate is not known"),
        says(92, &["unable to get local issuer certificate"], "the authority of the certificate is not known"),
        says(92, &["unable to verify the first certificate"], "the authority of the certificate is not known"),
        says(92, &["self-signed certificate"], "the certificate comes from an authority that is not trusted"),
        says(92, &["self signed certificate"], "the certificate comes from an authority that is not trusted"),
        says(86, &["certificate_verify_failed"], "the certificate was not accepted"),
        says(84, &["unknown_ca"], "the authority of the certificate is not known"),
        says(80, &["err_tls_cert_altname_invalid"], "the certificate is for another name"),
        says(80, &["cert_has_expired"], "a certificate on the way has expired"),
        says(64, &["node_extra_ca_certs"], "it names the variable for more authorities"),
        says(62, &["ignoring extra certs"], "the file with more authorities could not be read"),
        says(60, &["certificate"], "it speaks of a certificate"),
        says(34, &["econnreset"], "some clients cut the connection when they do not trust it"),
        says(30, &["unable to connect to api"], "the certificate may not have been trusted"),
        says(30, &["fetch failed"], "the certificate may not have been trusted"),
    ],
};

pub(super) static PROXY_REWRITES_AUTH: Entry = Entry {
    code: Code::ProxyRewritesAuth,
    family: Family::Network,
    title: "Something between client and API changes the credential",
    meaning: "What the client sends is a stand-in, and a sandbox or appliance is to put the real credential in. Where that does \
              not happen, or the wrong one is put in, the API refuses it.",
    wire: &[
        "POST …/v1/messages                     Bearer sk-ant-oat01-proxy-managed",
        "  200                                  (replaced on the way)",
        "POST …/v1/code/sessions/{id}/bridge    Bearer sk-ant-oat01-proxy-managed",
        "  401                                  (not replaced)",
    ],
    causes: &[
        "A sandbox that injects secrets knows some hosts or paths only.",
        "A second intercepting proxy, or a security product that changes headers.",
    ],
    remedy: &[
        "Switch the rewriting off for api.anthropic.com and platform.claude.com, or update the sandbox.",
        "Use the sandbox's own way to log in.",
    ],
    attach: &["the product that rewrites, and its version", "fingerprints of the header on both sides of it"],
    evidence: &[
        thread("docker/sbx-releases", 8),
        thread("vm0-ai/vm0", 509),
        thread("github/gh-aw-firewall", 1528),
        thread("openai/codex", 12764),
    ],
    versions: &[],
    decides: "A value that is known as a placeholder. Otherwise the two sides of the rewriter have to be compared, which one \
              trace alone cannot do.",
    confused_with: &[Code::BearerMalformed, Code::EndpointInconsistent401, Code::GatewayKeyRejected],
    wordings: &[
        says(90, &["proxy-managed"], "a stand-in of a sandbox"),
        says(58, &["empty or malformed response"], "something on the way changed the answer"),
        says(44, &["proxy or gateway intercepting"], "the client suspects something on the way"),
    ],
};
