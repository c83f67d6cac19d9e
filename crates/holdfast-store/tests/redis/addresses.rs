//! Addresses that are not what they say: what is there instead is said, and whether to wait.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use holdfast_store::redis::{Dial, RedisStore, Why};
use holdfast_store::{Clock, Store, SystemClock};
use holdfast_testkit::{Port, Redis, RedisOptions, Sentinel, SentinelOptions};

use crate::rig::{Row, append, at, dial, node, options};

/// Why there is no master at an address.
fn refused(address: &str) -> Why {
    dial(address, 1).master().err().unwrap_or_else(|| panic!("{address} is taken"))
}

/// It does not pass by itself, and it is said what it is.
#[track_caller]
fn lasts(address: &str, words: &[&str]) {
    let why = refused(address);
    let all = words.iter().all(|word| why.words().contains(word));
    assert!(all && why.is_lasting(), "{address}: {why}");
    assert!(!why.words().contains("s3cret"), "{why}");
}

#[track_caller]
fn passes(address: &str, words: &str) {
    let why = refused(address);
    assert!(why.words().contains(words) && !why.is_lasting(), "{address}: {why}");
}

#[test]
fn whoever_is_not_let_in_hears_it_at_once_and_what_to_do() {
    let open = Redis::start(&RedisOptions::default()).unwrap();
    let port = open.port();
    lasts(&format!("redis://:s3cret-x@127.0.0.1:{port}"), &["ERR AUTH", "user and password"]);
    lasts(&format!("redis://me:s3cret-x@127.0.0.1:{port}"), &["WRONGPASS"]);
    let _: String = open.ask(&["CONFIG", "SET", "requirepass", "s3cret"]).unwrap();
    lasts(&format!("redis://127.0.0.1:{port}"), &["NOAUTH", "user:password@", "--store-file"]);
    lasts(&format!("redis://:s3cret-x@127.0.0.1:{port}"), &["WRONGPASS"]);
    // The control.
    dial(&format!("redis://:s3cret@127.0.0.1:{port}"), 1).master().unwrap();
}

#[test]
fn what_is_no_data_node_and_what_is_no_sentinel_is_named() {
    let server = Redis::start(&RedisOptions::default()).unwrap();
    let sentinel = Sentinel::start(server.port(), &SentinelOptions::default()).unwrap();
    let (data, sentinel) = (server.address(), sentinel.address());
    let shop = format!("say redis+sentinel://{sentinel}/");
    lasts(&format!("redis://{sentinel}"), &["is a Sentinel", &shop, "it knows shop"]);
    let say = format!("say redis://{data}");
    lasts(&format!("redis+sentinel://{data}/shop"), &["no Sentinel", &say]);
    let unknown = format!("redis+sentinel://{sentinel}/main");
    lasts(&unknown, &["knows no master main", "it knows shop"]);
    // The control.
    dial(&format!("redis+sentinel://{sentinel}/shop"), 1).master().unwrap();
}

#[test]
fn a_sentinel_with_a_password_is_asked_with_it() {
    let server = Redis::start(&RedisOptions::default()).unwrap();
    let sentinel = Sentinel::start(server.port(), &SentinelOptions::default()).unwrap();
    let at = sentinel.address();
    let user = ["ACL", "SETUSER", "asks", "on", ">s3cret&2", "+@all"];
    let _: String = sentinel.ask(&user).unwrap();
    let _: String = sentinel.ask(&["ACL", "SETUSER", "default", "resetpass", ">s3cret"]).unwrap();
    lasts(&format!("redis+sentinel://{at}/shop"), &["NOAUTH", "?sentinel_password="]);
    // The password before the @ is the data nodes' own.
    lasts(&format!("redis+sentinel://:s3cret@{at}/shop"), &["the Sentinel at", "NOAUTH"]);
    lasts(&format!("redis+sentinel://{at}/shop?sentinel_password=s3cretly"), &["WRONGPASS"]);
    for login in ["sentinel_password=s3cret", "sentinel_username=asks&sentinel_password=s3cret%262"]
    {
        dial(&format!("redis+sentinel://{at}/shop?{login}"), 1).master().unwrap();
    }
    let _: String = server.ask(&["CONFIG", "SET", "requirepass", "s3cret-3"]).unwrap();
    let both = format!("redis+sentinel://:s3cret-3@{at}/shop?sentinel_password=s3cret");
    dial(&both, 1).master().unwrap();
    lasts(&format!("redis+sentinel://{at}/shop?sentinel_password=s3cret"), &["Redis at", "NOAUTH"]);
}

#[test]
fn addresses_of_ipv6_are_reached() {
    if TcpListener::bind("[::1]:0").is_err() {
        println!("this machine has no IPv6: not tested");
        return;
    }
    let bind = vec!["bind 127.0.0.1 ::1".to_owned()];
    let options = RedisOptions { settings: bind.clone(), ..RedisOptions::default() };
    let server = Redis::start(&options).unwrap();
    let options = SentinelOptions { settings: bind, ..SentinelOptions::default() };
    let sentinel = Sentinel::start(server.port(), &options).unwrap();
    dial(&format!("redis://[::1]:{}", server.port()), 1).master().unwrap();
    let port = sentinel.address().port();
    dial(&format!("redis+sentinel://[::1]:{port}/shop"), 1).master().unwrap();
}

/// A certificate for localhost, and its key.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2"]);
    openssl.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-out"]);
    let made = openssl.arg(&certificate).arg("-keyout").arg(&key).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    (certificate, key)
}

#[test]
fn tls_where_there_is_none_and_none_where_there_is_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path());
    let port = Port::claim().unwrap();
    let settings = vec![
        format!("tls-port {}", port.number()),
        format!("tls-cert-file {}", certificate.display()),
        format!("tls-key-file {}", key.display()),
        format!("tls-ca-cert-file {}", certificate.display()),
        "tls-auth-clients no".to_owned(),
    ];
    let options = RedisOptions { settings, ..RedisOptions::default() };
    let server = Redis::start(&options).unwrap();
    let (plain, tls) = (server.port(), port.number());
    lasts(&format!("rediss://localhost:{plain}"), &["does not speak TLS", "say redis://"]);
    lasts(&format!("redis://localhost:{tls}"), &["speaks TLS", "say rediss://"]);
    lasts(&format!("rediss://localhost:{tls}"), &["not trusted", "SSL_CERT_FILE"]);
}

#[test]
fn what_may_come_yet_is_waited_for() {
    let port = Port::claim().unwrap();
    passes(&format!("redis://127.0.0.1:{}", port.number()), "refused");
    passes(&format!("redis+sentinel://127.0.0.1:{}/shop", port.number()), "refused");
    let master = Redis::start(&RedisOptions::default()).unwrap();
    let replica = RedisOptions { replica_of: Some(master.port()), ..RedisOptions::default() };
    let replica = Redis::start(&replica).unwrap();
    replica.await_link().unwrap();
    let is_one = format!("is a replica of 127.0.0.1:{}: name that one as well", master.port());
    passes(&format!("redis://{}", replica.address()), &is_one);
    // The control.
    at(&[replica.port(), master.port()]).master().unwrap();
}

#[test]
fn a_server_that_still_loads_its_files_is_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut asked = [0; 1 << 16];
            while let Ok(length @ 1..) = stream.read(&mut asked) {
                let is_role = asked[..length].windows(4).any(|word| word == b"ROLE");
                let role = &b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"[..];
                let loads = b"-LOADING Redis is loading the dataset in memory\r\n";
                let answer = if is_role { role.to_vec() } else { loads.repeat(2) };
                let _ = stream.write_all(&answer);
            }
        }
    });
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut heard = Vec::new();
    let rest = &mut |why: &str| {
        heard.push(why.to_owned());
        std::thread::sleep(Duration::from_millis(10));
    };
    let (row, patience) = (Box::new(Row::default()), Duration::from_millis(200));
    let opened = RedisStore::open(options(1), at(&[port]), row, &clock, patience, rest);
    assert!(opened.err().unwrap().to_string().contains("LOADING"));
    assert!(heard.iter().any(|why| why.contains("LOADING")), "{heard:?}");
}

#[test]
fn a_master_that_nobody_follows_is_not_taken_while_there_is_another() {
    let deposed = Redis::start(&RedisOptions::default()).unwrap();
    let master = Redis::start(&RedisOptions::default()).unwrap();
    let replica = RedisOptions { replica_of: Some(master.port()), ..RedisOptions::default() };
    let replica = Redis::start(&replica).unwrap();
    replica.await_link().unwrap();
    let all = at(&[deposed.port(), master.port(), replica.port()]);
    let mut one = node(&all, &Row::default(), 3);
    let log = one.create("sale").unwrap();
    append(&mut one, log, "first").unwrap();
}
