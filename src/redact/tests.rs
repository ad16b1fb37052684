//! Properties over all rules at once.
