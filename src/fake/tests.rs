//! The model by values, the server and the client over loopback.

mod circumstances;
mod garbage;
mod model;
mod server;
