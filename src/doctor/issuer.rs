//! Who signs in place of a server: products that open TLS on the way, by the names they put into their certificates.

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

/// The product behind a name, if it is a known one.
pub(super) fn interceptor(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    INTERCEPTORS.iter().find(|(part, _)| name.contains(part)).map(|(_, product)| *product)
}
