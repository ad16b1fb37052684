//! The same exchanges over HTTP/2: their heads as fields, on both sides.

use super::origin::{Pieces, number_in};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Fields that mean something for a connection of HTTP/1.1.
const LEFT_OUT: [&str; 4] = ["connection", "transfer-encoding", "host", "trailer"];

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

type Fields = Vec<(String, Vec<u8>)>;

/// A head in the form of HTTP/1.1 as its first line and its fields, and the body.
fn taken_apart(message: &[u8]) -> (String, Fields, Vec<u8>) {
    let end = message.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&message[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap().to_owned();
    let field = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().as_bytes().to_vec())
    };
    let fields = lines.map(field).filter(|(name, _)| !LEFT_OUT.contains(&name.as_str())).collect();
    (first, fields, message[end + 4..].to_vec())
}

pub(crate) fn serve(socket: TcpStream, config: Arc<ServerConfig>, answers: &Arc<Mutex<HashMap<usize, Pieces>>>) {
    runtime().block_on(async {
        socket.set_nonblocking(true).unwrap();
        let socket = tokio::net::TcpStream::from_std(socket).unwrap();
        let Ok(stream) = TlsAcceptor::from(config).accept(socket).await else { return };
        let service = service_fn(|request| respond(request, Arc::clone(answers)));
        // A connection that the other side breaks off is over, no more.
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service)
            .await;
    });
}

async fn respond(
    request: hyper::Request<Incoming>,
    answers: Arc<Mutex<HashMap<usize, Pieces>>>,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let number = request.headers().get("x-exchange").map(|value| value.as_bytes().to_vec()).unwrap_or_default();
    let _ = request.into_body().collect().await;
    let line = [b"X-Exchange: ", number.as_slice(), b"\r\n"].concat();
    let answer = number_in(&line).and_then(|number| answers.lock().unwrap().remove(&number)).unwrap();
    let (first, fields, body) = taken_apart(&answer.concat());
    let mut response = hyper::Response::builder().status(&first[9..12]);
    for (name, value) in fields {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(Bytes::from(body))).unwrap())
}

/// Sends the request in the tunnel; gives status and body of the answer.
pub(crate) fn ask(socket: TcpStream, config: &Arc<ClientConfig>, host: &str, request: &[u8]) -> (u16, Vec<u8>) {
    let (first, fields, body) = taken_apart(request);
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let mut asked = hyper::Request::builder().method(method).uri(format!("https://{host}{target}"));
    for (name, value) in fields {
        asked = asked.header(name, value);
    }
    let asked = asked.body(Full::new(Bytes::from(body))).unwrap();
    runtime().block_on(async {
        socket.set_nonblocking(true).unwrap();
        let socket = tokio::net::TcpStream::from_std(socket).unwrap();
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, socket).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let response = sender.send_request(asked).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes().to_vec();
        drop(sender);
        let _ = connection.await;
        (status, body)
    })
}
