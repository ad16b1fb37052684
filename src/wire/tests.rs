//! Value tables and properties of the room.

mod body;
mod head;
mod properties;
mod target;
