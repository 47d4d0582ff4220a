//! PostgreSQL's own: TLS, passwords, and what is said when there is no coming near it.

use std::process::Command;
use std::time::Duration;

use figment::Figment;
use hallpass::config::Config;
use hallpass::db::Db;
use rocket::tokio;
use sqlx::{AnyConnection, Connection, Executor, Row};

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
    let Ok(ca) = std::env::var("TEST_POSTGRES_CA") else { return println!("skipped: this server has no TLS") };
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

/// Who gave up waiting while the database stood still left transactions open of which nobody knew: what came after on
/// those connections was answered, and never committed.
#[rocket::async_test]
async fn after_a_standstill_what_is_answered_is_committed() {
    let Ok(server) = std::env::var("TEST_POSTGRES") else { return println!("skipped on SQLite: PostgreSQL's own") };
    sqlx::any::install_default_drivers();
    let mut outside = AnyConnection::connect(&server).await.expect("the server");
    let name = format!("standstill_{}", std::process::id());
    outside.execute(sqlx::AssertSqlSafe(format!("create database {name}"))).await.expect("a database");
    let url = format!("{}/{name}", server.rsplit_once('/').expect("the name of a database").0);
    let figment = Figment::from(rocket::Config::default())
        .merge(("hallpass.database_url", url.as_str()))
        .merge(("hallpass.database_timeout_seconds", 1));
    let db = Db::open(&Config::read(&figment).expect("settings")).await.expect("a database");
    db.execute(sqlx::query("create table counts (count bigint not null)")).await.expect("a table");
    db.execute(sqlx::query("insert into counts values (0)")).await.expect("a row");
    let warm: Vec<_> = (0..8)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                db.fetch_one(sqlx::query("select cast(1 as bigint) as one from pg_sleep(0.1)")).await.map(drop)
            })
        })
        .collect();
    for one in warm {
        one.await.expect("joined").expect("a connection");
    }

    let workers = sqlx::query("select pid from pg_stat_activity where datname = $1").bind(&name);
    let workers: Vec<i32> =
        workers.fetch_all(&mut outside).await.expect("workers").iter().map(|row| row.get("pid")).collect();
    assert!(workers.len() >= 4, "{workers:?}");
    let signal = |name: &str| {
        let workers = workers.iter().map(ToString::to_string);
        assert!(Command::new("kill").arg(name).args(workers).status().is_ok_and(|done| done.success()));
    };
    signal("-STOP");
    let begun: Vec<_> = (0..8)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.begin().await.map(drop) })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(2_300)).await;
    signal("-CONT");
    for one in begun {
        assert!(one.await.expect("joined").is_err(), "nobody stood still");
    }
    let mut counted = 0;
    for _ in 0..50 {
        counted += i64::from(db.execute(sqlx::query("update counts set count = count + 1")).await.is_ok());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(counted > 20, "it does not recover: {counted}");
    let mut reader = AnyConnection::connect(&url).await.expect("a reader");
    let row = sqlx::query("select count from counts").fetch_one(&mut reader).await.expect("a row");
    assert_eq!(row.get::<i64, _>("count"), counted, "what was answered is not there");
    reader.close().await.expect("closed");
    db.close().await;
}

/// Over TLS, sqlx waits for a server that stands still to close a connection that is given up.
#[rocket::async_test]
async fn connections_that_do_not_answer_are_let_go_of() {
    let Ok(server) = std::env::var("TEST_POSTGRES") else { return println!("skipped on SQLite: PostgreSQL's own") };
    if std::env::var_os("TEST_POSTGRES_CA").is_none() {
        return println!("skipped: this server has no TLS");
    }
    let name = format!("hallpass-silent-{}", std::process::id());
    let url = format!("{server}?sslmode=require");
    let figment = Figment::from(rocket::Config::default())
        .merge(("hallpass.database_url", url.as_str()))
        .merge(("hallpass.database_connections", 1))
        .merge(("hallpass.database_timeout_seconds", 1));
    let db = Db::open(&Config::read(&figment).expect("settings")).await.expect("a database");
    let mine = async || {
        let named = sqlx::query("select pg_backend_pid() as pid, set_config('application_name', $1, false) as name");
        let one = db.fetch_one(named.bind(name.clone())).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok::<i32, hallpass::db::DbError>(one.get("pid"))
    };
    let silent = mine().await.expect("a connection");
    let signal = |name: &str| {
        let done = Command::new("kill").args([name, &silent.to_string()]).status();
        assert!(done.is_ok_and(|done| done.success()));
    };
    signal("-STOP");
    let mut answered = 0;
    for _ in 0..12 {
        answered += usize::from(mine().await.is_ok_and(|other| other != silent));
    }
    // It ends by itself only when it goes on.
    db.close().await;
    signal("-CONT");
    assert!(answered >= 8, "it does not recover: {answered}");
}
