//! The model by values, the server and the client over loopback.

mod model;
mod server;
