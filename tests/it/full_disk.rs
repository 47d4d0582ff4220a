//! No space left: 503 in words, cookies stay, nothing is lost, and it goes on when there is space again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::helpers::{EMAIL, PASSWORD, Page, Server, WireBrowser, encode, only_on_sqlite};

/// A small file system in memory; mounted by root only.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir_all(at).expect("a folder");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(at.to_owned()))
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    fn fill(&self) {
        use std::io::Write;
        let mut file = fs::File::create(self.filler()).expect("a file");
        while file.write_all(&[0; 1024]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.filler()).expect("removed");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Writes until what SQLite had in reserve is used up.
fn when_refused(browser: &WireBrowser, body: &str) -> Page {
    for _ in 0..2000 {
        let page = browser.send_and_lose("POST", "/account/profile", Some(body)).expect("an answer");
        assert!(matches!(page.status, 303 | 503), "{page:?}");
        if page.status == 503 {
            return page;
        }
    }
    panic!("a full disk is not noticed");
}

#[test]
fn a_full_disk_loses_nothing_and_logs_nobody_out() {
    if !only_on_sqlite("a disk of the program's own") {
        return;
    }
    let mut server = Server::prepare(&[]);
    let Some(disk) = Disk::mount(&server.folder().join("data")) else {
        println!("skipped: a file system of its own can be mounted by root only");
        return;
    };
    server.add_user();
    server.launch();
    let mut browser = WireBrowser::new(&server);
    let page = browser.log_in();
    disk.fill();

    let body = encode(&page.form("/account/profile").filled(&[("name", &"x".repeat(100))]));
    let answer = when_refused(&browser, &body);
    assert!(answer.header("retry-after").is_some() && answer.has("nothing that was saved is lost"), "{answer:?}");
    assert!(answer.set_cookie_lines().is_empty(), "{answer:?}");

    // An expired access token: the rotation cannot be written.
    let mut rotating = browser.clone();
    rotating.jar.remove("access_token");
    let answer = rotating.get("/account");
    assert_eq!((answer.status, answer.set_cookie_lines().is_empty()), (503, true), "{answer:?}");
    let mut stranger = WireBrowser::new(&server);
    let form = stranger.get("/login").form("/login");
    let body = encode(&form.filled(&[("email", EMAIL), ("password", PASSWORD)]));
    assert_eq!(stranger.send("POST", "/login", Some(&body)).expect("an answer").status, 503);
    assert_eq!(browser.get("/account").status, 200, "reads go on");

    // Not even a restart is harmed.
    server.kill();
    disk.free();
    server.launch();
    assert_eq!(browser.get("/account").status, 200, "logged out by a full disk");
    let page = rotating.get("/account");
    assert!(page.status == 200 && page.delivers(), "logged out by a full disk");
    assert_eq!(stranger.send("POST", "/login", Some(&body)).expect("an answer").status, 303);

    disk.fill();
    let name = encode(&page.form("/account/profile").filled(&[("name", "Ann B.")]));
    when_refused(&browser, &name);
    disk.free();
    rotating.jar.remove("access_token");
    assert_eq!(rotating.get("/account").status, 200, "it does not recover by itself");
    assert_eq!(stranger.send("POST", "/login", Some(&body)).expect("an answer").status, 303, "nor do transactions");
    assert_eq!(browser.send("POST", "/account/profile", Some(&name)).expect("an answer").status, 303);
}
