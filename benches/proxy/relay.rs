//! Two relays to compare with: a blind CONNECT tunnel, and one that decrypts and encrypts again without looking.

use crate::message::{HOST, head_end};
use crate::origin;
use anyhow::{Context, Result};
use rustls::pki_types::ServerName;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// Passes bytes both ways, as they come.
pub(crate) async fn tunnel(listen: &str, origin: &str) -> Result<()> {
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (client, _) = listener.accept().await?;
        let origin = origin.to_owned();
        tokio::spawn(async move {
            let (mut client, mut upstream) = connect(client, &origin).await?;
            copy_bidirectional(&mut client, &mut upstream).await?;
            anyhow::Ok(())
        });
    }
}

/// Ends TLS on either side and passes the decrypted bytes, as they come.
pub(crate) async fn splice(listen: &str, origin: &str, folder: &Path) -> Result<()> {
    let acceptor = origin::acceptor(folder)?;
    let connector = crate::load::connector(&[folder.join(origin::ROOT)])?;
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (client, _) = listener.accept().await?;
        let (origin, acceptor, connector) = (origin.to_owned(), acceptor.clone(), connector.clone());
        tokio::spawn(async move {
            let (client, upstream) = connect(client, &origin).await?;
            let mut upstream = connector.connect(ServerName::try_from(HOST)?, upstream).await?;
            let mut client = acceptor.accept(client).await?;
            copy_bidirectional(&mut client, &mut upstream).await?;
            anyhow::Ok(())
        });
    }
}

async fn connect(mut client: TcpStream, origin: &str) -> Result<(TcpStream, TcpStream)> {
    client.set_nodelay(true)?;
    let mut head = Vec::with_capacity(1_024);
    while head_end(&head).is_none() {
        let read = client.read_buf(&mut head).await?;
        (read > 0).then_some(()).context("no CONNECT came")?;
    }
    let upstream = TcpStream::connect(origin).await?;
    upstream.set_nodelay(true)?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    Ok((client, upstream))
}
