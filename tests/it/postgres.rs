//! PostgreSQL's own: TLS, passwords, and what is said when there is no coming near it.

use crate::helpers::{Server, on_postgres};

/// A server that is not started, and its database's address: what stands before the host, and what behind it.
fn prepared() -> Option<(Server, String, String)> {
    if !on_postgres() {
        println!("skipped on SQLite: PostgreSQL's own");
        return None;
    }
    let server = Server::prepare(&[]);
    let url = server.database().url();
    let (before, after) = url.split_once("@localhost:").expect("an address of this machine");
    let (before, after) = (before.to_owned(), after.to_owned());
    Some((server, before, after))
}

/// The exit status of a command that needs the database, and what was said.
fn tries(server: &mut Server, url: &str) -> (Option<i32>, String) {
    server.set("HALLPASS_DATABASE_URL", Some(url));
    let done = server.run(&["migrate"]);
    (done.status.code(), format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr)))
}

#[test]
fn a_server_that_cannot_prove_who_it_is_gets_no_password() {
    let Some((mut server, before, after)) = prepared() else { return };
    let ca = std::env::var("TEST_POSTGRES_CA").expect("the authority");
    let address = |host: &str, more: &str| format!("{before}@{host}:{after}&{more}");
    for (host, more) in [
        ("localhost", format!("sslmode=verify-full&sslrootcert={ca}")),
        ("127.0.0.1", format!("sslmode=verify-ca&sslrootcert={ca}")),
        ("localhost", "sslmode=require".to_owned()),
    ] {
        let (status, said) = tries(&mut server, &address(host, &more));
        assert_eq!(status, Some(0), "{host} {more}: {said}");
    }
    for (host, more) in [
        // The certificate is for localhost.
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={ca}")),
        // No authority that everybody knows has signed it.
        ("localhost", "sslmode=verify-full".to_owned()),
        ("localhost", "sslmode=verify-full&sslrootcert=/nowhere/ca.crt".to_owned()),
    ] {
        let (status, said) = tries(&mut server, &address(host, &more));
        assert_eq!(status, Some(1), "{host} {more}: {said}");
        assert!(said.contains("cannot open the database") && !said.contains("panicked"), "{said}");
    }
}

#[test]
fn what_keeps_it_away_is_said_without_the_password() {
    let Some((mut server, before, after)) = prepared() else { return };
    let address = |password: &str, host: &str| {
        let (user, _) = before.rsplit_once(':').expect("a password");
        format!("{user}:{password}@{host}:{after}")
    };
    for (url, word) in [
        (address("a-wrong-guess", "localhost"), "password authentication failed"),
        ("postgres://somebody:a-wrong-guess@localhost:1/x".to_owned(), "refused"),
        ("postgres://somebody:a-wrong-guess@nowhere.invalid/x".to_owned(), "cannot open the database"),
    ] {
        let (status, said) = tries(&mut server, &url);
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains(word) && said.contains("database_url"), "{word}: {said}");
        assert!(!said.contains("a-wrong-guess") && !said.contains("panicked"), "{said}");
        server.set("HALLPASS_DATABASE_URL", Some(&url));
        let shown = server.run(&["config"]);
        assert!(!String::from_utf8_lossy(&shown.stdout).contains("a-wrong-guess"), "{shown:?}");
    }
}
