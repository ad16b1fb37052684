//! What the kernel says about the socket at the other end of a local connection: whose it is.

use std::net::SocketAddr;

/// The owner of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) uid: u32,
    /// The number by which `/proc/PID/fd` knows it; 0 once no process has it any more.
    pub(super) inode: u64,
}

/// Of the socket whose own end is `peer` and whose other end is `local`. Some microseconds; to be asked off the
/// connection's own task all the same, since without `sock_diag` the whole table of connections has to be read.
/// Linux only: elsewhere there is neither, and nobody is known.
pub(super) fn owner(peer: SocketAddr, local: SocketAddr) -> Option<Owner> {
    #[cfg(target_os = "linux")]
    match diag::owner(peer, local) {
        diag::Answer::Found(owner) => return Some(owner),
        diag::Answer::Gone => return None,
        diag::Answer::CannotTell => {}
    }
    let tables = if peer.is_ipv4() { ["tcp", "tcp6"] } else { ["tcp6", "tcp"] };
    tables.iter().find_map(|name| {
        let text = std::fs::read_to_string(format!("/proc/self/net/{name}")).ok()?;
        table::owner(&text, peer, local)
    })
}

/// The kernel's answer to a question about one socket: sock_diag(7).
#[cfg(target_os = "linux")]
mod diag {
    use super::Owner;
    use rustix::io::Errno;
    use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};
    use std::net::{IpAddr, SocketAddr};
    use std::sync::atomic::{AtomicBool, Ordering};

    const BY_FAMILY: u16 = 20;
    const REQUEST: u16 = 1;
    const TCP: u8 = 6;
    const INET: u8 = 2;
    const INET6: u8 = 10;
    const ANY_COOKIE: [u8; 8] = [0xff; 8];
    /// `struct nlmsghdr` and `struct inet_diag_req_v2`.
    const QUESTION: usize = 16 + 56;

    /// Whether an answer has ever come: only then "no such socket" is one.
    static ANSWERS: AtomicBool = AtomicBool::new(false);

    pub(super) enum Answer {
        Found(Owner),
        Gone,
        CannotTell,
    }

    pub(super) fn owner(peer: SocketAddr, local: SocketAddr) -> Answer {
        let mut reply = [0_u8; 1_024];
        let read = ask(&question(peer, local), &mut reply);
        match read.ok().and_then(|count| parse(reply.get(..count)?, peer, local)) {
            Some(owner) => {
                ANSWERS.store(true, Ordering::Relaxed);
                Answer::Found(owner)
            }
            None if ANSWERS.load(Ordering::Relaxed) => Answer::Gone,
            None => Answer::CannotTell,
        }
    }

    fn ask(question: &[u8], reply: &mut [u8]) -> Result<usize, Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(netlink::SOCK_DIAG))?;
        send(&socket, question, SendFlags::empty())?;
        // The kernel has answered before the sending returns.
        recv(&socket, reply, RecvFlags::empty()).map(|(count, _)| count)
    }

    fn question(peer: SocketAddr, local: SocketAddr) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(QUESTION);
        bytes.extend((QUESTION as u32).to_ne_bytes());
        bytes.extend(BY_FAMILY.to_ne_bytes());
        bytes.extend(REQUEST.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend([if peer.is_ipv4() { INET } else { INET6 }, TCP, 0, 0]);
        bytes.extend(u32::MAX.to_ne_bytes());
        bytes.extend(ends(peer, local));
        bytes.extend([0; 4]);
        bytes.extend(ANY_COOKIE);
        bytes
    }

    /// Ports and addresses as `struct inet_diag_sockid` begins.
    fn ends(peer: SocketAddr, local: SocketAddr) -> [u8; 36] {
        let mut bytes = [0; 36];
        let (ports, addresses) = bytes.split_at_mut(4);
        let (theirs, ours) = ports.split_at_mut(2);
        theirs.copy_from_slice(&peer.port().to_be_bytes());
        ours.copy_from_slice(&local.port().to_be_bytes());
        for (room, end) in addresses.chunks_exact_mut(16).zip([peer, local]) {
            match end.ip() {
                IpAddr::V4(address) => room.split_at_mut(4).0.copy_from_slice(&address.octets()),
                IpAddr::V6(address) => room.copy_from_slice(&address.octets()),
            }
        }
        bytes
    }

    /// Reads `struct inet_diag_msg`; an answer about other ports is none.
    pub(super) fn parse(reply: &[u8], peer: SocketAddr, local: SocketAddr) -> Option<Owner> {
        let number = |at: usize| Some(u32::from_ne_bytes(reply.get(at..at + 4)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(reply.get(4..6)?.try_into().ok()?);
        let ports = [peer.port().to_be_bytes(), local.port().to_be_bytes()].concat();
        if kind != BY_FAMILY || reply.get(20..24)? != ports {
            return None;
        }
        Some(Owner { uid: number(80)?, inode: u64::from(number(84)?) })
    }
}

/// The table of all connections: proc(5), `/proc/net/tcp`.
mod table {
    use super::Owner;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

    /// Finds the row whose local end is the peer and whose remote end is ours.
    pub(super) fn owner(table: &str, peer: SocketAddr, local: SocketAddr) -> Option<Owner> {
        table.lines().skip(1).find_map(|row| {
            let mut columns = row.split_ascii_whitespace().skip(1);
            let (row_local, row_remote) = (columns.next()?, columns.next()?);
            if parse_end(row_local)? != peer || parse_end(row_remote)? != local {
                return None;
            }
            let uid = columns.nth(4)?.parse().ok()?;
            Some(Owner { uid, inode: columns.nth(1)?.parse().ok()? })
        })
    }

    fn parse_end(text: &str) -> Option<SocketAddr> {
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
                Some(SocketAddr::from((address.to_ipv4_mapped().map_or(address.into(), IpAddr::V4), port)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_a_socket_is_read_from_the_kernels_table() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1\n   \
            1: 0100007F:D431 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1001        0 2 1 0000\n";
        let peer: SocketAddr = "127.0.0.1:54321".parse().unwrap();
        let local: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        assert_eq!(super::table::owner(table, peer, local), Some(Owner { uid: 1001, inode: 2 }));
        assert_eq!(super::table::owner(table, local, peer), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_socket_of_this_process_is_known_by_both_ways_and_a_closed_one_by_none() {
        use std::os::fd::AsRawFd as _;
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = std::net::TcpListener::bind(address) else { continue };
            let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (server, peer) = listener.accept().unwrap();
            let local = client.peer_addr().unwrap();
            let link = std::fs::read_link(format!("/proc/self/fd/{}", client.as_raw_fd())).unwrap();
            let found = owner(peer, local).unwrap();
            assert_eq!(link.to_str().unwrap(), format!("socket:[{}]", found.inode));
            assert_eq!(found.uid, rustix::process::geteuid().as_raw());
            let name = if peer.is_ipv4() { "tcp" } else { "tcp6" };
            let text = std::fs::read_to_string(format!("/proc/self/net/{name}")).unwrap();
            assert_eq!(super::table::owner(&text, peer, local), Some(found));
            drop(client);
            assert!(owner(peer, local).is_none_or(|owner| owner.inode == 0));
            drop(server);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_answer_about_something_else_is_none() {
        let peer: SocketAddr = "127.0.0.1:54321".parse().unwrap();
        let mut reply = vec![0; 88];
        reply[4..6].copy_from_slice(&20_u16.to_ne_bytes());
        assert_eq!(diag::parse(&reply, peer, peer), None);
        reply[20..24].copy_from_slice(&[0xd4, 0x31, 0xd4, 0x31]);
        reply[84..88].copy_from_slice(&7_u32.to_ne_bytes());
        assert_eq!(diag::parse(&reply, peer, peer), Some(Owner { uid: 0, inode: 7 }));
        assert_eq!(diag::parse(&reply[..87], peer, peer), None);
        reply[4] = 2;
        assert_eq!(diag::parse(&reply, peer, peer), None);
    }
}
