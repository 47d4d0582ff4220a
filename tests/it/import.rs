//! Accounts of another system, brought by the command line and used through the site's own doors.

use std::fs;
use std::process::Output;

use crate::helpers::{Page, Server, WireBrowser, encode};

const CHEAP: [(&str, &str); 2] = [("HALLPASS_ARGON2_MEMORY_KIB", "8"), ("HALLPASS_ARGON2_ITERATIONS", "1")];

// Made by Django 5.2, Werkzeug 3.1, passlib 1.7.4, bcrypt 5.0 and argon2-cffi 25.1 themselves.
const PASSWORD: &str = "kühle Quitten am Morgen";
const DJANGO: &str = "pbkdf2_sha256$1000$wxoCbIHOLHOirfxbe68dE2$zNPL2dTKDjvZyJah4n1m1XNL6xjcMBIhtIhttptzd98=";
const WERKZEUG: &str = "scrypt:1024:8:1$8iJT705vUCfxSWq8$1cc28b6352b092ba6d54d3e9b06a23f72784a32a28a283aa537035b62d26baab4b9d8210a989bbf93851df83d89c9108cba88cea79471326147beb6c031c95c7";
const PASSLIB: &str = "$pbkdf2-sha256$1000$CiEkJOS813pvLSUEIERoDQ$Bg1sPxo1FIgLqT84Rv.wQZwDjN.p9.WiFghb/aKBTA4";
const BCRYPT: &str = "$2b$04$NSIFf2DR9j3i0e3qPC2eO.gOoBirIq9B.uTKeE44mseSOef3hiIrS";
const ARGON2: &str = "$argon2i$v=19$m=32,t=1,p=1$c2l4dGVlbiBieXRlcyBvaw$7ieOURPOyNMGzKXUuRR03Kz9+49t9lqh1QitNxMr9J8";
const TWIN: &str = "$argon2id$v=19$m=32,t=1,p=1$c2l4dGVlbiBieXRlcyBvaw$eo79N+smmHxhcpRnIZBwwhaLxN1AQMzE6yjtMNjPogE";

struct Said {
    status: Option<i32>,
    out: String,
    /// Without the last line, which says what to do, and begins with "hallpass: ".
    faults: Vec<String>,
    last: String,
}

fn said(output: &Output) -> Said {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    for secret in ["quince", "$2b$", "pbkdf2", "Quitten", "c2l4dGVlbiBieXRlcyBvaw"] {
        assert!(!err.contains(secret) && !out.contains(secret), "{secret} is in {err}{out}");
    }
    let mut faults: Vec<_> = err.lines().map(str::to_owned).collect();
    let last = faults.iter().position(|line| line.starts_with("hallpass: ")).map(|place| faults.split_off(place));
    Said { status: output.status.code(), out, faults, last: last.unwrap_or_default().join("\n") }
}

/// Imports what stands in a file of that name.
fn import(server: &Server, name: &str, content: impl AsRef<[u8]>, options: &[&str]) -> Said {
    fs::write(server.folder().join(name), content).expect("written");
    said(&server.run(&[&["user", "import", name], options].concat()))
}

/// All of it, without a word of complaint.
#[track_caller]
fn imports(server: &Server, name: &str, content: impl AsRef<[u8]>, accounts: usize) {
    let said = import(server, name, content, &[]);
    let plural = if accounts == 1 { "account" } else { "accounts" };
    assert_eq!(said.out, format!("Imported {accounts} {plural}; 0 lines were not imported.\n"), "{:?}", said.faults);
    assert_eq!((said.status, said.faults, said.last), (Some(0), vec![], String::new()));
}

/// Nothing is imported, for this reason.
#[track_caller]
fn is_refused(said: &Said, why: &str) {
    assert_eq!((said.status, said.out.as_str(), said.faults.len()), (Some(1), "", 0), "{}", said.last);
    assert!(said.last.contains(why), "{}", said.last);
}

/// The columns of `user list`, by address.
fn list(server: &Server) -> Vec<Vec<String>> {
    let output = server.run(&["user", "list"]);
    let text = String::from_utf8(output.stdout).expect("text");
    let mut rows: Vec<Vec<_>> = text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect();
    rows.sort();
    rows
}

fn addresses(server: &Server) -> Vec<String> {
    list(server).into_iter().map(|row| row[0].clone()).collect()
}

fn log_in(server: &Server, email: &str, password: &str) -> (WireBrowser, Page) {
    let mut browser = WireBrowser::new(server);
    let form = browser.get("/login").form("/login");
    let body = encode(&form.filled(&[("email", email), ("password", password)]));
    let page = browser.send("POST", "/login", Some(&body)).expect("an answer");
    assert!([303, 422].contains(&page.status), "{}", page.body);
    (browser, page)
}

fn is_in(server: &Server, email: &str, password: &str) -> bool {
    log_in(server, email, password).1.status == 303
}

fn csv(hashes: &[&str]) -> String {
    let row = |(number, hash): (usize, &&str)| format!("person{number}@example.org,\"{hash}\"\n");
    "email,password_hash\n".to_owned() + &hashes.iter().enumerate().map(row).collect::<String>()
}

#[test]
fn who_was_imported_logs_in_with_the_password_of_before() {
    let mut server = Server::prepare(&CHEAP);
    let hashes = [DJANGO, WERKZEUG, PASSLIB, BCRYPT, ARGON2, TWIN];
    imports(&server, "people.csv", csv(&hashes), hashes.len());
    server.launch();
    for (number, hash) in hashes.iter().enumerate() {
        let email = format!("PERSON{number}@example.org");
        assert!(!is_in(&server, &email, "kühle Quitten am Abend"), "{hash}");
        // The second time, with a hash of this site's.
        for time in 0..3 {
            assert!(is_in(&server, &email, PASSWORD), "{hash}: {time}");
        }
        assert!(!is_in(&server, &email, "kühle Quitten am Abend"), "{hash}");
    }
    assert!(!server.log().contains("not rehashed"), "{}", server.log());
}

/// A hash of this site's is of all of the password, and of its normal form: what was right only for the other system's
/// is wrong then, and the other way round.
#[test]
fn a_log_in_puts_a_hash_of_this_sites_in_the_place_of_the_other() {
    let mut server = Server::prepare(&CHEAP);
    let (typed, normal) = ("ku\u{308}hle Quitten am Morgen", PASSWORD);
    let of_72_bytes = format!("{}ab", "ü".repeat(35));
    let longer = format!("{of_72_bytes} and more");
    imports(
        &server,
        "people.csv",
        csv(&[
            "pbkdf2:sha256:1000$HK8Ivuq7fQSYx3kp$687cba2b146063cfcdeebfa3d2a036cd68b43a5c22d96d142ca97650f869c411",
            "$argon2id$v=19$m=32,t=1,p=1$c2l4dGVlbiBieXRlcyBvaw$KbBGUuE7v90JUtPKKS/foUYI39NWjlhCXM/XBooWHAA",
            "$2b$04$i6UIMEuGh7oDW.VAQz3iUuP6//OeNAGwobxii0b.fBVjDwrJwYWRe",
        ]),
        3,
    );
    server.launch();
    for email in ["person0@example.org", "person1@example.org"] {
        assert!(!is_in(&server, email, normal), "{email}: the other system did not normalise");
        assert!(is_in(&server, email, typed), "{email}");
        assert!(is_in(&server, email, normal), "{email}: the hash is still the other system's");
    }
    let email = "person2@example.org";
    for _ in 0..2 {
        assert!(is_in(&server, email, &longer), "as the other system took it, which did not see what is cut off");
        assert!(is_in(&server, email, &format!("{longer}!")), "a slip in what was cut off has been hashed");
    }
    assert!(is_in(&server, email, &of_72_bytes));
    assert!(!is_in(&server, email, &longer), "the hash is still the other system's");
    assert!(is_in(&server, email, &of_72_bytes));
}

#[test]
fn names_marks_and_dates_come_along() {
    let mut server = Server::prepare(&CHEAP);
    let rows = format!(
        "created_at,locked,admin,name,password_hash,email\n\
         2001-02-03T04:05:06+01:00,false,true,\"Berg, \"\"Ann\"\"\",\"{BCRYPT}\",ann@example.org\n\
         981173106,true,,,{DJANGO}, Bo.Berg@Example.org \n\
         981173106.75,,false,Cy,{DJANGO},cy@example.org\n\
         ,,,,{DJANGO},di@example.org\n"
    );
    imports(&server, "people.csv", rows, 4);
    server.launch();
    let list = list(&server);
    let row = |place: usize| list[place].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(row(0), ["Bo.Berg@Example.org", "Bo.Berg", "3 February 2001", "locked"]);
    assert_eq!(row(1), ["ann@example.org", "Berg, \"Ann\"", "3 February 2001", "admin"]);
    assert_eq!(row(2), ["cy@example.org", "Cy", "3 February 2001", ""]);
    assert_eq!(row(3)[..2], ["di@example.org", "di"]);
    assert!(!row(3)[2].ends_with("2001"), "made today");

    let (mut ann, page) = log_in(&server, "ann@example.org", PASSWORD);
    assert_eq!(page.status, 303);
    assert!(ann.visit("/account").has("Berg, &#34;Ann&#34;"));
    let activity = ann.visit("/account/sessions");
    for words in ["Your account was registered.", "You were made an administrator."] {
        assert!(activity.has(words), "{words}: {}", activity.body);
    }
    assert!(log_in(&server, "bo.berg@example.org", PASSWORD).1.has("locked"));
    assert!(server.run(&["user", "unlock", "bo.berg@example.org"]).status.success());
    assert!(is_in(&server, "bo.berg@example.org", PASSWORD));
}

#[test]
fn json_lines_say_the_same() {
    let server = Server::prepare(&CHEAP);
    let lines = format!(
        "\n  {{\"email\": \"ann@example.org\", \"password_hash\": \"{BCRYPT}\", \"admin\": true, \"name\": \"Ann\"}}\r\n\
         \t\r\n\
         {{\"password_hash\": \"{DJANGO}\", \"email\": \"bo@example.org\", \"locked\": \"true\", \"name\": null, \
         \"created_at\": 981173106}}\n\
         {{\"password_hash\": \"{DJANGO}\", \"email\": \"cy@example.org\", \"created_at\": \"2001-02-03T04:05:06Z\"}}"
    );
    imports(&server, "people.ndjson", &lines, 3);
    let list = list(&server);
    assert_eq!((list[0][1].as_str(), list[0][3].as_str()), ("Ann", "admin"));
    assert_eq!(list[1][1..], ["bo", "3 February 2001", "locked"]);
    assert_eq!(list[2][2], "3 February 2001");
}

#[test]
fn every_line_at_fault_is_told_with_all_its_faults_and_the_rest_is_imported() {
    let server = Server::prepare(&CHEAP);
    let md5 = "$1$salt$I4mCdj55e/zDHBkq2zhau1";
    let rows = format!(
        "email,name,password_hash,admin,locked,created_at\n\
         ann@example.org,Ann,{BCRYPT},,,\n\
         not an address,\"two\nlines\",a quince in the wrong column,yes,TRUE,yesterday\n\
         bo@example.org,Bo,{md5},,,4102444800\n\
         \n\
         cy@example.org,Cy,$2b$31$NSIFf2DR9j3i0e3qPC2eO.gOoBirIq9B.uTKeE44mseSOef3hiIrS,,,-1\n\
         di@example.org,Di,,,,\n\
         ANN@example.org,Ann,{BCRYPT},,,\n\
         ed@example.org,{},{BCRYPT},,,\n\
         fy@example.org,Fy\n\
         gil@example.org,Gil,{BCRYPT},,,\n",
        "x".repeat(101)
    );
    let told = import(&server, "people.csv", rows, &[]);
    let beginnings = [
        "line 3: email: Enter an e-mail address such as",
        "line 3: name: Leave out characters that cannot be seen",
        "line 3: password_hash: This is no hash that can be used here. Accepted are Argon2, bcrypt, scrypt and PBKDF2",
        "line 3: admin: Write true or false",
        "line 3: locked: Write true or false",
        "line 3: created_at: Write seconds since 1970",
        "line 5: password_hash: This is no hash",
        "line 5: created_at: This is before 1970, or in the future",
        "line 7: password_hash: Checking this hash would cost too much. bcrypt is accepted with a cost of 4 to 16",
        "line 7: created_at: This is before 1970",
        "line 8: password_hash: The password hash is missing",
        "line 9: email: There is an account with this e-mail address",
        "line 10: name: Use at most 100 characters",
        "line 11: This row has 2 columns, the header 6",
    ];
    assert_eq!(told.faults.len(), beginnings.len(), "{:#?}", told.faults);
    for (fault, beginning) in told.faults.iter().zip(beginnings) {
        assert!(fault.starts_with(beginning), "{fault}");
    }
    assert_eq!((told.status, told.out.as_str()), (Some(1), "Imported 2 accounts; 7 lines were not imported.\n"));
    assert!(told.last.contains("run the import again"), "{}", told.last);
    assert_eq!(addresses(&server), ["ann@example.org", "gil@example.org"]);
}

#[test]
fn json_lines_at_fault_are_told_likewise() {
    let server = Server::prepare(&CHEAP);
    let lines = format!(
        "{{\"email\": \"ann@example.org\", \"password_hash\": \"{BCRYPT}\", \"passwort\": \"quince\"}}\n\
         {{\"email\": \"ann\", \"password_hash\": 5, \"email\": \"ann@example.org\", \"admin\": 1, \"name\": []}}\n\
         {{\"email\": \"ann@example.org\", \"password_hash\": \"quince\n\
         \"quince\"\n\
         [\"quince\"]\n\
         {{}}\n\
         {}\n\
         {{\"email\": \"an\\u0000n@example.org\", \"name\": \"a\\u0000b\", \"password_hash\": \"\\u0000\"}}\n\
         {{\"email\": \"bo@example.org\", \"password_hash\": \"{BCRYPT}\"}}\n",
        "[".repeat(50_000)
    );
    let told = import(&server, "people.jsonl", lines, &[]);
    let beginnings = [
        "line 1: \"passwort\": There is no such field. There are email, name, password_hash, admin, locked, created_at",
        "line 2: password_hash: Write a text",
        "line 2: email: This is there more than once",
        "line 2: admin: Write true or false",
        "line 2: name: Write a text",
        "line 3: This is no JSON object on one line (column ",
        "line 4: This is no JSON object",
        "line 5: This is no JSON object",
        "line 6: email: Enter your e-mail address",
        "line 6: password_hash: The password hash is missing",
        "line 7: This is no JSON object",
        "line 8: email: The part before the @",
        "line 8: name: Leave out characters",
        "line 8: password_hash: This is no hash",
    ];
    assert_eq!(told.faults.len(), beginnings.len(), "{:#?}", told.faults);
    for (fault, beginning) in told.faults.iter().zip(beginnings) {
        assert!(fault.starts_with(beginning), "{fault}");
    }
    assert_eq!((told.status, told.out.as_str()), (Some(1), "Imported 1 account; 8 lines were not imported.\n"));
}

#[test]
fn an_import_can_be_run_again_and_leaves_what_exists_as_it_is() {
    let mut server = Server::prepare(&CHEAP);
    let rows = |count: usize, name: &str, hash: &str| {
        let row = |number: usize| format!("person{number}@example.org,{name},{hash}\n");
        "email,name,password_hash\n".to_owned() + &(0..count).map(row).collect::<String>()
    };
    imports(&server, "people.csv", rows(1001, "First", BCRYPT), 1001);
    let again = import(&server, "people.csv", rows(1003, "Second", DJANGO), &[]);
    assert_eq!(again.out, "Imported 2 accounts; 1001 lines were not imported.\n");
    let line = |number: usize| format!("line {number}: email: There is an account with this e-mail address.");
    for (place, fault) in again.faults.iter().enumerate() {
        assert!(fault.starts_with(&line(place + 2)), "{fault}");
    }
    assert_eq!((again.status, again.faults.len()), (Some(1), 1001));
    let list = list(&server);
    let named = |name: &str| list.iter().filter(|row| row[1] == name).count();
    assert_eq!((list.len(), named("First"), named("Second")), (1003, 1001, 2));
    server.launch();
    assert!(is_in(&server, "person1000@example.org", PASSWORD));
    assert!(is_in(&server, "person1002@example.org", PASSWORD));
}

#[test]
fn a_dry_run_says_the_same_and_writes_nothing() {
    let server = Server::prepare(&CHEAP);
    imports(&server, "first.csv", csv(&[BCRYPT]), 1);
    let before = list(&server);
    // Twice in the file, and far apart.
    let mut rows = csv(&vec![BCRYPT; 1500]);
    rows += &format!("Person1@example.org,{BCRYPT}\nnobody,{BCRYPT}\n");
    let rehearsed = import(&server, "people.csv", &rows, &["--dry-run"]);
    assert_eq!(rehearsed.out, "Would import 1499 accounts; 3 lines would not be imported.\n");
    assert_eq!(rehearsed.status, Some(1));
    assert_eq!(list(&server), before);
    let done = import(&server, "people.csv", &rows, &[]);
    assert_eq!(done.out, "Imported 1499 accounts; 3 lines were not imported.\n");
    assert_eq!(done.faults, rehearsed.faults);
    assert_eq!(done.faults.len(), 3);

    let good = import(&server, "good.csv", format!("email,password_hash\nnew@example.org,{BCRYPT}"), &["--dry-run"]);
    assert_eq!((good.status, good.faults.len(), good.last.as_str()), (Some(0), 0, ""));
    assert_eq!(good.out, "Would import 1 account; 0 lines would not be imported.\n");
}

#[test]
fn the_format_is_asked_for_or_that_of_the_ending_or_of_the_content() {
    let server = Server::prepare(&CHEAP);
    let row = |name: &str| format!("email,password_hash\n{name}@example.org,{BCRYPT}\n");
    let json = |name: &str| format!("\n {{\"email\": \"{name}@example.org\", \"password_hash\": \"{BCRYPT}\"}}\n");
    let good = |output: Output| assert_eq!(said(&output).out, "Imported 1 account; 0 lines were not imported.\n");
    good(server.run_with_input(&["user", "import", "-"], &row("a")));
    good(server.run_with_input(&["user", "import", "-"], &json("b")));
    good(server.run_with_input(&["user", "import", "-", "--format", "csv"], &row("c")));
    good(server.run_with_input(&["user", "import", "--format", "jsonl", "-"], &json("d")));
    imports(&server, "people", row("e"), 1);
    imports(&server, "people.txt", json("f"), 1);
    is_refused(&import(&server, "people.csv", json("g"), &[]), "there is no header");
    assert_eq!(import(&server, "people.csv", json("h"), &["--format", "jsonl"]).status, Some(0));
    assert_eq!(import(&server, "people.jsonl", row("i"), &["--format", "csv"]).status, Some(0));
    let told = import(&server, "people.jsonl", row("j"), &[]);
    assert_eq!(told.out, "Imported 0 accounts; 2 lines were not imported.\n");
    assert_eq!(addresses(&server).len(), 8);
    let usage = server.run(&["user", "import", "people.csv", "--format", "xml"]);
    assert_eq!(usage.status.code(), Some(2));
    let help = server.run(&["user", "import", "--help"]);
    let help = String::from_utf8(help.stdout).expect("text");
    for words in ["--format", "--dry-run", "password_hash", "created_at", "standard input"] {
        assert!(help.contains(words), "{words}: {help}");
    }
}

#[test]
fn a_header_at_fault_stops_the_import_before_anything_is_done() {
    let server = Server::prepare(&CHEAP);
    let header = |header: &str| import(&server, "people.csv", format!("{header}\nann@example.org,{BCRYPT}\n"), &[]);
    is_refused(&header("email,password_hash,E-Mail,pass\u{1b}wort"), "unknown in the header: \"E-Mail\", column 4.");
    is_refused(&header("email,password"), "email, name, password_hash, admin, locked, created_at");
    is_refused(&header("email;password_hash"), "with commas between");
    is_refused(&header("email,password_hash,email"), "email is more than once in the header");
    is_refused(&header("email,name"), "password_hash is missing in the header");
    is_refused(&header("password_hash,name"), "email is missing in the header");
    is_refused(&header(&"x,".repeat(100)), "more than 64 columns");
    is_refused(&header(&format!("\"{}", "x".repeat(100_000))), "longer than 64 KiB");
    is_refused(&header(&format!("email,{}", "x".repeat(5_000))), "unknown in the header: column 2.");
    is_refused(&header(&format!("bo@example.org,{BCRYPT}")), "there is no header");
    is_refused(&header("bo@example.org,a quince"), "there is no header");
    is_refused(&import(&server, "people.csv", "", &[]), "there is nothing in people.csv");
    is_refused(&import(&server, "people.jsonl", " \r\n\n", &[]), "there is nothing in people.jsonl");
    is_refused(&import(&server, "people.csv", "\u{feff}", &[]), "there is nothing in people.csv");
    is_refused(&said(&server.run(&["user", "import", "-"])), "there is nothing in standard input");
    is_refused(&said(&server.run(&["user", "import", "missing.csv"])), "cannot open missing.csv");
    is_refused(&said(&server.run(&["user", "import", "data"])), "cannot read data");
    assert_eq!(addresses(&server).len(), 0);
    imports(&server, "people.csv", "email,password_hash\r\n", 0);
}

#[test]
fn spreadsheets_and_old_systems_write_lines_in_their_own_ways() {
    let server = Server::prepare(&CHEAP);
    let hash = BCRYPT;
    for (number, text) in [
        format!("\u{feff}email,password_hash\r\na@example.org,{hash}\r\n\r\nb@example.org,{hash}"),
        format!("email,password_hash\ra@example.org,{hash}\rb@example.org,{hash}\r"),
        format!("\u{feff}\"email\", password_hash \n\"a@example.org\",{hash} \n\n\n b@example.org,\"{hash}\"\n\n"),
        format!("\n\n\"email\",\"password_hash\"\n\"a@example.org\",\"{hash}\"\n\"b@example.org\",\"{hash}\""),
        format!("\u{feff}{{\"email\":\"a@example.org\",\"password_hash\":\"{hash}\"}}\r\n{{\"email\":\"b@example.org\",\"password_hash\":\"{hash}\"}}"),
    ]
    .into_iter()
    .enumerate()
    {
        let text = text.replace("@example.org", &format!("{number}@example.org"));
        imports(&server, "people", text, 2);
    }
}

#[test]
fn what_is_no_text_or_without_end_is_told_and_passed_over() {
    let server = Server::prepare(&CHEAP);
    let long = "x".repeat(10_000_000);
    let mut rows = format!("email,name,password_hash\na@example.org,A,{BCRYPT}\nb@example.org,").into_bytes();
    rows.extend(b"\xff\xfe,");
    rows.extend(format!("{BCRYPT}\nc@example.org,{long},{BCRYPT}\nd@example.org,D\0D,{BCRYPT}\n").bytes());
    rows.extend(format!("e@example.org,{},{BCRYPT}\nf@example.org,F,{BCRYPT}\n", ",".repeat(100)).bytes());
    rows.extend(format!("g@example.org,\"G,{BCRYPT}\n").bytes());
    rows.extend(format!("h@example.org,H,{BCRYPT}\n").repeat(10_000).bytes());
    let told = import(&server, "people.csv", &rows, &[]);
    let faults: Vec<_> = told.faults.iter().map(String::as_str).collect();
    assert_eq!(
        faults,
        [
            "line 3: This row is not UTF-8.",
            "line 4: This row is longer than 64 KiB. Perhaps a quote is not closed.",
            "line 5: name: Leave out characters that cannot be seen, such as line breaks.",
            "line 6: This row has more than 64 columns.",
            "line 8: This row is longer than 64 KiB. Perhaps a quote is not closed.",
        ]
    );
    assert_eq!(told.out, "Imported 2 accounts; 5 lines were not imported.\n");

    let json = |name: &str| format!("{{\"email\":\"{name}@example.org\",\"password_hash\":\"{BCRYPT}\"}}\n");
    let mut lines = json("m").into_bytes();
    lines.extend(b"{\"email\":\"\xff\"}\n");
    lines.extend(format!("{{\"email\":\"{long}\"}}\n{}\0\n{}{long}", json("n"), json("o")).bytes());
    let told = import(&server, "people.jsonl", &lines, &[]);
    let faults: Vec<_> = told.faults.iter().map(String::as_str).collect();
    assert_eq!(
        faults,
        [
            "line 2: This line is not UTF-8.",
            "line 3: This line is longer than 64 KiB.",
            "line 5: This is no JSON object on one line (column 1).",
            "line 7: This line is longer than 64 KiB.",
        ]
    );
    assert_eq!(addresses(&server), ["a", "f", "m", "n", "o"].map(|name| format!("{name}@example.org")));
}

#[test]
fn a_running_server_writes_between_the_batches() {
    let mut server = Server::prepare(&CHEAP);
    imports(&server, "first.csv", csv(&[BCRYPT]), 1);
    server.launch();
    let row = |number: usize| format!("other{number}@example.org,{BCRYPT}\n");
    let rows = "email,password_hash\n".to_owned() + &(0..20_000).map(row).collect::<String>();
    fs::write(server.folder().join("people.csv"), rows).expect("written");
    let mut times = 0;
    std::thread::scope(|scope| {
        let running = scope.spawn(|| said(&server.run(&["user", "import", "people.csv"])));
        while !running.is_finished() {
            // Several writes; one that waits for more than five seconds is given up, and answered 503.
            assert!(is_in(&server, "person0@example.org", PASSWORD));
            times += 1;
        }
        assert_eq!(running.join().expect("joined").out, "Imported 20000 accounts; 0 lines were not imported.\n");
    });
    assert!(times > 3, "only {times} log-ins");
    assert!(is_in(&server, "other19999@example.org", PASSWORD));
}

#[test]
fn the_example_in_the_readme_can_be_imported() {
    let server = Server::prepare(&CHEAP);
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("the README");
    let example = readme.split("```csv\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    imports(&server, "people.csv", example, 2);
    let list = list(&server);
    assert_eq!(list[0], ["ann@example.org", "Berg, Ann", "1 May 2019", "admin"]);
    assert_eq!(list[1], ["bo@example.org", "bo", "1 May 2019", "locked"]);
}
