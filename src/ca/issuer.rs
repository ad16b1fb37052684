//! Who signs in place of a server: products that open TLS on the way, by the names they put into their certificates.

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::X509Name;

/// What a name holds, in lower case, and the product.
const INTERCEPTORS: [(&str, &str); 30] = [
    ("zscaler", "Zscaler"),
    ("netskope", "Netskope"),
    ("goskope", "Netskope"),
    ("palo alto", "Palo Alto Networks"),
    ("prisma access", "Palo Alto Networks"),
    ("globalprotect", "Palo Alto Networks"),
    ("fortinet", "Fortinet"),
    ("fortigate", "Fortinet"),
    ("blue coat", "Blue Coat"),
    ("bluecoat", "Blue Coat"),
    ("broadcom proxy", "Broadcom"),
    ("umbrella", "Cisco Umbrella"),
    ("cisco secure", "Cisco"),
    ("forcepoint", "Forcepoint"),
    ("websense", "Forcepoint"),
    ("check point", "Check Point"),
    ("sophos", "Sophos"),
    ("skyhigh", "Skyhigh"),
    ("mcafee", "McAfee"),
    ("iboss", "iboss"),
    ("menlo security", "Menlo Security"),
    ("barracuda", "Barracuda"),
    ("watchguard", "WatchGuard"),
    ("cato networks", "Cato Networks"),
    ("kaspersky", "Kaspersky"),
    ("bitdefender", "Bitdefender"),
    ("eset ssl", "ESET"),
    ("avast", "Avast"),
    ("mitmproxy", "mitmproxy"),
    ("authtrace", "another authtrace"),
];

/// The issuer's organisation, or else its common name, as the other side has chosen it: for the redactor, or to be cleaned.
#[must_use]
pub fn issuer_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    name_of(parsed.issuer())
}

fn name_of(name: &X509Name<'_>) -> Option<String> {
    let organisation = name.iter_organization().next().and_then(|part| part.as_str().ok());
    let text = organisation.or_else(|| name.iter_common_name().next().and_then(|part| part.as_str().ok()))?;
    Some(text.to_owned())
}

/// The product behind a name, if it is a known one.
#[must_use]
pub fn interceptor(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    INTERCEPTORS.iter().find(|(part, _)| name.contains(part)).map(|(_, product)| *product)
}

/// The names of all of them.
pub fn products() -> impl Iterator<Item = &'static str> {
    INTERCEPTORS.iter().map(|(_, product)| *product)
}
