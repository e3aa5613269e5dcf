//! Backups of the running host.

use super::NoQuery;
use crate::app::App;
use crate::extract::Params;
use crate::openapi::BackupErrors;
use crate::problem::Result;
use adjutant_dispatch::Backup;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use std::io::{self, BufWriter, Write};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, Sender};

/// Bytes that are sent at a time.
const PART: usize = 256 << 10;
/// Parts that wait for the client.
const PARTS: usize = 4;
/// How long a client may take none.
const STALLED: Duration = Duration::from_secs(60);

/// Make a backup of the host as it is at this moment, and send it
///
/// The answer is a tar file: `manifest.json` with the digests of all that follows, the store, and the
/// plugins' components. One backup is made at a time. `adjutant backup` and `adjutant restore` check
/// the digests.
#[utoipa::path(
    post,
    path = "/v1/backups",
    operation_id = "make_backup",
    tag = "host",
    responses(
        (status = 200, description = "The backup", body = Vec<u8>, content_type = "application/x-tar"),
        BackupErrors
    )
)]
pub(crate) async fn make(State(app): State<App>, _: Params<NoQuery>) -> Result<Response> {
    let backup = app.host.backup().await?;
    let headers = [
        (CONTENT_TYPE, "application/x-tar".to_owned()),
        (CONTENT_LENGTH, backup.size().to_string()),
    ];
    Ok((headers, sent(backup)).into_response())
}

/// The backup as a body. It is dropped, and with it what it keeps, when the client has it or is gone.
fn sent(backup: Backup) -> Body {
    let (parts, mut sending) = mpsc::channel(PARTS);
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let parts = Parts {
            parts: parts.clone(),
            runtime,
        };
        if let Err(error) = backup.write(BufWriter::with_capacity(PART, &parts)) {
            tracing::warn!(%error, "a backup was not sent to its end");
            // The client sees that it broke off, if it is still there.
            let _ = parts.parts.try_send(Err(error));
        }
    });
    Body::from_stream(futures::stream::poll_fn(move |context| {
        sending.poll_recv(context)
    }))
}

/// Writes into a body, from a thread that may block.
struct Parts {
    parts: Sender<io::Result<Bytes>>,
    runtime: Handle,
}

impl Write for &Parts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = Ok(Bytes::copy_from_slice(bytes));
        let sent = self
            .runtime
            .block_on(self.parts.send_timeout(part, STALLED));
        sent.map_err(|error| io::Error::new(io::ErrorKind::BrokenPipe, error.to_string()))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
