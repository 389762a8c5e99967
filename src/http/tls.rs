//! What a server proves itself with over TLS.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

/// A certificate and its private key, checked to belong together.
#[derive(Clone)]
pub struct Identity(TlsAcceptor);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds something else.
    #[error("cannot read the {what} in {path}: {why}", path = .path.display())]
    File {
        /// `certificate` or `private key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// They do not belong together, or are of a kind that is not supported.
    #[error("cannot use the certificate in {path} with its key: {why}", path = .path.display())]
    Unusable {
        /// The certificate.
        path: PathBuf,
        /// Why not.
        why: String,
    },
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}

impl Identity {
    /// Reads both from PEM files.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let fault = |what, path: &Path, why: String| TlsError::File {
            what,
            path: path.to_owned(),
            why: why.to_lowercase(),
        };
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| fault("certificate", certificate, error.to_string()))?;
        if chain.is_empty() {
            let why = "there is none in it".to_owned();
            return Err(fault("certificate", certificate, why));
        }
        let secret = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| fault("private key", key, error.to_string()))?;
        let unusable = |error: &dyn std::error::Error| TlsError::Unusable {
            path: certificate.to_owned(),
            why: error.to_string(),
        };
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?
            .with_no_client_auth()
            .with_single_cert(chain, secret)
            .map_err(|error| unusable(&error))?;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// The handshake with a client.
    pub(super) async fn greet(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.0.accept(stream).await
    }
}
