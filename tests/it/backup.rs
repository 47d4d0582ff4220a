//! A backup is made while the site runs, and after going back to it nobody is logged out.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::helpers::{Server, WireBrowser, encode, on_postgres, only_on_sqlite};

/// A server whose access tokens last a second, and browsers that are logged in.
fn busy() -> (Server, Vec<WireBrowser>) {
    let mut server = Server::prepare(&[("HALLPASS_ACCESS_TOKEN_TTL_SECONDS", "1")]);
    server.add_user();
    server.launch();
    let browsers = (0..5).map(|_| {
        let mut browser = WireBrowser::new(&server);
        browser.log_in();
        browser
    });
    let browsers = browsers.collect();
    (server, browsers)
}

fn rename(browser: &mut WireBrowser, name: &str) {
    let form = browser.visit("/account").form("/account/profile");
    let body = encode(&form.filled(&[("name", name)]));
    assert_eq!(browser.send("POST", "/account/profile", Some(&body)).expect("an answer").status, 303);
}

/// Several generations further.
fn go_on(browsers: &mut [WireBrowser]) {
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(1_100));
        for browser in &mut *browsers {
            assert_eq!(browser.visit("/account").status, 200);
        }
    }
}

#[test]
fn after_going_back_to_a_backup_nobody_is_logged_out() {
    let (mut server, mut browsers) = busy();
    let backup = server.folder().join("backup.db");
    rename(&mut browsers[0], "Before");
    if on_postgres() {
        server.database().back_up(&backup);
    } else {
        // Somebody writes all the while.
        let done = std::thread::scope(|scope| {
            let writing = scope.spawn(|| (0..20).for_each(|_| rename(&mut browsers[0].clone(), "Before")));
            let done = server.run(&["backup", "backup.db"]);
            writing.join().expect("written");
            done
        });
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && said.contains("backup.db") && said.contains("hallpass.secret"), "{done:?}");
        assert_eq!(backup.metadata().expect("a file").permissions().mode() & 0o777, 0o600);
    }
    rename(&mut browsers[0], "After");
    go_on(&mut browsers);
    assert!(server.stop());
    server.database().restore(&backup);
    server.launch();
    for browser in &mut browsers {
        let page = browser.visit("/account");
        assert_eq!((page.status, page.has("Before"), page.has("After")), (200, true, false), "{page:?}");
    }
    go_on(&mut browsers);
}

#[test]
fn a_backup_overwrites_nothing_and_leaves_nothing_half_done() {
    if !only_on_sqlite("PostgreSQL has pg_dump") {
        return;
    }
    let (server, _) = busy();
    std::fs::write(server.folder().join("diary.txt"), "Dear diary").expect("written");
    for (file, word) in [("diary.txt", "exists already"), ("nowhere/backup.db", "nowhere/backup.db"), ("/", "/")] {
        let done = server.run(&["backup", file]);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.code() == Some(1) && said.contains(word) && !said.contains("panicked"), "{file}: {said}");
    }
    assert_eq!(std::fs::read(server.folder().join("diary.txt")).expect("the file"), b"Dear diary");
    // What a backup left that was killed is in nobody's way.
    std::fs::write(server.folder().join("backup.db.part"), "half of it").expect("written");
    assert!(server.run(&["backup", "backup.db"]).status.success());
    assert!(!server.folder().join("backup.db.part").exists());
}

#[test]
fn what_is_no_database_of_hallpass_is_not_backed_up() {
    if !only_on_sqlite("PostgreSQL has pg_dump") {
        return;
    }
    let server = Server::prepare(&[]);
    let refused = |word: &str| {
        let done = server.run(&["backup", "backup.db"]);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.code() == Some(1) && said.contains(word), "{said}");
        assert!(!server.folder().join("backup.db").exists());
    };
    refused("data/hallpass.db");
    assert!(server.is_untouched(), "an empty database was made");
    std::fs::create_dir(server.folder().join("data")).expect("a folder");
    std::fs::write(server.folder().join("data/hallpass.db"), "").expect("written");
    refused("has never been started");
}

#[test]
fn on_postgresql_a_backup_says_which_program_to_use() {
    if !on_postgres() {
        return;
    }
    let server = Server::prepare(&[]);
    let done = server.run(&["backup", "backup.db"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&done.stderr).contains("pg_dump"), "{done:?}");
}
