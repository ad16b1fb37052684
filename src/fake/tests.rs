//! The model by values, the server and the client over loopback.

mod circumstances;
mod model;
mod server;
