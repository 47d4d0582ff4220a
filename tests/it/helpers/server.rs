use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Database, on_postgres};

/// Where a started program's log goes, in its folder.
const LOG: &str = "server.log";

const SECRET: &str = "data/hallpass.secret";

/// The real program in a folder of its own, as an operator starts it.
pub struct Server {
    folder: TempDir,
    port: u16,
    database: Database,
    settings: Vec<(String, String)>,
    child: Option<Child>,
    /// What it printed when it was ready.
    pub greeting: String,
}

impl Server {
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let mut server = Self::prepare(settings);
        server.launch();
        server
    }

    /// A folder and a port; nothing is started yet.
    pub fn prepare(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port();
        let mut all = Vec::new();
        let database = Database::new(&folder.path().join("data/hallpass.db"));
        // SQLite is what there is without a setting.
        if on_postgres() {
            database.make_secret(&folder.path().join(SECRET));
            all.push(("HALLPASS_DATABASE_URL".to_owned(), database.url()));
        }
        all.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Self { folder, port, database, settings: all, child: None, greeting: String::new() }
    }

    /// Another server of the same site; nothing is started yet.
    pub fn beside(&self, settings: &[(&str, &str)]) -> Self {
        let mut other = Self::prepare(&[]);
        other.database = self.database.clone();
        other.settings = self.settings.clone();
        other.set("HALLPASS_DATABASE_URL", Some(&self.database.url()));
        other.set("HALLPASS_SECRET_FILE", Some(&self.folder().join(SECRET).display().to_string()));
        other.set("HALLPASS_PUBLIC_URL", Some(&format!("http://localhost:{}", self.port)));
        settings.iter().for_each(|(name, value)| other.set(name, Some(value)));
        other
    }

    /// Starts the program and waits until it says that it is ready.
    pub fn launch(&mut self) {
        let log = File::options().create(true).append(true).open(self.folder.path().join(LOG)).expect("a file");
        let mut child = self.command(&[]).stdout(Stdio::piped()).stderr(log).spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        self.child = Some(child);
        self.greeting.clear();
        for line in lines.by_ref().map_while(Result::ok) {
            let ready = line.contains("is ready at");
            let more = line.contains("No account exists yet");
            self.greeting += &format!("{line}\n");
            if line.contains("/setup?token=") || (ready && self.answers() && !more && self.has_accounts()) {
                break;
            }
        }
        assert!(self.greeting.contains("is ready at"), "did not start: {}", self.greeting);
        std::thread::spawn(move || lines.for_each(drop));
    }

    fn has_accounts(&self) -> bool {
        !self.run(&["user", "list"]).stdout.is_empty()
    }

    fn answers(&self) -> bool {
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        command.env("ROCKET_PORT", self.port.to_string()).env("ROCKET_ADDRESS", "127.0.0.1");
        for (name, value) in &self.settings {
            command.env(name, value);
        }
        command
    }

    /// A command beside the running server.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.run_with_input(arguments, "")
    }

    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdin = child.stdin.take().expect("its input");
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output().expect("it ends")
    }

    /// Adds the usual account by the command line.
    pub fn add_user(&self) {
        let added = self.run_with_input(&["user", "add", super::EMAIL, "--name", super::NAME], super::PASSWORD);
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    }

    /// What it stores, for programs of the test's own.
    pub fn database(&self) -> &Database {
        &self.database
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its number, while it runs.
    pub fn process(&self) -> u32 {
        self.child.as_ref().expect("it was started").id()
    }

    /// Whether there is nothing in the folder that was not there before the first start.
    pub fn is_untouched(&self) -> bool {
        let entries = |path: &Path| std::fs::read_dir(path).map_or(0, Iterator::count);
        let given = usize::from(on_postgres());
        entries(self.folder()) == given && entries(&self.folder().join("data")) == given
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// SIGKILL: no chance to tidy up.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM, then waits for it to end. Returns whether it ended well.
    pub fn stop(&mut self) -> bool {
        let Some(mut child) = self.child.take() else { return true };
        let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        child.wait().is_ok_and(|status| status.success())
    }

    /// A setting for what is started from now on; none: as if it had never been set.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        self.settings.retain(|(given, _)| given != name);
        self.settings.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }

    /// Tries to start the server, which must end by itself without having listened. Returns what it said.
    pub fn refusal(&self) -> String {
        let mut child =
            self.command(&[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let end = Instant::now() + Duration::from_secs(30);
        while child.try_wait().expect("its status").is_none() {
            let listens = std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok();
            if listens || Instant::now() > end {
                let _ = child.kill();
                panic!("it started: {:?}", child.wait_with_output());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let output = child.wait_with_output().expect("its output");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let status = if said.contains("The settings are not usable") { 78 } else { 1 };
        assert_eq!(output.status.code(), Some(status), "{said}");
        said
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
