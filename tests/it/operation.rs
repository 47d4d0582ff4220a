//! The real program from its first start to its end, as an operator sees it.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::helpers::{EMAIL, NAME, PASSWORD, Server, WireBrowser, encode, on_postgres, only_on_sqlite};

/// The path and query of the set-up link, if one was printed.
fn setup_link(server: &Server) -> Option<String> {
    let start = server.greeting.find("/setup?token=")?;
    Some(server.greeting[start..].lines().next()?.to_owned())
}

fn set_up(browser: &mut WireBrowser, link: &str, email: &str) -> crate::helpers::Page {
    let form = browser.get(link).form("/setup");
    let body = encode(&form.filled(&[("name", NAME), ("email", email), ("password", PASSWORD)]));
    browser.send("POST", "/setup", Some(&body)).expect("an answer")
}

fn modes(server: &Server) -> Vec<(String, u32)> {
    let data = fs::read_dir(server.folder().join("data")).expect("the folder of the database");
    let mode = |entry: &fs::DirEntry| entry.metadata().expect("its metadata").permissions().mode() & 0o777;
    let mut files: Vec<_> =
        data.flatten().map(|entry| (entry.file_name().display().to_string(), mode(&entry))).collect();
    files.sort();
    files
}

#[test]
fn it_starts_in_an_empty_folder_and_its_set_up_link_makes_one_administrator_once() {
    let mut server = Server::start(&[]);
    assert!(server.greeting.contains(&format!("http://localhost:{}", server.port())), "{}", server.greeting);
    let names: Vec<_> = modes(&server).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.contains(&"hallpass.db".to_owned()), !on_postgres(), "{names:?}");
    assert!(names.contains(&"hallpass.secret".to_owned()), "{names:?}");
    assert!(on_postgres() || modes(&server).iter().all(|(_, mode)| *mode == 0o600), "{:?}", modes(&server));
    assert_eq!(WireBrowser::new(&server).get("/static/../Cargo.toml").status, 404);

    let link = setup_link(&server).expect("a link");
    assert!(!server.log().contains(link.split('=').nth(1).expect("a token")), "the link is in the log");
    let mut browser = WireBrowser::new(&server);
    assert_eq!(set_up(&mut browser, &link, EMAIL).location(), Some("/account"));
    assert!(browser.get("/account").has("You are an administrator."));
    let mut late = WireBrowser::new(&server);
    assert_eq!(late.get(&link).status, 404);

    let secret = fs::read(server.folder().join("data/hallpass.secret")).expect("a secret");
    assert!(server.stop());
    server.launch();
    assert_eq!(setup_link(&server), None, "{}", server.greeting);
    assert_eq!(browser.get("/account").status, 200, "logged out by a restart");
    assert_eq!(fs::read(server.folder().join("data/hallpass.secret")).expect("a secret"), secret);
    assert!(on_postgres() || modes(&server).iter().all(|(_, mode)| *mode == 0o600), "{:?}", modes(&server));
}

#[test]
fn a_set_up_link_of_an_earlier_start_is_good_no_more() {
    let mut server = Server::start(&[]);
    let first = setup_link(&server).expect("a link");
    server.kill();
    server.launch();
    let second = setup_link(&server).expect("a link while there is no account");
    let mut browser = WireBrowser::new(&server);
    assert_eq!(browser.get(&first).status, 404);
    assert_eq!(set_up(&mut browser, &second, EMAIL).location(), Some("/account"));
}

#[test]
fn a_stopped_server_leaves_everything_in_one_database_file() {
    if !only_on_sqlite("a file of the program's own") {
        return;
    }
    let mut server = Server::start(&[]);
    assert!(server.stop());
    let names: Vec<_> = modes(&server).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["hallpass.db", "hallpass.secret"], "a copy of the database file would not be complete");
}

#[test]
fn a_port_in_use_is_said() {
    let server = Server::prepare(&[]);
    let taken = TcpListener::bind(("127.0.0.1", server.port())).expect("the port");
    let output = server.run(&[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("in use") && said.contains("ROCKET_PORT") && !said.contains("panicked"), "{said}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("is ready"));
    drop(taken);
}

#[test]
fn systemd_is_told_when_the_server_is_ready_and_when_it_stops() {
    let mut server = Server::prepare(&[]);
    server.add_user();
    let path = server.folder().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
    let told = || {
        let mut buffer = [0; 100];
        let length = socket.recv(&mut buffer).expect("told");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    server.set("NOTIFY_SOCKET", path.to_str());
    // Of a command, nothing.
    assert!(server.run(&["user", "list"]).status.success());
    server.launch();
    assert_eq!(told(), "READY=1\n");
    assert!(server.stop());
    assert_eq!(told(), "STOPPING=1\n");
}

#[test]
fn a_server_that_is_to_stop_says_so_before_it_refuses_anybody() {
    let mut server = Server::start(&[("HALLPASS_SHUTDOWN_DELAY_SECONDS", "2")]);
    let mut browser = WireBrowser::new(&server);
    assert_eq!(browser.get("/readyz").status, 200);
    let process = server.process().to_string();
    let began = Instant::now();
    assert!(Command::new("kill").args(["-TERM", &process]).status().is_ok_and(|done| done.success()));
    while browser.get("/readyz").status != 503 {
        assert!(began.elapsed() < Duration::from_secs(1), "it does not say that it stops");
    }
    assert_eq!(browser.get("/readyz").body, "stopping\n");
    assert_eq!(browser.get("/login").status, 200);
    // What `stop` sends is the second: who is in a hurry need not wait.
    assert!(server.stop());
    let hurried = began.elapsed();
    assert!(hurried < Duration::from_secs(2), "{hurried:?}");

    server.launch();
    let (process, began) = (server.process().to_string(), Instant::now());
    assert!(Command::new("kill").args(["-TERM", &process]).status().is_ok_and(|done| done.success()));
    while WireBrowser::new(&server).send("GET", "/healthz", None).is_ok() {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn log_ins_under_way_are_answered_before_the_server_stops() {
    // So much memory that one log-in takes a second or so; they are done one or few at a time.
    let mut server = Server::prepare(&[("HALLPASS_ARGON2_MEMORY_KIB", "262144"), ("HALLPASS_ARGON2_ITERATIONS", "4")]);
    server.add_user();
    server.launch();
    let prepared: Vec<_> = (0..4)
        .map(|_| {
            let mut browser = WireBrowser::new(&server);
            let form = browser.get("/login").form("/login");
            (browser, encode(&form.filled(&[("email", EMAIL), ("password", PASSWORD)])))
        })
        .collect();
    let send = |(mut browser, body): (WireBrowser, String)| {
        std::thread::spawn(move || browser.send("POST", "/login", Some(&body)))
    };
    let log_ins: Vec<_> = prepared.into_iter().map(send).collect();
    std::thread::sleep(Duration::from_millis(150));
    assert!(!log_ins.iter().any(|log_in| log_in.is_finished()), "too fast to show anything");
    assert!(server.stop());
    for log_in in log_ins {
        let answer = log_in.join().expect("no panic").expect("an answer, not a broken connection");
        assert_eq!((answer.status, answer.location()), (303, Some("/account")), "{}", answer.body);
        assert!(answer.delivers());
    }
}

/// What is resident, in MiB; proc_pid_status(5).
#[cfg(target_os = "linux")]
fn resident(server: &Server) -> i64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.process())).expect("a running server");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse::<i64>().expect("a number") / 1024
}

#[test]
#[cfg(target_os = "linux")]
fn the_memory_of_log_ins_is_given_back_each_time() {
    let mut server = Server::prepare(&[("HALLPASS_ARGON2_MEMORY_KIB", "30720"), ("HALLPASS_ARGON2_ITERATIONS", "1")]);
    server.add_user();
    server.launch();
    let log_in = || {
        let mut browser = WireBrowser::new(&server);
        let form = browser.get("/login").form("/login");
        let body = encode(&form.filled(&[("email", EMAIL), ("password", PASSWORD)]));
        assert_eq!(browser.send("POST", "/login", Some(&body)).expect("an answer").status, 303);
    };
    // What else a first log-in needs is less than half of what Argon2 takes.
    let rest = resident(&server) + 15;
    // More than once: an allocator may keep for good what it has seen come back.
    for _ in 0..3 {
        log_in();
        assert!(resident(&server) > rest, "too little to show anything");
        let end = Instant::now() + Duration::from_secs(10);
        while resident(&server) > rest {
            assert!(Instant::now() < end, "{} MiB are kept", resident(&server));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn connections_on_which_nothing_happens_do_not_hold_up_the_end() {
    let mut server = Server::start(&[]);
    let connect = || TcpStream::connect(("127.0.0.1", server.port())).expect("a connection");
    let mut idle: Vec<_> = (0..5).map(|_| connect()).collect();
    for stream in &mut idle {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
        assert!(stream.read(&mut [0; 4096]).expect("an answer") > 0);
    }
    let silent = connect();
    let mut half = connect();
    half.write_all(b"GET /healthz HTT").expect("sent");
    // Until the server has read that half.
    std::thread::sleep(Duration::from_millis(500));
    let began = Instant::now();
    assert!(server.stop());
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    drop((idle, silent, half));
}
