mod agent;

use std::io::ErrorKind;

use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::health::{Agent, Page};

const SOON: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_port_that_accepts_passes_and_is_left_by_a_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let probe = Probe::Tcp {
        address: listener.local_addr().unwrap(),
    };
    assert_eq!(attempt(&probe, LONG).await, Outcome::Passed);
    let (mut stream, _) = listener.accept().await.unwrap();
    let error = stream.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn an_attempt_that_waits_for_its_connection_is_small() {
    let probe = Probe::Tcp {
        address: "127.0.0.1:80".parse().unwrap(),
    };
    let bytes = size_of_val(&attempt(&probe, LONG));
    assert!(bytes <= 1024, "{bytes} bytes, ten thousand times at once");
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for probe in [tcp(address), http(address), agent_at(address)] {
        assert_eq!(attempt(&probe, LONG).await, failed("connection refused"));
    }
}

#[tokio::test]
async fn a_connection_that_meets_itself_is_no_server() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    assert!(is_own(&socket.connect(address).await.unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    assert!(!is_own(&TcpStream::connect(address).await.unwrap()));
}

#[tokio::test]
async fn a_port_that_stalls_the_handshake_runs_into_the_timeout() {
    // Backlog 0 holds one connection; the kernel drops the SYN of the next.
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener
        .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let _queued = TcpStream::connect(address).await.unwrap();
    assert_eq!(
        attempt(&tcp(address), SOON).await,
        failed("no answer within 50 ms")
    );
}

#[tokio::test]
async fn a_status_within_the_range_passes() {
    for status in [200, 204, 299] {
        let server = Server::answer(&format!("HTTP/1.1 {status} X\r\n\r\n")).await;
        assert_eq!(attempt(&http(server.address), LONG).await, Outcome::Passed);
    }
}

#[tokio::test]
async fn a_status_outside_the_range_is_named_with_the_range() {
    let server = Server::answer("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(
        attempt(&http(server.address), LONG).await,
        failed("status 503, expected 200-299")
    );
    let server = Server::answer("HTTP/1.0 302 Found\r\n\r\n").await;
    let probe = page(server.address, "/", None, (200, 200));
    assert_eq!(
        attempt(&probe, LONG).await,
        failed("status 302, expected 200")
    );
}

#[tokio::test]
async fn the_request_names_path_host_and_lvsd_and_wants_no_second() {
    let server = Server::answer("HTTP/1.1 200 OK\r\n\r\n").await;
    let probe = page(
        server.address,
        "/health?full=1",
        Some("www.example.org"),
        (200, 299),
    );
    attempt(&probe, LONG).await;
    let request = server.task.await.unwrap();
    assert!(
        request.starts_with("GET /health?full=1 HTTP/1.1\r\n"),
        "{request}"
    );
    for field in [
        "host: www.example.org".to_owned(),
        format!("user-agent: lvsd/{}", env!("CARGO_PKG_VERSION")),
        "connection: close".to_owned(),
    ] {
        assert!(
            request.contains(&format!("\r\n{field}\r\n")),
            "{field} in {request}"
        );
    }
}

#[tokio::test]
async fn without_a_host_the_request_names_the_address() {
    let server = Server::answer("HTTP/1.1 200 OK\r\n\r\n").await;
    attempt(&http(server.address), LONG).await;
    let host = format!("\r\nhost: {}\r\n", server.address);
    let request = server.task.await.unwrap();
    assert!(request.contains(&host), "{request}");
}

#[tokio::test]
async fn a_path_that_cannot_be_asked_for_says_nothing_about_the_server() {
    let server = Server::answer("HTTP/1.1 200 OK\r\n\r\n").await;
    let probe = page(server.address, "/a b", None, (200, 299));
    assert!(matches!(attempt(&probe, LONG).await, Outcome::Undecided(_)));
}

#[tokio::test]
async fn what_is_not_http_is_said_to_be_so() {
    for answer in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "220 mail ESMTP\r\n",
        "\0\x01\x02\x03\r\n\r\n",
        "HTTP/1.1 9999 X\r\n\r\n",
    ] {
        let server = Server::answer(answer).await;
        assert_eq!(
            attempt(&http(server.address), LONG).await,
            failed("answer is not HTTP"),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_fails() {
    for answer in ["", "HTTP/1.1 20"] {
        let server = Server::answer(answer).await;
        let outcome = attempt(&http(server.address), LONG).await;
        assert_eq!(
            outcome,
            failed("connection closed without an answer"),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn a_connection_reset_before_the_answer_fails() {
    let server = Server::start(|mut stream| async move {
        let request = head(&mut stream).await;
        stream.set_zero_linger().unwrap();
        request
    })
    .await;
    assert_eq!(
        attempt(&http(server.address), LONG).await,
        failed("connection reset")
    );
}

#[tokio::test]
async fn a_huge_head_is_cut_off() {
    let server = Server::drip(
        "HTTP/1.1 200 OK\r\n",
        "X-Filler: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n",
    )
    .await;
    let outcome = attempt(&http(server.address), LONG).await;
    assert_eq!(outcome, failed("head of the answer exceeds 16384 bytes"));
    let server = Server::drip(
        "HTTP/1.1 200 OK\r\nX: ",
        "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
    )
    .await;
    let outcome = attempt(&http(server.address), LONG).await;
    assert_eq!(outcome, failed("head of the answer exceeds 16384 bytes"));
}

#[tokio::test]
async fn a_head_up_to_the_limit_is_read() {
    let head = |length| format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(length));
    let server = Server::answer(&head(12 * 1024)).await;
    assert_eq!(attempt(&http(server.address), LONG).await, Outcome::Passed);
    let server = Server::answer(&head(20 * 1024)).await;
    let outcome = attempt(&http(server.address), LONG).await;
    assert_eq!(outcome, failed("head of the answer exceeds 16384 bytes"));
}

#[tokio::test]
async fn silence_after_the_connection_runs_into_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for probe in [http(address), agent_at(address)] {
        assert_eq!(
            attempt(&probe, SOON).await,
            failed("connected, but no answer within 50 ms")
        );
    }
}

#[tokio::test]
async fn an_endless_body_does_not_keep_the_status_from_counting() {
    let server = Server::drip("HTTP/1.1 200 OK\r\n\r\n", "y").await;
    assert_eq!(attempt(&http(server.address), LONG).await, Outcome::Passed);
    let server = Server::drip("HTTP/1.1 200 OK\r\n\r\n", "y").await;
    assert_eq!(attempt(&readiness(&server), LONG).await, Outcome::Passed);
}

#[tokio::test]
async fn an_agent_that_is_ready_passes() {
    let server = Server::answer(
        "HTTP/1.1 200 OK\r\n\r\n{\"ready\":true,\"state\":\"ready\",\"reasons\":[]}",
    )
    .await;
    assert_eq!(attempt(&readiness(&server), LONG).await, Outcome::Passed);
    assert!(
        server
            .task
            .await
            .unwrap()
            .starts_with("GET /ready HTTP/1.1\r\n")
    );
}

#[tokio::test]
async fn an_agent_that_drains_or_misses_something_is_understood() {
    let draining = r#"{"ready":false,"state":"draining","reasons":["stopping in 10 s"]}"#;
    let server = Server::answer(&unready(draining)).await;
    assert_eq!(attempt(&readiness(&server), LONG).await, Outcome::Draining);
    let missing =
        r#"{"ready":false,"state":"not-ready","reasons":["VIP 192.168.1.200 is missing on lo"]}"#;
    let server = Server::answer(&unready(missing)).await;
    assert_eq!(
        attempt(&readiness(&server), LONG).await,
        failed("VIP 192.168.1.200 is missing on lo")
    );
}

#[tokio::test]
async fn an_agents_body_is_read_up_to_its_limit() {
    let server = Server::drip(
        "HTTP/1.1 503 X\r\n\r\n",
        "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
    )
    .await;
    assert_eq!(
        attempt(&readiness(&server), LONG).await,
        failed("status 503, expected 200")
    );
    // One that drips too slowly for that is given up on in time.
    let server = Server::answer("HTTP/1.1 503 X\r\nContent-Length: 5\r\n\r\n{").await;
    assert_eq!(
        attempt(&readiness(&server), LONG).await,
        failed("status 503, expected 200")
    );
}

fn unready(json: &str) -> String {
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: {}\r\n\r\n{json}",
        json.len()
    )
}

fn failed(reason: &str) -> Outcome {
    Outcome::Failed(reason.to_owned())
}

fn tcp(address: SocketAddr) -> Probe {
    Probe::Tcp { address }
}

fn http(address: SocketAddr) -> Probe {
    page(address, "/", None, (200, 299))
}

fn page(address: SocketAddr, path: &str, host: Option<&str>, status: (u16, u16)) -> Probe {
    let page = Page {
        path: path.to_owned(),
        host: host.map(str::to_owned),
        status,
    };
    Probe::Http {
        address,
        page: page.into(),
    }
}

fn readiness(server: &Server) -> Probe {
    agent_at(server.address)
}

fn agent_at(address: SocketAddr) -> Probe {
    let agent = Agent::default().into();
    Probe::Readiness { address, agent }
}

/// Serves one connection; its task returns the request.
struct Server {
    address: SocketAddr,
    task: JoinHandle<String>,
}

impl Server {
    async fn start<F>(serve: impl FnOnce(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = String> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            serve(stream).await
        });
        Self { address, task }
    }

    /// Reads the request, answers, and closes.
    async fn answer(answer: &str) -> Self {
        let answer = answer.to_owned();
        Self::start(|mut stream| async move {
            let request = head(&mut stream).await;
            // The probe may have left already.
            let _ = stream.write_all(answer.as_bytes()).await;
            request
        })
        .await
    }

    /// Answers with a start and then the same piece for ever.
    async fn drip(start: &'static str, piece: &'static str) -> Self {
        Self::start(move |mut stream| async move {
            let request = head(&mut stream).await;
            let mut sent = stream.write_all(start.as_bytes()).await;
            while sent.is_ok() {
                sent = stream.write_all(piece.as_bytes()).await;
            }
            request
        })
        .await
    }
}

async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match timeout(LONG, stream.read_u8()).await.unwrap() {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}
