//! Whose fault it is that a stream or a connection ends before its time.

use std::error::Error as _;

/// Whether a connection is ended in order by its upstream, and the request was not begun with.
pub(super) fn was_refused(error: &hyper::Error) -> bool {
    let going = cause(error).is_some_and(|error| error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR));
    going || error.is_canceled()
}

/// Whether it was ended here, since the peer broke the rules of HTTP/2 or sent more than is kept for it.
pub(super) fn broke_rules(error: &hyper::Error) -> bool {
    cause(error).is_some_and(|error| error.is_library() && error.reason() != Some(h2::Reason::NO_ERROR))
}

fn cause(error: &hyper::Error) -> Option<&h2::Error> {
    error.source()?.downcast_ref()
}
