//! Room for what is under way, kept between messages and shared by all connections that a thread serves.
//!
//! What comes back is wiped: nobody finds another connection's bytes in it, and no memory holds a credential for longer
//! than its message passes.

use std::cell::RefCell;

/// Enough for a usual head with the beginning of its body.
pub(super) const SMALL: usize = 8 * 1024;
/// Where bodies flow, larger reads cost fewer system calls.
pub(super) const LARGE: usize = 64 * 1024;
/// Pieces of room that a thread keeps: those of the messages that are usually under way at once.
const KEPT: usize = 32;

thread_local! {
    static ROOM: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// [`SMALL`] zeros.
pub(super) fn take() -> Vec<u8> {
    let kept = ROOM.try_with(|room| room.try_borrow_mut().ok().and_then(|mut room| room.pop()));
    kept.ok().flatten().unwrap_or_else(|| vec![0; SMALL])
}

/// Takes room back that nobody needs any more, of which at most the first `used` bytes were written to since [`take`].
/// Room that has grown goes to the allocator.
pub(super) fn give_back(mut buffer: Vec<u8>, used: usize) {
    if buffer.len() != SMALL {
        wipe(buffer);
        return;
    }
    buffer.iter_mut().take(used).for_each(|byte| *byte = 0);
    let _ = ROOM.try_with(|room| {
        if let Ok(mut room) = room.try_borrow_mut()
            && room.len() < KEPT
        {
            room.push(buffer);
        }
    });
}

/// Room for bodies in the place of a usual piece, with what the first `used` bytes of that hold.
pub(super) fn enlarge(buffer: &mut Vec<u8>, used: usize, len: usize) {
    let mut larger = vec![0; len.max(buffer.len())];
    for (to, from) in larger.iter_mut().zip(buffer.iter()).take(used) {
        *to = *from;
    }
    // Growing in place would leave the bytes behind where they were.
    give_back(std::mem::replace(buffer, larger), used);
}

/// Without the last line the compiler leaves out what it takes for a write that nobody reads.
fn wipe(mut buffer: Vec<u8>) {
    buffer.resize(buffer.capacity(), 0);
    buffer.fill(0);
    std::hint::black_box(&mut buffer);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_outgrown_is_wiped() {
        let mut buffer = take();
        buffer[..100].fill(b'x');
        let place = buffer.as_ptr();
        enlarge(&mut buffer, 100, LARGE);
        assert!(buffer.len() == LARGE && buffer.iter().filter(|byte| **byte == b'x').count() == 100);
        let again = take();
        assert_eq!(again.as_ptr(), place);
        assert!(again.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn what_comes_back_is_wiped_and_given_out_again() {
        let mut buffer = take();
        buffer[..100].fill(b'x');
        let place = buffer.as_ptr();
        give_back(buffer, 100);
        let again = take();
        assert_eq!(again.as_ptr(), place);
        assert!(again.len() == SMALL && again.iter().all(|byte| *byte == 0));
        let other = take();
        assert_ne!(other.as_ptr(), again.as_ptr());
    }

    #[test]
    fn no_more_is_kept_than_is_usually_needed() {
        let many: Vec<Vec<u8>> = (0..KEPT + 8).map(|_| take()).collect();
        many.into_iter().for_each(|buffer| give_back(buffer, 0));
        give_back(vec![b'x'; LARGE], LARGE);
        assert_eq!(ROOM.with(|room| room.borrow().len()), KEPT);
        assert!(ROOM.with(|room| room.borrow().iter().all(|buffer| buffer.len() == SMALL)));
    }
}
