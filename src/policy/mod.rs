//! What is done to a request instead of, or on top of, what a server would do: rules with a memory.
//!
//! In come requests as what a rule may ask about ([`Asked`]: method, host, path, what credential, which grant, when);
//! out comes the [`Rule`] that decides, with what it does. The same rules play against the fake Anthropic and on live
//! traffic; whoever asks carries out what was decided. A [`Guard`] beside them counts refusals, and says when to stop asking.
//!
//! It never sees a credential's value, does no io, and reads no clock.

mod answer;
mod coding;
mod decide;
mod duration;
mod guard;
mod live;
mod rule;
pub mod span;

pub use answer::{Answer, ApiError, Envelope, HtmlPage, RawAnswer, RequestIdShape};
pub use coding::Coding;
pub use decide::{Asked, Decider, Decision, START};
pub use duration::duration;
pub use guard::{Answered, Guard, Limits, Outcome, Reason, Stop, Subject, Verdict, WARN_AT};
pub use live::{NotLive, Part};
pub use rule::{Cut, Grant, PathPattern, Rule, Script, Span, Then, TokenOutcome, TokenTerms, When};
