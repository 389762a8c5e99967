//! The agent asked with a token and over TLS.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::CertifiedKey;
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::*;
use crate::health::Share;
use crate::health::agent::{Fingerprint, Trust};

const READY: &str =
    "HTTP/1.1 200 OK\r\n\r\n{\"ready\":true,\"state\":\"ready\",\"reasons\":[],\"weight\":40}";
const UNAUTHORIZED: &str = "HTTP/1.1 401 Unauthorized\r\n\r\n";

fn wants_40() -> Outcome {
    Outcome::Wants(Share::percent(40).unwrap())
}

async fn ask(server: &Server, agent: Agent) -> Outcome {
    let (address, agent) = (server.address, agent.into());
    attempt(&Probe::Readiness { address, agent }, LONG).await
}

fn token_file(dir: &TempDir, mode: u32) -> PathBuf {
    let path = dir.path().join("token");
    fs::write(&path, "3f5c1a9e7d20\n").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    path
}

#[tokio::test]
async fn the_weight_is_heard_unless_the_file_says_otherwise() {
    let server = Server::answer(READY).await;
    assert_eq!(ask(&server, Agent::default()).await, wants_40());
    let server = Server::answer(READY).await;
    let deaf = Agent {
        follow_weight: false,
        ..Agent::default()
    };
    assert_eq!(ask(&server, deaf).await, Outcome::Passed);
}

#[tokio::test]
async fn the_token_is_sent_and_a_refusal_names_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = token_file(&dir, 0o600);
    let with = Agent {
        token_file: Some(path.clone()),
        ..Agent::default()
    };
    let server = Server::answer(READY).await;
    assert_eq!(ask(&server, with.clone()).await, wants_40());
    let request = server.task.await.unwrap().to_lowercase();
    assert!(
        request.contains("authorization: bearer 3f5c1a9e7d20\r\n"),
        "{request}"
    );
    let server = Server::answer(UNAUTHORIZED).await;
    let told = format!("the agent refuses the token in {}", path.display());
    assert_eq!(ask(&server, with).await, failed(&told));
    let server = Server::answer(UNAUTHORIZED).await;
    assert_eq!(
        ask(&server, Agent::default()).await,
        failed("the agent wants a token, and check.token_file names none")
    );
}

#[tokio::test]
async fn a_token_that_cannot_be_used_is_this_hosts_fault_and_is_not_sent() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answer(READY).await;
    let agent = Agent {
        token_file: Some(token_file(&dir, 0o644)),
        ..Agent::default()
    };
    let Outcome::Undecided(told) = ask(&server, agent).await else {
        panic!("the server is not to blame")
    };
    assert!(told.contains("chmod 600"), "{told}");
    assert_eq!(server.task.await.unwrap(), "");
}

/// A TLS server with a certificate of its own, and the file of that certificate.
async fn tls_server(dir: &TempDir, names: &[&str]) -> (Server, PathBuf, Fingerprint) {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
    let path = dir.path().join("agent.pem");
    fs::write(&path, cert.pem()).unwrap();
    let digest = ::ring::digest::digest(&::ring::digest::SHA256, cert.der());
    let fingerprint = Fingerprint(digest.as_ref().try_into().unwrap());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![cert.der().clone()],
            PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let server = Server::start(|stream| async move {
        let Ok(mut stream) = acceptor.accept(stream).await else {
            return "no handshake".to_owned();
        };
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => request.push(byte),
                Err(_) => break,
            }
        }
        let _ = stream.write_all(READY.as_bytes()).await;
        let _ = stream.shutdown().await;
        String::from_utf8(request).unwrap()
    });
    (server.await, path, fingerprint)
}

fn over(trust: Trust) -> Agent {
    Agent {
        tls: Some(trust),
        ..Agent::default()
    }
}

fn authority(ca: PathBuf, name: Option<&str>) -> Agent {
    let name = name.map(str::to_owned);
    over(Trust::Authority { ca, name })
}

#[tokio::test]
async fn a_certificate_for_the_address_or_the_name_is_trusted_and_another_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (server, ca, _) = tls_server(&dir, &["127.0.0.1"]).await;
    assert_eq!(ask(&server, authority(ca, None)).await, wants_40());
    let (server, ca, _) = tls_server(&dir, &["rs.example.org"]).await;
    let named = authority(ca, Some("rs.example.org"));
    assert_eq!(ask(&server, named).await, wants_40());
    let (server, ca, _) = tls_server(&dir, &["rs.example.org"]).await;
    assert_eq!(
        ask(&server, authority(ca, None)).await,
        failed("its certificate is not for 127.0.0.1")
    );
    let (_, other, _) = tls_server(&dir, &["127.0.0.1"]).await;
    let other_ca = dir.path().join("other.pem");
    fs::rename(other, &other_ca).unwrap();
    let (server, _, _) = tls_server(&dir, &["127.0.0.1"]).await;
    assert_eq!(
        ask(&server, authority(other_ca, None)).await,
        failed("its certificate is not signed by check.tls.ca")
    );
    assert_eq!(server.task.await.unwrap(), "no handshake");
}

#[tokio::test]
async fn the_certificate_of_the_fingerprint_is_trusted_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let (server, _, fingerprint) = tls_server(&dir, &["whoever"]).await;
    let pinned = over(Trust::Certificate(fingerprint));
    assert_eq!(ask(&server, pinned.clone()).await, wants_40());
    let (server, _, _) = tls_server(&dir, &["whoever"]).await;
    assert_eq!(
        ask(&server, pinned).await,
        failed("its certificate has another fingerprint")
    );
}

#[tokio::test]
async fn an_agent_that_speaks_plain_http_is_told_apart_from_one_that_is_not_trusted() {
    let plain = Server::start(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        String::new()
    });
    let agent = over(Trust::Certificate(Fingerprint([0; 32])));
    let told = ask(&plain.await, agent).await;
    assert_eq!(told, failed("it does not speak TLS"));
}

#[tokio::test]
async fn without_its_authorities_this_host_cannot_ask() {
    let dir = tempfile::tempdir().unwrap();
    for (text, why) in [(None, "no"), (Some(""), "there is none in it")] {
        let (server, _, _) = tls_server(&dir, &["127.0.0.1"]).await;
        let ca = dir.path().join("ca.pem");
        if let Some(text) = text {
            fs::write(&ca, text).unwrap();
        }
        let Outcome::Undecided(told) = ask(&server, authority(ca, None)).await else {
            panic!("the server is not to blame")
        };
        assert!(
            told.contains("cannot read the certificates in ") && told.contains(why),
            "{told}"
        );
    }
}
