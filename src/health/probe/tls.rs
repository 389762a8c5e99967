//! Speaking TLS with the real-server agent.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::{Outcome, fault};
use crate::health::agent::{Fingerprint, Trust};

/// The handshake with the agent, which proves who it is.
pub(super) async fn greet(
    stream: TcpStream,
    address: SocketAddr,
    trust: &Trust,
) -> Result<TlsStream<TcpStream>, Outcome> {
    let name = match trust {
        Trust::Authority {
            name: Some(name), ..
        } => ServerName::try_from(name.clone())
            .map_err(|error| Outcome::Undecided(format!("cannot ask for {name}: {error}")))?,
        Trust::Authority { name: None, .. } | Trust::Certificate(_) => {
            ServerName::from(address.ip())
        }
    };
    let told = name.to_str().into_owned();
    let config = config(trust).map_err(Outcome::Undecided)?;
    let connector = TlsConnector::from(Arc::new(config));
    let greeted = connector.connect(name, stream).await;
    greeted.map_err(|error| refused(&error, &told))
}

fn config(trust: &Trust) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("cannot speak TLS: {error}"))?;
    let mut config =
        match trust {
            Trust::Authority { ca, .. } => builder.with_root_certificates(authorities(ca)?),
            Trust::Certificate(fingerprint) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Pinned {
                    fingerprint: *fingerprint,
                    provider,
                })),
        }
        .with_no_client_auth();
    // It serves for one connection.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn authorities(path: &Path) -> Result<RootCertStore, String> {
    let fault = |why: String| {
        let why = why.to_lowercase();
        format!("cannot read the certificates in {}: {why}", path.display())
    };
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| fault(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in found {
        roots
            .add(certificate)
            .map_err(|error| fault(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(fault("there is none in it".to_owned()));
    }
    Ok(roots)
}

/// Why the handshake came to nothing, in the operator's words.
fn refused(error: &io::Error, name: &str) -> Outcome {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    let reason = match cause {
        Some(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)) => {
            "its certificate has another fingerprint".to_owned()
        }
        // The second is of another authority by the same name.
        Some(Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        )) => "its certificate is not signed by check.tls.ca".to_owned(),
        Some(Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => "its certificate has expired".to_owned(),
        Some(Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => format!("its certificate is not for {name}"),
        Some(Error::InvalidMessage(_)) => "it does not speak TLS".to_owned(),
        Some(error) => format!("TLS failed: {error}"),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "connection closed during the TLS handshake".to_owned()
        }
        None => return fault::outcome(error),
    };
    Outcome::Failed(reason)
}

/// Trusts one certificate, whoever signed it, whatever it says of itself.
#[derive(Debug)]
struct Pinned {
    fingerprint: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let digest = ::ring::digest::digest(&::ring::digest::SHA256, end_entity);
        if digest.as_ref() == self.fingerprint.0 {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    // That it has the certificate's key too is proven by these.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
