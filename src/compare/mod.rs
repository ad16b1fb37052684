//! Two traces side by side: what is new, gone, refused, sent with another credential or to another host.
//!
//! In come the surveys of two traces and what was found out about them. Out comes a [`Comparison`]: the requests of both
//! that matter for the login, in pairs by route and order, with what changed in each; what was asked beside them in
//! counts; verdicts and findings; and which of the changes are a [`Regression`].
//!
//! Fingerprints of two traces have different keys, so credentials are matched by structure: those of the first pair are
//! one and the same, and so are those that two paired requests were issued. Never here: files, clocks, the form of a
//! report, an opinion about why something failed.

mod align;
mod beside;
mod comparison;
mod flow;
mod identity;
mod outcome;
mod regression;
mod route;
#[cfg(test)]
pub(crate) mod tests;

pub use align::{Alignment, Pair, align};
pub use beside::{Beside, BesideRow, Statuses};
pub use comparison::{Comparison, FindingChange, Limit, Seen, Standing, compare};
pub use flow::{Change, Flow, Row};
pub use identity::CredentialChange;
pub use outcome::Outcome;
pub use regression::{Regression, RegressionKind};
pub use route::{MADE_UP_HOST, Route};
