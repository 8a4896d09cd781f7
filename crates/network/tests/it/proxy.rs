//! A TCP proxy between two nodes: a line that can be held and cut.

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
    cuts: watch::Sender<u32>,
}

impl Proxy {
    /// Starts a proxy for the node at `target`, a TCP address without its id.
    pub(crate) async fn start(target: &str) -> Self {
        let port: u16 = target.rsplit('/').next().unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("/ip4/127.0.0.1/tcp/{}", listener.local_addr().unwrap().port());
        let left = Arc::new(AtomicU64::new(u64::MAX));
        let (cuts, mut cut) = watch::channel(0);
        let proxy = Self { address, left: Arc::clone(&left), cuts };
        tokio::spawn(async move {
            loop {
                let (caller, _) = listener.accept().await.unwrap();
                let Ok(node) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
                let (caller_in, caller_out) = caller.into_split();
                let (node_in, node_out) = node.into_split();
                cut.mark_unchanged();
                tokio::spawn(pass(caller_in, node_out, None, cut.clone()));
                tokio::spawn(pass(node_in, caller_out, Some(Arc::clone(&left)), cut.clone()));
            }
        });
        proxy
    }

    /// Lets so many more bytes pass to the callers, and then holds what comes.
    pub(crate) fn hold_after(&self, bytes: u64) {
        self.left.store(bytes, Ordering::SeqCst);
    }

    /// Cuts every connection, and lets everything pass on those that are made from now on.
    pub(crate) fn cut(&self) {
        self.left.store(u64::MAX, Ordering::SeqCst);
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

/// Passes bytes on in one direction until the line is cut.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    left: Option<Arc<AtomicU64>>,
    mut cuts: watch::Receiver<u32>,
) {
    let mut space = [0; 1_024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut space) => read.unwrap_or(0),
            _ = cuts.changed() => return,
        };
        let had = left.as_ref().map_or(u64::MAX, |left| left.load(Ordering::SeqCst));
        let may = read.min(usize::try_from(had).unwrap_or(usize::MAX));
        if let Some(left) = left.as_ref().filter(|_| had != u64::MAX) {
            left.store(had - may as u64, Ordering::SeqCst);
        }
        if read == 0 || to.write_all(&space[..may]).await.is_err() {
            return;
        }
        if may < read {
            let _ = cuts.changed().await;
            return;
        }
    }
}
