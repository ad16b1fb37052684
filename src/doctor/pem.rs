//! Files with certificates in PEM (RFC 7468).

use super::facts::Certificates;
use crate::ca::bundle;
use std::io::ErrorKind;
use std::path::Path;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// What a file, or a folder of files, has to offer to a client that is pointed to it.
pub(super) fn certificates(path: &Path) -> Certificates {
    match std::fs::metadata(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Certificates::Missing;
        }
        Err(_) => return Certificates::Unreadable,
        Ok(_) => {}
    }
    let Ok(found) = bundle::certificates_in(path) else { return Certificates::Unreadable };
    if found.is_empty() {
        return Certificates::NotPem;
    }
    let (mut expired, mut not_yet, mut broken) = (0, 0, 0);
    let now = time::OffsetDateTime::now_utc();
    for certificate in &found {
        match X509Certificate::from_der(certificate) {
            Err(_) => broken += 1,
            Ok((_, certificate)) => {
                let validity = certificate.validity();
                if validity.not_after.to_datetime() < now {
                    expired += 1;
                } else if validity.not_before.to_datetime() > now {
                    not_yet += 1;
                }
            }
        }
    }
    Certificates::Found { all: found.len(), expired, not_yet, broken }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};
    use time::{Duration, OffsetDateTime};

    fn certificate(from: i64, to: i64) -> String {
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        let now = OffsetDateTime::now_utc();
        (params.not_before, params.not_after) = (now + Duration::days(from), now + Duration::days(to));
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    }

    #[test]
    fn every_certificate_of_a_file_is_counted_by_its_dates() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("roots.pem");
        std::fs::write(&path, [certificate(-9, 9), certificate(-9, -1), certificate(1, 9)].concat()).unwrap();
        let found = Certificates::Found { all: 3, expired: 1, not_yet: 1, broken: 0 };
        assert_eq!((certificates(&path), certificates(dir.path())), (found.clone(), found));
    }

    #[test]
    fn what_is_no_certificate_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            certificates(&path)
        };
        assert_eq!(write("der", "\u{30}\u{1}binary"), Certificates::NotPem);
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(write("broken", broken), Certificates::Found { all: 1, expired: 0, not_yet: 0, broken: 1 });
        assert_eq!(certificates(&dir.path().join("none")), Certificates::Missing);
    }
}
