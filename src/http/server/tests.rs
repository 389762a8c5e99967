use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::http::{bind_tcp, bind_unix, get, post};

#[tokio::test]
async fn the_handler_sees_the_whole_request_and_the_client_its_answer() {
    let server = Server::start(Limits::default());
    let answer = server
        .ask("POST /v1/x?a=b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")
        .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.contains("content-type: text/plain; charset=utf-8\r\n"),
        "{answer}"
    );
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(
        answer.ends_with("POST /v1/x Some(\"a=b\") Some(127.0.0.1) \"abc\"\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_unix_socket_is_asked_with_the_client_and_has_no_peer() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("director.sock");
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = serve(bind_unix(&path).unwrap(), Limits::default(), echo, async {
        let _ = stopped.await;
    });
    let asking = async {
        let reply = get(&path, "/v1/status?x").await.unwrap();
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.body, "GET /v1/status Some(\"x\") None \"\"\n");
        let reply = post(&path, "/v1/drain", "{}").await.unwrap();
        assert_eq!(reply.body, "POST /v1/drain None None \"{}\"\n");
        stop.send(()).unwrap();
    };
    tokio::join!(serving, asking);
    assert!(!path.exists(), "the socket goes with the server");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let server = Server::start(Limits {
        body_bytes: 10,
        ..Limits::default()
    });
    let answer = server
        .ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n01234567890")
        .await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n";
    assert!(server.ask(chunked).await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn a_body_that_stalls_is_refused() {
    let server = Server::start(Limits {
        body: Duration::from_millis(20),
        ..Limits::default()
    });
    let answer = server
        .ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n012")
        .await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_head_beyond_the_limit_is_refused() {
    let server = Server::start(Limits {
        head_bytes: 8192,
        ..Limits::default()
    });
    let answer = server
        .ask(&format!(
            "GET / HTTP/1.1\r\nX: {}\r\n\r\n",
            "x".repeat(9000)
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn garbage_gets_an_error_or_nothing_and_the_server_goes_on() {
    let server = Server::start(Limits {
        head: Duration::from_millis(50),
        ..Limits::default()
    });
    for garbage in [
        "\0\x01\x02\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\r\n\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /",
    ] {
        let answer = server.ask(garbage).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{garbage:?}: {answer}"
        );
    }
    let answer = server.ask("GET / HTTP/1.0\r\n\r\n").await;
    assert!(answer.contains(" 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn silent_clients_are_hung_up_on_and_others_then_get_their_place() {
    let limits = Limits {
        connections: 2,
        head: Duration::from_millis(50),
        ..Limits::default()
    };
    let server = Server::start(limits);
    let mut silent = [server.connect().await, server.connect().await];
    let answer = server.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    for client in &mut silent {
        client
            .read_to_end(&mut Vec::new())
            .await
            .expect("closed by the server");
    }
}

#[tokio::test]
async fn a_client_that_never_reads_its_answer_loses_its_place() {
    let limits = Limits {
        connections: 1,
        exchange: Duration::from_millis(100),
        ..Limits::default()
    };
    let server = Server::start_with(limits, |_| async {
        Response::text(StatusCode::OK, &"x".repeat(32 * 1024 * 1024))
    });
    let mut deaf = server.connect().await;
    deaf.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    let mut next = server.connect().await;
    next.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    let mut start = [0; 15];
    timeout(Duration::from_secs(30), next.read_exact(&mut start))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&start, b"HTTP/1.1 200 OK");
}

#[tokio::test]
async fn one_address_cannot_take_every_place() {
    let server = Server::start(Limits {
        connections_per_peer: 1,
        ..Limits::default()
    });
    let mut first = server.connect().await;
    first.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let mut second = server.connect().await;
    let mut nothing = Vec::new();
    // Closed at once, well before any limit of time.
    let _ = timeout(Duration::from_secs(4), second.read_to_end(&mut nothing))
        .await
        .unwrap();
    assert!(nothing.is_empty());
    first.write_all(b"Host: h\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    first.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_handler_that_panics_costs_only_its_own_connection() {
    let calls = Arc::new(AtomicUsize::new(0));
    let server = Server::start_with(Limits::default(), move |_| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        async move {
            assert_ne!(call, 0, "the first call panics");
            Response::text(StatusCode::OK, "fine")
        }
    });
    assert_eq!(server.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await, "");
    assert!(
        server
            .ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            .await
            .ends_with("fine\n")
    );
}

#[tokio::test]
async fn shutdown_lets_a_running_exchange_finish_and_takes_no_new_one() {
    let (entered_tx, mut entered) = tokio::sync::mpsc::channel(1);
    let go = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&go);
    let limits = Limits {
        grace: Duration::from_secs(60),
        ..Limits::default()
    };
    let mut server = Server::start_with(limits, move |_| {
        let (entered, gate) = (entered_tx.clone(), Arc::clone(&gate));
        async move {
            entered.send(()).await.unwrap();
            let _ = gate.acquire().await;
            Response::text(StatusCode::OK, "finished")
        }
    });
    let mut client = server.connect().await;
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    entered.recv().await.unwrap();
    server.stop.take().unwrap().send(()).unwrap();
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    go.add_permits(1);
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("finished\n"), "{answer}");
    server.task.await.unwrap();
}

#[tokio::test]
async fn shutdown_waits_for_a_silent_client_no_longer_than_the_grace() {
    let limits = Limits {
        grace: Duration::from_millis(10),
        head: Duration::from_secs(600),
        exchange: Duration::from_secs(600),
        ..Limits::default()
    };
    let mut server = Server::start(limits);
    let _silent = server.connect().await;
    server.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    server.stop.take().unwrap().send(()).unwrap();
    timeout(Duration::from_secs(30), server.task)
        .await
        .unwrap()
        .unwrap();
}

async fn echo(request: Request) -> Response {
    let Request {
        method,
        path,
        query,
        peer,
        body,
        ..
    } = request;
    let body = String::from_utf8_lossy(&body);
    Response::text(
        StatusCode::OK,
        &format!("{method} {path} {query:?} {peer:?} {body:?}"),
    )
}

struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    fn start(limits: Limits) -> Self {
        Self::start_with(limits, echo)
    }

    fn start_with<F>(limits: Limits, handler: impl Fn(Request) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response> + Send + 'static,
    {
        let listener = bind_tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(listener, limits, handler, async {
            let _ = stopped.await;
        }));
        Self {
            address,
            stop: Some(stop),
            task,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends the text and reads until the server hangs up.
    async fn ask(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A reset after the answer is no fault of the answer.
        let _ = timeout(Duration::from_secs(30), stream.read_to_end(&mut answer))
            .await
            .unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

#[tokio::test]
async fn lines_go_on_beyond_the_limit_of_an_exchange_as_the_reader_takes_them() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("director.sock");
    let limits = Limits {
        exchange: Duration::from_millis(50),
        ..Limits::default()
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let handler = |_| async {
        let lines = futures_util::stream::unfold(0, |n| async move {
            sleep(Duration::from_millis(30)).await;
            Some((Bytes::from(format!("{n}\n")), n + 1))
        });
        Answer::Lines(Box::pin(lines))
    };
    let serving = serve(bind_unix(&path).unwrap(), limits, handler, async {
        let _ = stopped.await;
    });
    let asking = async {
        let mut heard = String::new();
        let asked = crate::http::follow(&path, "/", |lines| {
            heard.push_str(&String::from_utf8_lossy(&lines));
            if heard.ends_with("9\n") {
                std::ops::ControlFlow::Break(())
            } else {
                std::ops::ControlFlow::Continue(())
            }
        });
        assert_eq!(asked.await.unwrap(), None);
        assert_eq!(heard, "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n");
        stop.send(()).unwrap();
    };
    tokio::join!(serving, asking);
}

#[tokio::test]
async fn a_refusal_to_tell_lines_is_told_whole() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("director.sock");
    let (stop, stopped) = oneshot::channel::<()>();
    let handler = |_| async { Response::not_found() };
    let serving = serve(
        bind_unix(&path).unwrap(),
        Limits::default(),
        handler,
        async {
            let _ = stopped.await;
        },
    );
    let asking = async {
        let asked = crate::http::follow(&path, "/", |_| std::ops::ControlFlow::Continue(()));
        let reply = asked.await.unwrap().unwrap();
        assert_eq!(reply.status, StatusCode::NOT_FOUND);
        stop.send(()).unwrap();
    };
    tokio::join!(serving, asking);
}
