//! No descriptor left: connections wait, nothing breaks, and it passes by itself.

use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use crate::edge::{metric, metrics};
use crate::support::{Server, reserve};

#[test]
fn a_server_without_descriptors_recovers_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    server.open_sale(10, 86_400);
    assert_eq!(reserve(&server.address, "before").unwrap().0, 201);
    let pid = server.child.id().to_string();
    let limited = Command::new("prlimit").args(["--pid", &pid, "--nofile=48:48"]).status();
    assert!(limited.unwrap().success());

    let crowd: Vec<TcpStream> =
        (0..200).map(|_| TcpStream::connect(&server.address).unwrap()).collect();
    std::thread::sleep(Duration::from_millis(300));
    assert!(server.child.try_wait().unwrap().is_none(), "it died of it");

    // Nobody was turned away: whoever waits in the backlog is served once others have gone.
    let address = server.address.clone();
    let waiting = std::thread::spawn(move || reserve(&address, "during").unwrap().0);
    drop(crowd);
    assert_eq!(waiting.join().unwrap(), 201);
    let refused = metric(&metrics(&server.address), "holdfast_accept_failures_total");
    assert!(refused.unwrap() > 0.0, "the limit was never met");
}
