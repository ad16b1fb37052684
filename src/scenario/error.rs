//! What is wrong with a file, and where.

use crate::place::{Place, visible};
use std::ops::Range;

/// A mistake in a scenario: line and column from 1, the line itself, and a caret under the mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}{message}")]
pub struct ScenarioError {
    /// Where; none if the mistake has no one place.
    pub place: Place,
    /// What is wrong and what was expected.
    pub message: String,
}

impl ScenarioError {
    pub(super) fn at(text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self { place: Place::of(text, span), message: visible(&message.into()) }
    }

    /// The same without the characters that the carets point at: they may be somebody's credential.
    pub(super) fn with_mistake_hidden(mut self) -> Self {
        let hidden = self.place.column..self.place.column + self.place.width;
        let shown = |(at, c)| if hidden.contains(&(at + 1)) { '·' } else { c };
        self.place.text = self.place.text.chars().enumerate().map(shown).collect();
        self
    }
}
