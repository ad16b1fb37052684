//! Who may use the proxy: a lane's user and password, or a process of our own user.

use super::shortage::Shortage;
use super::socket;
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
    /// That could not be found out.
    Unknown(Shortage),
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
            None => match tokio::task::spawn_blocking(move || own_socket(peer, local)).await {
                Ok(Ok(true)) => Admission::Granted(self.first_lane()),
                Ok(Err(shortage)) => Admission::Unknown(shortage),
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

/// Whether the socket at the other end belongs to this user. Where the system does not tell, a client has to show the
/// password; where it cannot be asked, that is not the client's fault.
fn own_socket(peer: SocketAddr, local: SocketAddr) -> Result<bool, Shortage> {
    let own = socket::owner(peer, local).is_some_and(|owner| owner.uid == rustix::process::geteuid().as_raw());
    if own { Ok(true) } else { Shortage::now().map_or(Ok(false), Err) }
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

    #[cfg(target_os = "linux")]
    #[test]
    fn a_socket_of_this_process_is_our_own() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_server, peer) = listener.accept().unwrap();
        assert_eq!(own_socket(peer, client.peer_addr().unwrap()), Ok(true));
    }
}
