//! What this room promises, as tables and properties.
