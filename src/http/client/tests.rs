use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;

use super::*;

#[tokio::test]
async fn a_socket_that_is_missing_or_deserted_asks_whether_the_daemon_runs() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("director.sock");
    let mend = "is lvsd director running? `systemctl status lvsd-director`";
    let missing = get(&path, "/v1/status").await.unwrap_err().to_string();
    assert_eq!(
        missing,
        format!(
            "cannot reach {}: no such socket\n    {mend}",
            path.display()
        )
    );
    drop(UnixListener::bind(&path).unwrap());
    let deserted = get(&path, "/v1/status").await.unwrap_err().to_string();
    assert_eq!(
        deserted,
        format!(
            "cannot reach {}: connection refused\n    {mend}",
            path.display()
        )
    );
}

#[tokio::test]
async fn a_daemon_that_does_not_answer_is_given_up_on() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("director.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let limit = Duration::from_millis(20);
    let error = within(limit, &path, Method::GET, "/", Bytes::new())
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::Timeout(_)), "{error}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_is_not_http_is_an_error() {
    for answer in [
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        "",
    ] {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("director.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let answering = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        };
        let (reply, ()) = tokio::join!(get(&path, "/v1/status"), answering);
        let error = reply.unwrap_err();
        assert!(
            matches!(error, ClientError::Exchange { .. }),
            "{answer:?}: {error}"
        );
    }
}
