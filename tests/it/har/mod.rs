//! HAR files: as other tools write them, and as authtrace writes them.

pub(crate) mod cases;
