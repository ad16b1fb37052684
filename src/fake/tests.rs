//! The model by values, the server and the client over loopback.

mod circumstances;
mod garbage;
mod model;
mod server;

use crate::policy::{ApiError, RequestIdShape, Rule, Script, Then, When};

/// Every message is refused with 401 `Invalid authentication credentials`, while the profile is 200 and each refresh
/// gives a new token, which is refused as well.
fn motivating_bug() -> Script {
    let refused = ApiError::unauthorized("Invalid authentication credentials").with_request_id(RequestIdShape::Present);
    Script { rules: vec![Rule::always(When::path("/v1/messages"), Then::Error(refused))] }
}
