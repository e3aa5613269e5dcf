//! The listener: from an address to a running service, and its end.

use crate::app;
use crate::intake::Intake;
use adjutant_dispatch::Host;
use axum::Router;
use axum::serve::ListenerExt;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// The API on an address, ready to serve.
pub struct Server {
    listener: std::net::TcpListener,
    address: SocketAddr,
    router: Router,
    closing: CancellationToken,
    options: ServerOptions,
}

/// Where and within which bounds to serve.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The address; loopback only. Port 0 takes any that is free.
    pub addr: SocketAddr,
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// Bytes of an uploaded component.
    pub upload_bytes: usize,
    /// How long a request may take until its answer begins. Event streams go on after that.
    pub timeout: Duration,
    /// How long an upload may take, with its compilation.
    pub upload_timeout: Duration,
    /// Requests at once; past it callers get 429.
    pub max_requests: usize,
    /// Uploads at once.
    pub max_uploads: usize,
    /// Event streams at once.
    pub max_streams: usize,
    /// How long requests in progress may go on once the server is to stop.
    pub grace: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            body_bytes: 2 << 20,
            upload_bytes: 64 << 20,
            timeout: Duration::from_secs(30),
            upload_timeout: Duration::from_secs(300),
            max_requests: 1_024,
            max_uploads: 2,
            max_streams: 1_024,
            grace: Duration::from_secs(10),
        }
    }
}

/// Why the API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address can be reached from elsewhere.
    #[error(
        "{0} is not a loopback address; the API has no authentication, so it is served on 127.0.0.1 \
         or [::1] only"
    )]
    NotLoopback(SocketAddr),
    /// The address cannot be had.
    #[error(
        "cannot listen on {addr}: {source}; is another host running there? choose another port"
    )]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The listener broke.
    #[error("the API server stopped: {0}")]
    Io(#[from] std::io::Error),
}

impl Server {
    /// Listens on an address, and tells the host where it is reached. Requests are answered once
    /// [`Server::serve`] runs; until then they wait.
    pub fn bind(host: Host, options: ServerOptions) -> Result<Server, ServeError> {
        let (listener, address) = listen(options.addr)?;
        host.set_base_url(format!("http://{address}"));
        let closing = CancellationToken::new();
        let bounds = Intake {
            body_bytes: options.body_bytes,
            upload_bytes: options.upload_bytes,
            timeout: options.timeout,
            upload_timeout: options.upload_timeout,
            requests: Semaphore::new(options.max_requests),
            uploads: Semaphore::new(options.max_uploads),
        };
        Ok(Server {
            listener,
            address,
            router: app::service(host, closing.clone(), bounds, options.max_streams),
            closing,
            options,
        })
    }

    /// The address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is ready; then ends event streams, lets requests in progress finish
    /// for the grace period, and returns. The host goes on.
    pub async fn serve(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServeError> {
        // Small answers and single events are sent at once.
        let listener = TcpListener::from_std(self.listener)?.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection keeps its delay");
            }
        });
        let closing = self.closing;
        let signal = {
            let closing = closing.clone();
            async move {
                shutdown.await;
                closing.cancel();
            }
        };
        let serving = axum::serve(listener, self.router)
            .with_graceful_shutdown(signal)
            .into_future();
        let out_of_grace = async {
            closing.cancelled().await;
            tokio::time::sleep(self.options.grace).await;
        };
        tokio::select! {
            served = serving => served?,
            () = out_of_grace => {
                tracing::warn!(grace = ?self.options.grace, "requests were still in progress at the end");
            }
        }
        Ok(())
    }
}

fn listen(addr: SocketAddr) -> Result<(std::net::TcpListener, SocketAddr), ServeError> {
    if !addr.ip().is_loopback() {
        return Err(ServeError::NotLoopback(addr));
    }
    let bind = || {
        let listener = std::net::TcpListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bind().map_err(|source| ServeError::Bind { addr, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_listened_on() {
        for addr in ["0.0.0.0:0", "10.0.0.1:80", "[::]:0"] {
            let addr: SocketAddr = addr.parse().expect("an address");
            let error = listen(addr).expect_err("refused");
            assert!(matches!(error, ServeError::NotLoopback(_)), "{error}");
        }
        let (_listener, address) =
            listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("any port");
        assert_ne!(address.port(), 0);
        let taken = listen(address).expect_err("taken");
        assert!(taken.to_string().contains("cannot listen"), "{taken}");
    }
}
