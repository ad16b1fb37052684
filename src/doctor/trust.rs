//! Variables that say which certificates are trusted.

use super::check::{Check, Status, Topic};
use super::facts::{CertificateFile, Certificates, Environment};

/// Variables of which a settings file may say what the environment does not.
const NAMES: [&str; 3] = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR"];

pub(super) fn checks(environment: &Environment) -> Vec<Check> {
    let trust = &environment.trust;
    let mut checks = Vec::new();
    checks.extend(
        trust.extra.as_ref().map(|file| certificates("NODE_EXTRA_CA_CERTS", "trust.extra-certs", file, "adds")),
    );
    checks.extend(
        trust
            .file
            .as_ref()
            .map(|file| certificates("SSL_CERT_FILE", "trust.ssl-cert-file", file, "replaces the system's with")),
    );
    checks.extend(
        trust
            .folder
            .as_ref()
            .map(|file| certificates("SSL_CERT_DIR", "trust.ssl-cert-dir", file, "replaces the system's with")),
    );
    if trust.bundled_only {
        let found = "CLAUDE_CODE_CERT_STORE leaves the system's certificates out";
        checks.push(
            check("trust.cert-store", Status::Note, found)
                .advise("A company's root then has to be named by NODE_EXTRA_CA_CERTS"),
        );
    }
    if trust.verification_off {
        let found =
            "NODE_TLS_REJECT_UNAUTHORIZED=0: no certificate is checked, anybody on the way can read the credential";
        checks.push(
            check("trust.verification", Status::Warning, found)
                .advise("Unset it, and name the missing root by NODE_EXTRA_CA_CERTS"),
        );
    }
    if trust.client_certificate {
        let found = "CLAUDE_CODE_CLIENT_CERT is set: a host that asks for it cannot be read by authtrace";
        checks.push(
            check("trust.client-certificate", Status::Note, found).advise("Let that host pass with --tunnel HOST"),
        );
    }
    if checks.is_empty() {
        checks.push(none(environment));
    }
    checks
}

/// The environment says nothing about trust; a settings file may, and stands in a check of its own.
fn none(environment: &Environment) -> Check {
    let set = environment.settings.iter().rev().find_map(|file| {
        let name = file.overrides.iter().find(|name| NAMES.contains(&name.as_str()))?;
        Some(format!("none is set in the environment; {} sets {name}", file.path))
    });
    match set {
        Some(found) => check("trust.variables", Status::Note, found)
            .advise("Its file has to exist, and to hold certificates in PEM"),
        None => {
            check("trust.variables", Status::Ok, "none is set: clients use their own certificates and the system's")
        }
    }
}

fn check(id: &'static str, status: Status, found: impl Into<String>) -> Check {
    Check::new(Topic::Certificates, id, status, found)
}

fn certificates(name: &str, id: &'static str, file: &CertificateFile, effect: &str) -> Check {
    let path = &file.path;
    let check = match file.content {
        Certificates::Missing if file.tilde => {
            check(id, Status::Problem, format!("{name} begins with ~, which nothing expands there"))
                .advise("Write the whole path, or $HOME")
        }
        Certificates::Missing => check(id, Status::Problem, format!("{name} names {path}, which is not there"))
            .advise("Correct the path, or unset it; clients go on without it and then refuse the connection"),
        Certificates::Unreadable => check(id, Status::Problem, format!("{name} names {path}, which may not be read"))
            .advise(format!("Let this user read it: ls -l {path}")),
        Certificates::NotPem => {
            check(id, Status::Problem, format!("{name} names {path}, which holds no certificate in PEM"))
                .advise("If it is DER: openssl x509 -inform der -in FILE -out FILE.pem")
        }
        Certificates::Found { all, expired, not_yet, broken } => {
            let unusable = expired + not_yet + broken;
            let good = all.saturating_sub(unusable);
            let found = format!("{name} {effect} {} in {path}", counted(all));
            match (good, unusable) {
                (_, 0) if file.relative => {
                    check(id, Status::Warning, format!("{found}, a path that depends on the working folder"))
                        .advise("Write the whole path")
                }
                (_, 0) => check(id, Status::Ok, found),
                (0, _) => check(id, Status::Problem, format!("{found}, of which none is valid now"))
                    .advise("Get the current one from whoever runs the proxy"),
                _ => check(id, Status::Warning, format!("{found}; {unusable} of them not valid now"))
                    .advise("Remove or renew those that have ended"),
            }
        }
    };
    check.about(name)
}

fn counted(count: usize) -> String {
    if count == 1 { "1 certificate".to_owned() } else { format!("{count} certificates") }
}
