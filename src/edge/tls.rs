//! The hub's certificate: read when the edge opens, read again when its files change or the process is sent SIGHUP. Asked by rustls at every
//! handshake; a connection keeps the certificate it was opened with. New files that cannot be used are said to be so, and the old stay in use.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use parking_lot::RwLock;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::spawn_blocking,
    time::sleep,
};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Where certificate and key are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsFiles {
    /// The certificate chain, PEM, the hub's own first.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A file is no PEM, or holds nothing that is wanted.
    #[error("{} holds no {wanted} in PEM: {error}", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
        /// What is wrong.
        error: pem::Error,
    },
    /// The two do not belong together, or are of no kind that is spoken.
    #[error("{} and {} cannot be used: {error}", files.certificate.display(), files.key.display())]
    Unusable {
        /// Which two.
        files: TlsFiles,
        /// Why not.
        error: rustls::Error,
    },
}

/// The certificate in use.
pub struct Certificate {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    /// How the files looked just before they were first read.
    first_look: Look,
    current: RwLock<Arc<CertifiedKey>>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`], naming the file.
    pub fn open(files: TlsFiles) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let first_look = look(&files);
        let current = RwLock::new(Arc::new(read(&files, &provider)?));
        Ok(Arc::new(Self { files, provider, first_look, current }))
    }
    /// Reads them again. Where they cannot be used, nothing changes.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn reload(&self) -> Result<(), TlsError> {
        let read = Arc::new(read(&self.files, &self.provider)?);
        *self.current.write() = read;
        Ok(())
    }
    /// TLS 1.2 and 1.3 with whatever certificate is current.
    ///
    /// # Panics
    /// Never: the provider speaks both versions.
    #[must_use]
    pub fn server_config(self: &Arc<Self>) -> Arc<ServerConfig> {
        let config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3");
        Arc::new(config.with_no_client_auth().with_cert_resolver(self.clone()))
    }
    /// Follows the files until the certificate is no longer used.
    pub async fn watch(certificate: Weak<Self>) {
        let mut hangup = signal(SignalKind::hangup()).ok();
        let Some(mut known) = certificate.upgrade().map(|certificate| certificate.first_look) else { return };
        loop {
            let told = async {
                match &mut hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            let asked = tokio::select! {
                _ = told => true,
                () = sleep(LOOK_EVERY) => false,
            };
            let Some(certificate) = certificate.upgrade() else { return };
            let looked = spawn_blocking(move || {
                let now = look(&certificate.files);
                if asked || known != now {
                    certificate.renew();
                }
                now
            });
            known = looked.await.unwrap_or(known);
        }
    }
    fn renew(&self) {
        let path = self.files.certificate.display();
        match self.reload() {
            Ok(()) => tracing::info!(%path, "the certificate was read again and is in use"),
            Err(error) => tracing::error!(%error, "the new certificate cannot be used; the old one stays in use"),
        }
    }
}

/// What changes when one of two files is replaced.
type Look = [Option<(SystemTime, u64)>; 2];

fn look(files: &TlsFiles) -> Look {
    let stamp = |path: &Path| fs::metadata(path).ok().and_then(|found| Some((found.modified().ok()?, found.len())));
    [stamp(&files.certificate), stamp(&files.key)]
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().clone())
    }
}

fn read(files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let bytes = |path: &Path| fs::read(path).map_err(|error| TlsError::File { path: path.to_owned(), error });
    let no = |path: &Path, wanted| {
        let path = path.to_owned();
        move |error| TlsError::Pem { path, wanted, error }
    };
    let (chain, key) = (bytes(&files.certificate)?, bytes(&files.key)?);
    let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<Vec<_>, _>>();
    let chain = chain.and_then(|chain| if chain.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(chain) });
    let chain = chain.map_err(no(&files.certificate, "certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(no(&files.key, "private key"))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| TlsError::Unusable { files: files.clone(), error })
}
