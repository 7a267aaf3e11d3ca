//! RTMPS: the certificate, read again when its files change.
//!
//! A renewed certificate must not need a restart, which would drop every publisher. Files that
//! cannot be read or do not belong together leave the running certificate in place.

use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::time::MissedTickBehavior;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};
use tokio_util::sync::CancellationToken;

/// Shakes hands. Whoever has said hello takes a turn for what costs CPU, the answer to it, and gives
/// the turn back before anything is waited for: peers that stay silent keep nobody from theirs.
///
/// # Errors
/// The peer left or spoke no TLS that is taken here.
pub(crate) async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(
    acceptor: &TlsAcceptor,
    turns: &Semaphore,
    socket: S,
) -> io::Result<TlsStream<S>> {
    let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), socket).await?;
    let turn = turns.acquire().await.map_err(io::Error::other)?;
    let mut rest = pin!(hello.into_stream(Arc::clone(acceptor.config())));
    let first_look = poll_fn(|context| Poll::Ready(rest.as_mut().poll(context))).await;
    drop(turn);
    match first_look {
        Poll::Ready(done) => done,
        Poll::Pending => rest.await,
    }
}

/// Between two looks at the files. Renewals come weeks ahead, so this is only courtesy.
const LOOK_EACH: Duration = Duration::from_secs(5);

/// Where certificate chain and key are, in PEM.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The leaf's private key.
    pub key: PathBuf,
}

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not there, not readable, or not PEM.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What was wrong.
        source: rustls::pki_types::pem::Error,
    },
    /// The key is of no kind that TLS uses, or is not the certificate's.
    #[error("certificate and key do not work together: {0}")]
    Mismatch(#[from] rustls::Error),
}

/// The certificate that new connections are shown.
#[derive(Debug)]
pub(crate) struct Certificate {
    files: CertificateFiles,
    current: ArcSwap<CertifiedKey>,
}

impl Certificate {
    pub(crate) fn load(files: CertificateFiles) -> Result<Arc<Self>, Error> {
        let current = ArcSwap::from_pointee(read(&files)?);
        Ok(Arc::new(Self { files, current }))
    }

    /// What accepts TLS with whatever certificate is current.
    pub(crate) fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Reads the files again whenever they changed, until the edge stops.
    pub(crate) async fn keep_current(self: Arc<Self>, stopping: CancellationToken) {
        let mut looks = tokio::time::interval(LOOK_EACH);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = self.changed_at();
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                _ = looks.tick() => {}
            }
            let now = self.changed_at();
            if now != seen {
                seen = now;
                self.reload();
            }
        }
    }

    fn reload(&self) {
        match read(&self.files) {
            Ok(certificate) => {
                self.current.store(Arc::new(certificate));
                tracing::info!(path = %self.files.certificate.display(), "certificate renewed");
            }
            Err(error) => tracing::error!(%error, "the running certificate stays"),
        }
    }

    fn changed_at(&self) -> [Option<SystemTime>; 2] {
        [&self.files.certificate, &self.files.key].map(|path| {
            std::fs::metadata(path)
                .and_then(|metadata| metadata.modified())
                .ok()
        })
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn read(files: &CertificateFiles) -> Result<CertifiedKey, Error> {
    let unreadable = |path: &PathBuf, source| Error::Unreadable {
        path: path.clone(),
        source,
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| unreadable(&files.certificate, source))?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|source| unreadable(&files.key, source))?;
    Ok(CertifiedKey::from_der(
        chain,
        key,
        &aws_lc_rs::default_provider(),
    )?)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::pki_types::ServerName;

    use super::*;

    fn write_pair(directory: &Path, name: &str) -> Vec<u8> {
        let pair =
            rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
        std::fs::write(directory.join("cert.pem"), pair.cert.pem()).expect("written");
        std::fs::write(directory.join("key.pem"), pair.signing_key.serialize_pem())
            .expect("written");
        pair.cert.der().to_vec()
    }

    fn files(directory: &Path) -> CertificateFiles {
        CertificateFiles {
            certificate: directory.join("cert.pem"),
            key: directory.join("key.pem"),
        }
    }

    fn shown(certificate: &Certificate) -> Vec<u8> {
        certificate
            .current
            .load()
            .cert
            .first()
            .expect("a leaf")
            .to_vec()
    }

    #[test]
    fn a_renewed_certificate_is_shown_to_new_connections() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = write_pair(directory.path(), "one.example");
        let certificate = Certificate::load(files(directory.path())).expect("usable");
        assert_eq!(shown(&certificate), first);
        let second = write_pair(directory.path(), "two.example");
        certificate.reload();
        assert_eq!(shown(&certificate), second);
    }

    #[test]
    fn files_that_do_not_belong_together_leave_the_running_certificate() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = write_pair(directory.path(), "one.example");
        let certificate = Certificate::load(files(directory.path())).expect("usable");
        let other = tempfile::tempdir().expect("a directory");
        write_pair(other.path(), "other.example");
        std::fs::copy(
            other.path().join("key.pem"),
            directory.path().join("key.pem"),
        )
        .expect("copied");
        certificate.reload();
        assert_eq!(shown(&certificate), first);
        assert!(matches!(
            Certificate::load(files(directory.path())),
            Err(Error::Mismatch(_))
        ));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let error = Certificate::load(files(directory.path())).expect_err("nothing there");
        assert!(error.to_string().contains("cert.pem"), "{error}");
    }

    /// A client that trusts this certificate alone.
    fn client_of(certificate: &Certificate) -> TlsConnector {
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from(shown(certificate)))
            .expect("a certificate");
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }

    #[tokio::test]
    async fn peers_that_stay_silent_in_a_handshake_keep_nobody_from_theirs() {
        let directory = tempfile::tempdir().expect("a directory");
        write_pair(directory.path(), "one.example");
        let certificate = Certificate::load(files(directory.path())).expect("usable");
        let acceptor = certificate.acceptor().expect("usable");
        let client = client_of(&certificate);
        let name = ServerName::try_from("one.example").expect("a name");
        let turns = Arc::new(Semaphore::new(1));
        let serve = |socket| {
            let (acceptor, turns) = (acceptor.clone(), Arc::clone(&turns));
            tokio::spawn(async move { shake_hands(&acceptor, &turns, socket).await.map(|_| ()) })
        };

        let (_silent, socket) = tokio::io::duplex(8 * 1024);
        let silent = serve(socket);
        // Says hello, and nothing to the answer.
        let (mut mute, socket) = tokio::io::duplex(8 * 1024);
        let muted = serve(socket);
        let mut hello =
            rustls::ClientConnection::new(client.config().clone(), name.clone()).expect("a client");
        let mut bytes = Vec::new();
        hello.write_tls(&mut bytes).expect("a hello");
        mute.write_all(&bytes).await.expect("written");
        mute.read_u8().await.expect("answered");

        let (honest, socket) = tokio::io::duplex(8 * 1024);
        let served = serve(socket);
        let shaken = tokio::time::timeout(Duration::from_secs(30), client.connect(name, honest));
        let _open = shaken.await.expect("in time").expect("shaken");
        served.await.expect("no panic").expect("shaken");
        assert!(!silent.is_finished() && !muted.is_finished());
    }
}
