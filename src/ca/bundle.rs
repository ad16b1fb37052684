//! PEM bundles: the roots that a client would trust without us, with ours beside them.
//!
//! Only certificates are copied, block by block; whatever else stands in a user's file (a private key, notes) is left out.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls_native_certs::{CertificateResult, load_certs_from_paths, load_native_certs};

use super::CaError;

/// The roots that programs which obey `SSL_CERT_FILE` and `SSL_CERT_DIR` trust: what these name if one of them is set, and the
/// system's store otherwise. Files and blocks that cannot be read are left out, as those programs do.
///
/// The caller passes what its environment says. With nothing passed, the library looks at the process's own environment again,
/// where it finds the same.
#[must_use]
pub fn system_roots(cert_file: Option<&Path>, cert_dirs: &[PathBuf]) -> Vec<CertificateDer<'static>> {
    if cert_file.is_none() && cert_dirs.is_empty() {
        return native_roots().certs.clone();
    }
    let mut roots = cert_file.map(|file| load_certs_from_paths(Some(file), None).certs).unwrap_or_default();
    for dir in cert_dirs {
        roots.extend(load_certs_from_paths(None, Some(dir)).certs);
    }
    roots
}

/// The system's roots as the process's own environment and the system's conventions place them, with what could not be read of them.
/// They are read once: on some systems that is hundreds of files. Whoever asks while they are being read waits for the one reading.
#[must_use]
pub fn native_roots() -> &'static CertificateResult {
    static NATIVE: OnceLock<CertificateResult> = OnceLock::new();
    NATIVE.get_or_init(load_native_certs)
}

/// The certificates in a file that the user named, or in a folder of such files.
///
/// # Errors
/// [`CaError::Io`] if it cannot be read; a readable file without certificates is an empty list.
pub fn certificates_in(path: &Path) -> Result<Vec<CertificateDer<'static>>, CaError> {
    let is_dir = std::fs::metadata(path).map_err(|error| CaError::io(path, error))?.is_dir();
    if !is_dir {
        std::fs::File::open(path).map_err(|error| CaError::io(path, error))?;
    }
    let CertificateResult { certs, .. } =
        if is_dir { load_certs_from_paths(None, Some(path)) } else { load_certs_from_paths(Some(path), None) };
    Ok(certs)
}

/// One PEM text: our certificate first, then the others, each once.
#[must_use]
pub fn merge(ours_pem: &str, others: &[CertificateDer<'_>]) -> String {
    let mut text = String::with_capacity(ours_pem.len() + others.len() * 1_600);
    text.push_str(ours_pem.trim_end());
    text.push('\n');
    let mut seen = HashSet::new();
    for certificate in others {
        if seen.insert(certificate.as_ref()) {
            push_pem(&mut text, certificate);
        }
    }
    text
}

/// One certificate as a PEM block with a final line break.
pub(super) fn pem(certificate: &[u8]) -> String {
    let mut text = String::with_capacity(1_600);
    push_pem(&mut text, certificate);
    text
}

/// RFC 7468: base64 in lines of 64.
fn push_pem(text: &mut String, certificate: &[u8]) {
    text.push_str("-----BEGIN CERTIFICATE-----\n");
    for line in certificate.chunks(48) {
        STANDARD.encode_string(line, text);
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject as _;
    use time::OffsetDateTime;

    use super::*;
    use crate::ca::{Root, Scope};

    fn root(host: &str) -> Root {
        Root::generate(&Scope::from_patterns([host]).unwrap(), OffsetDateTime::now_utc()).unwrap()
    }

    fn read(text: &str) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn a_merged_bundle_has_ours_and_every_other_root_once() {
        let (ours, other) = (root("a.example"), root("b.example"));
        let others = [other.certificate_der().clone(), other.certificate_der().clone()];
        let merged = merge(ours.certificate_pem(), &others);
        assert_eq!(read(&merged), [ours.certificate_der().clone(), other.certificate_der().clone()]);
        assert!(merged.lines().all(|line| line.len() <= 64));
    }

    #[test]
    fn a_replacing_file_stands_for_the_system_and_only_its_certificates_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (root("a.example"), root("b.example"));
        let file = dir.path().join("corporate.pem");
        let noise = concat!("notes\n-----BEGIN PRIVATE", " KEY-----\nRkFLRQ==\n-----END PRIVATE", " KEY-----\n");
        std::fs::write(&file, format!("{noise}{}", a.certificate_pem())).unwrap();
        assert_eq!(system_roots(Some(&file), &[]), [a.certificate_der().clone()]);
        assert_eq!(certificates_in(&file).unwrap(), [a.certificate_der().clone()]);
        std::fs::write(dir.path().join("second.pem"), b.certificate_pem()).unwrap();
        assert_eq!(certificates_in(dir.path()).unwrap().len(), 2);
        assert_eq!(system_roots(None, &[dir.path().to_owned()]).len(), 2);
        assert!(!merge(b.certificate_pem(), &certificates_in(&file).unwrap()).contains("PRIVATE"));
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error_and_one_without_certificates_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(certificates_in(&dir.path().join("none.pem")), Err(CaError::Io { .. })));
        let empty = dir.path().join("empty.pem");
        std::fs::write(&empty, "not PEM at all\n").unwrap();
        assert!(certificates_in(&empty).unwrap().is_empty());
    }
}
