//! A TCP proxy between two nodes, which passes on so many bytes and then cuts the line.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::watch,
};

/// Passes bytes between callers and one node.
pub(crate) struct Proxy {
    /// Where callers are accepted.
    pub(crate) address: String,
    /// Bytes that may still pass to the callers.
    left: Arc<AtomicU64>,
    cut: watch::Sender<bool>,
}

impl Proxy {
    /// Starts a proxy for the node at `target`, a TCP address without its id.
    pub(crate) async fn start(target: &str) -> Self {
        let port: u16 = target.rsplit('/').next().unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("/ip4/127.0.0.1/tcp/{}", listener.local_addr().unwrap().port());
        let left = Arc::new(AtomicU64::new(u64::MAX));
        let (cut, _) = watch::channel(false);
        let proxy = Self { address, left: Arc::clone(&left), cut: cut.clone() };
        tokio::spawn(async move {
            loop {
                let (caller, _) = listener.accept().await.unwrap();
                let Ok(node) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
                let (caller_in, caller_out) = caller.into_split();
                let (node_in, node_out) = node.into_split();
                let end = Arc::new(cut.clone());
                tokio::spawn(pass(caller_in, node_out, None, Arc::clone(&end)));
                tokio::spawn(pass(node_in, caller_out, Some(Arc::clone(&left)), end));
            }
        });
        proxy
    }

    /// Cuts every connection once so many more bytes have passed to the callers.
    pub(crate) fn cut_after(&self, bytes: u64) {
        self.left.store(bytes, Ordering::SeqCst);
    }

    /// Lets everything pass again, for connections made from now on.
    pub(crate) fn mend(&self) {
        self.left.store(u64::MAX, Ordering::SeqCst);
        self.cut.send_replace(false);
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    left: Option<Arc<AtomicU64>>,
    cut: Arc<watch::Sender<bool>>,
) {
    let mut severed = cut.subscribe();
    let mut space = [0; 1_024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut space) => read.unwrap_or(0),
            _ = severed.wait_for(|cut| *cut) => 0,
        };
        let Some(mut bytes) = space.get(..read).filter(|bytes| !bytes.is_empty()) else { return };
        if let Some(left) = &left {
            let had = left.load(Ordering::SeqCst);
            bytes = &bytes[..bytes.len().min(usize::try_from(had).unwrap_or(usize::MAX))];
            if had != u64::MAX {
                left.store(had - bytes.len() as u64, Ordering::SeqCst);
            }
        }
        if to.write_all(bytes).await.is_err() {
            return;
        }
        if bytes.len() < read {
            cut.send_replace(true);
            return;
        }
    }
}
