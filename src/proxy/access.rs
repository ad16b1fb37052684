//! Who may use the proxy: a lane's user and password, or a process of our own user.

use crate::redact::Redacted;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use zeroize::Zeroizing;

/// The lanes that may use the proxy. Cheap to clone; all clones share the lanes.
#[derive(Clone)]
pub struct Access {
    lanes: Arc<RwLock<Vec<Lane>>>,
    required: bool,
}

/// One client of a shared trace.
pub struct Lane {
    /// Its name in the trace.
    pub name: Redacted,
    user: String,
    password: Zeroizing<String>,
}

impl Lane {
    /// A lane with the user name and the password that its clients send (RFC 7617).
    #[must_use]
    pub fn new(name: Redacted, user: String, password: Zeroizing<String>) -> Self {
        Self { name, user, password }
    }

    fn admits(&self, given: &[u8]) -> bool {
        let mut wanted = Zeroizing::new(Vec::with_capacity(self.user.len() + 1 + self.password.len()));
        wanted.extend_from_slice(self.user.as_bytes());
        wanted.push(b':');
        wanted.extend_from_slice(self.password.as_bytes());
        equal_in_constant_time(&wanted, given)
    }
}

/// What a client has shown.
#[derive(Debug)]
pub(super) enum Admission {
    /// It may pass, in that lane.
    Granted(Redacted),
    /// It may not.
    Denied(&'static str),
}

impl Access {
    /// Clients have to show a lane's user and password, or be a process of this user.
    #[must_use]
    pub fn with_lane(lane: Lane) -> Self {
        Self { lanes: Arc::new(RwLock::new(vec![lane])), required: true }
    }

    /// Every local client may pass, in a lane of that name.
    #[must_use]
    pub fn open(name: Redacted) -> Self {
        let lane = Lane::new(name, String::new(), Zeroizing::new(String::new()));
        Self { lanes: Arc::new(RwLock::new(vec![lane])), required: false }
    }

    /// Whether a password is asked for.
    pub(super) fn is_required(&self) -> bool {
        self.required
    }

    /// Admits the clients of one more lane.
    pub fn add(&self, lane: Lane) {
        self.lanes.write().unwrap_or_else(PoisonError::into_inner).push(lane);
    }

    /// Decides on a request with that `Proxy-Authorization` from that peer.
    pub(super) async fn decide(&self, authorization: Option<&[u8]>, peer: SocketAddr, local: SocketAddr) -> Admission {
        match authorization {
            Some(value) => self.decide_by_password(value),
            None if !self.required => Admission::Granted(self.first_lane()),
            None => match tokio::task::spawn_blocking(move || is_own_socket(peer, local)).await {
                Ok(true) => Admission::Granted(self.first_lane()),
                _ => Admission::Denied("no proxy password, and the client is not a process of this user"),
            },
        }
    }

    fn decide_by_password(&self, value: &[u8]) -> Admission {
        let lanes = self.lanes.read().unwrap_or_else(PoisonError::into_inner);
        let given = basic_credentials(value);
        let lane = given.and_then(|given| lanes.iter().find(|lane| lane.admits(&given)));
        match lane {
            Some(lane) => Admission::Granted(lane.name.clone()),
            None if !self.required => {
                lanes.first().map_or(Admission::Denied("no lane"), |lane| Admission::Granted(lane.name.clone()))
            }
            None => Admission::Denied("wrong proxy password"),
        }
    }

    fn first_lane(&self) -> Redacted {
        let lanes = self.lanes.read().unwrap_or_else(PoisonError::into_inner);
        lanes.first().map_or(Redacted::literal("main"), |lane| lane.name.clone())
    }
}

fn basic_credentials(value: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (scheme, rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    STANDARD.decode(rest.trim_ascii()).ok().map(Zeroizing::new)
}

/// The length may be learned, the content not.
fn equal_in_constant_time(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len()
        && std::hint::black_box(a.iter().zip(b).fold(0, |differences, (a, b)| differences | (a ^ b))) == 0
}

/// Whether the socket at the other end belongs to this user, as the kernel's table of connections says.
#[cfg(target_os = "linux")]
fn is_own_socket(peer: SocketAddr, local: SocketAddr) -> bool {
    let own = rustix::process::geteuid().as_raw();
    ["/proc/self/net/tcp", "/proc/self/net/tcp6"]
        .iter()
        .any(|table| std::fs::read_to_string(table).is_ok_and(|text| owner_in_table(&text, peer, local) == Some(own)))
}

/// Elsewhere the system does not tell without `unsafe`: a client has to show the password.
#[cfg(not(target_os = "linux"))]
fn is_own_socket(_peer: SocketAddr, _local: SocketAddr) -> bool {
    false
}

/// Finds the row whose local end is the peer and whose remote end is ours (proc(5), `/proc/net/tcp`).
#[cfg(any(target_os = "linux", test))]
fn owner_in_table(table: &str, peer: SocketAddr, local: SocketAddr) -> Option<u32> {
    table.lines().skip(1).find_map(|row| {
        let mut columns = row.split_ascii_whitespace().skip(1);
        let (row_local, row_remote) = (columns.next()?, columns.next()?);
        if parse_end(row_local)? != peer || parse_end(row_remote)? != local {
            return None;
        }
        columns.nth(4)?.parse().ok()
    })
}

#[cfg(any(target_os = "linux", test))]
fn parse_end(text: &str) -> Option<SocketAddr> {
    use std::net::{Ipv4Addr, Ipv6Addr};
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    match address.len() {
        8 => {
            let word = u32::from_str_radix(address, 16).ok()?;
            Some(SocketAddr::from((Ipv4Addr::from(word.to_ne_bytes()), port)))
        }
        32 => {
            let mut octets = [0_u8; 16];
            for (index, word) in octets.chunks_exact_mut(4).enumerate() {
                let digits = address.get(index * 8..index * 8 + 8)?;
                word.copy_from_slice(&u32::from_str_radix(digits, 16).ok()?.to_ne_bytes());
            }
            let address = Ipv6Addr::from(octets);
            Some(SocketAddr::from((address.to_ipv4_mapped().map_or(address.into(), std::net::IpAddr::V4), port)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access::with_lane(Lane::new(Redacted::literal("main"), "main".into(), Zeroizing::new("FAKE-password".into())))
    }

    fn basic(text: &str) -> Vec<u8> {
        format!("Basic {}", STANDARD.encode(text)).into_bytes()
    }

    #[test]
    fn a_right_password_is_granted_and_a_wrong_one_is_not() {
        let access = access();
        assert!(matches!(access.decide_by_password(&basic("main:FAKE-password")), Admission::Granted(_)));
        for wrong in
            [basic("main:FAKE-passwore"), basic("main:"), basic(""), b"Basic %%%".to_vec(), b"Bearer x".to_vec()]
        {
            assert!(matches!(access.decide_by_password(&wrong), Admission::Denied(_)));
        }
    }

    #[test]
    fn a_second_lane_is_told_apart_by_its_user() {
        let access = access();
        access.add(Lane::new(Redacted::literal("second"), "second".into(), Zeroizing::new("FAKE-other".into())));
        let Admission::Granted(lane) = access.decide_by_password(&basic("second:FAKE-other")) else { panic!("denied") };
        assert_eq!(lane.as_str(), "second");
        assert!(matches!(access.decide_by_password(&basic("second:FAKE-password")), Admission::Denied(_)));
    }

    #[test]
    fn the_owner_of_a_socket_is_read_from_the_kernels_table() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1\n   \
            1: 0100007F:D431 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1001        0 2\n";
        let peer: SocketAddr = "127.0.0.1:54321".parse().unwrap();
        let local: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        assert_eq!(owner_in_table(table, peer, local), Some(1001));
        assert_eq!(owner_in_table(table, local, peer), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_socket_of_this_process_is_our_own() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_server, peer) = listener.accept().unwrap();
        assert!(is_own_socket(peer, client.peer_addr().unwrap()));
    }
}
