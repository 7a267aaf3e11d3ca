//! Reading and writing sockets with bounds, and without a buffer of their own.
//!
//! Reads go into a buffer that belongs to the worker thread, so that an idle connection holds none.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

/// One read takes at most this: a keyframe of an ordinary stream in one system call.
const READ_BYTES: usize = 64 * 1024;
/// After a refusal the peer may still be sending: what arrives in this time is read and dropped,
/// because closing with unread bytes would reset the connection and lose the refusal.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes read and dropped while lingering.
const LINGER_BYTES: usize = 256 * 1024;

thread_local! {
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// Reads once; what was read is seen by `take` alone. Nothing is lost when the future is dropped
/// before it is ready. Zero bytes: the peer closed.
pub(crate) async fn read<S: AsyncRead + Unpin>(
    socket: &mut S,
    mut take: impl FnMut(&[u8]),
) -> io::Result<usize> {
    poll_fn(|context| {
        READ_BUFFER.with_borrow_mut(|buffer| {
            let mut unread = ReadBuf::new(buffer);
            ready!(Pin::new(&mut *socket).poll_read(context, &mut unread))?;
            take(unread.filled());
            Poll::Ready(Ok(unread.filled().len()))
        })
    })
    .await
}

/// Writes all of it within `limit`.
pub(crate) async fn write<S: AsyncWrite + Unpin>(
    socket: &mut S,
    bytes: &[u8],
    limit: Duration,
) -> io::Result<()> {
    timeout(limit, socket.write_all(bytes)).await?
}

/// Closes so that what was written last is not lost.
pub(crate) async fn close_gently<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut S) {
    let drained = async {
        socket.shutdown().await?;
        let mut left = LINGER_BYTES;
        while left > 0 {
            match read(socket, |_| ()).await? {
                0 => break,
                count => left = left.saturating_sub(count),
            }
        }
        Ok::<(), io::Error>(())
    };
    // Either way the socket is closed next.
    let _ = timeout(LINGER, drained).await;
}
