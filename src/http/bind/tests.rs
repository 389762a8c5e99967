use std::net::TcpStream;
use std::os::unix::net::UnixListener as StdUnixListener;

use tempfile::TempDir;

use super::*;

#[tokio::test]
async fn a_taken_port_is_named_with_the_command_that_finds_its_owner() {
    let first = bind_tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = first.local_addr().unwrap();
    let text = bind_tcp(address).unwrap_err().to_string();
    assert_eq!(
        text,
        format!(
            "cannot listen on {address}: port taken\n    another process listens there: \
             `ss -ltnp 'sport = :{}'`",
            address.port()
        )
    );
}

#[tokio::test]
async fn an_address_of_another_host_is_named_as_such() {
    let text = bind_tcp("192.0.2.1:0".parse().unwrap())
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("192.0.2.1:0: no interface of this host"),
        "{text}"
    );
}

#[tokio::test]
async fn no_address_of_ipv6_means_every_address_of_ipv4_too() {
    let both = bind_tcp("[::]:0".parse().unwrap()).unwrap();
    let port = both.local_addr().unwrap().port();
    for ip in ["127.0.0.1", "::1"] {
        let ip: IpAddr = ip.parse().unwrap();
        TcpStream::connect((ip, port)).unwrap_or_else(|error| panic!("{ip}: {error}"));
    }
}

#[test]
fn only_for_every_address_does_ipv4_stand_in_for_ipv6() {
    let lacks = |address: &str, errno: Errno| {
        let error = io::Error::from(errno);
        lacks_ipv6(address.parse().unwrap(), &error)
    };
    assert!(lacks("[::]:9480", Errno::EAFNOSUPPORT));
    assert!(!lacks("[::]:9480", Errno::EADDRINUSE));
    assert!(!lacks("[::1]:9480", Errno::EAFNOSUPPORT));
    assert!(!lacks("0.0.0.0:9480", Errno::EADDRNOTAVAIL));
}

#[tokio::test]
async fn a_unix_socket_is_for_its_owner_and_group_and_goes_with_its_listener() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("run/lvsd/director.sock");
    let socket = bind_unix(&path).unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    drop(socket);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_socket_file_nobody_listens_on_is_replaced() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("director.sock");
    drop(StdUnixListener::bind(&path).unwrap());
    assert!(path.exists(), "a crash leaves the file");
    let _socket = bind_unix(&path).unwrap();
    UnixStream::connect(&path).unwrap();
}

#[tokio::test]
async fn a_second_start_is_told_that_another_director_runs() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("director.sock");
    let first = bind_unix(&path).unwrap();
    let text = bind_unix(&path).unwrap_err().to_string();
    assert!(text.contains("another lvsd director is running"), "{text}");
    assert!(text.contains("systemctl stop lvsd-director"), "{text}");
    UnixStream::connect(&path).expect("the first still listens");
    // Even without the file the lock tells.
    fs::remove_file(&path).unwrap();
    assert!(matches!(
        bind_unix(&path),
        Err(BindError::AlreadyRunning { .. })
    ));
    drop(first);
    bind_unix(&path).unwrap();
}

#[tokio::test]
async fn a_stranger_who_listens_there_is_not_replaced() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("realserver.sock");
    let _stranger = StdUnixListener::bind(&path).unwrap();
    let text = bind_unix(&path).unwrap_err().to_string();
    assert!(
        text.contains("another lvsd realserver is running"),
        "{text}"
    );
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("director.sock");
    fs::write(&path, "precious").unwrap();
    assert!(matches!(bind_unix(&path), Err(BindError::NotASocket(_))));
    assert_eq!(fs::read(&path).unwrap(), b"precious");
}
