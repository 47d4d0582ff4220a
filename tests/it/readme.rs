//! What the README and Rocket.toml say of settings, commands and embedding is what the program does.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use figment::Figment;
use figment::providers::{Format, Toml};
use hallpass::config::{Config, LogFormat, Registration, SigningAlgorithm};

use crate::helpers::Server;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name))
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Each setting's default, read without a file and without the environment.
fn defaults() -> BTreeMap<&'static str, String> {
    let config = Config::read(&Figment::from(rocket::Config::default())).expect("the defaults are allowed");
    config.shown().iter().map(|line| (line.name, line.value.clone())).collect()
}

/// The rows of the table under a heading, cells trimmed; the head and its rule left out.
fn table(heading: &str) -> Vec<Vec<String>> {
    let readme = read("README.md");
    let section = readme.split(&format!("\n## {heading}\n")).nth(1).unwrap_or_else(|| panic!("no section {heading}"));
    let section = section.split("\n## ").next().unwrap_or(section);
    let lines = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    lines.skip(2).map(cells).collect()
}

#[test]
fn the_readme_lists_every_setting_with_its_default() {
    let listed: BTreeMap<_, _> = table("Settings")
        .into_iter()
        .map(|row| (row[0].trim_matches('`').to_owned(), row[1].trim_matches('`').to_owned()))
        .collect();
    let known: BTreeMap<_, _> = defaults().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    assert_eq!(listed, known);
}

#[test]
fn the_readme_names_every_allowed_value() {
    let rows = table("Settings");
    for (setting, names) in [
        ("registration", Registration::NAMES),
        ("signing_algorithm", SigningAlgorithm::NAMES),
        ("log_format", LogFormat::NAMES),
    ] {
        let row = rows.iter().find(|row| row[0] == format!("`{setting}`")).expect("the setting is listed");
        for name in names {
            assert!(row[2].contains(&format!("`{name}`")), "{setting}: {name}");
        }
    }
}

#[test]
fn rocket_toml_says_the_defaults() {
    let lines = read("Rocket.toml");
    let settings = lines.lines().map(|line| match line.strip_prefix("# ") {
        Some(setting) if setting.split(' ').nth(1) == Some("=") => setting,
        _ => line,
    });
    let figment =
        Figment::from(rocket::Config::default()).merge(Toml::string(&settings.collect::<Vec<_>>().join("\n")).nested());
    let config = Config::read(&figment).expect("every setting in it is allowed");
    let written: Vec<_> = config.shown().iter().filter(|line| line.source != "default").collect();
    assert!(written.len() >= 5, "the comments were not read as settings");
    for line in written {
        assert_eq!(Some(&line.value), defaults().get(line.name), "{}", line.name);
    }
    let rocket = rocket::Config::from(figment);
    assert_eq!((rocket.address, rocket.port), (rocket::Config::default().address, rocket::Config::default().port));
}

#[test]
fn the_readme_has_the_example_word_for_word() {
    let example = read("examples/embed.rs");
    assert!(read("README.md").contains(&format!("```rust\n{example}```")));
}

/// The commands in the help of a command, without `help` itself.
fn commands_of(server: &Server, command: &[&str]) -> Vec<String> {
    let output = server.run(&[command, &["--help"]].concat());
    let help = String::from_utf8(output.stdout).expect("text");
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    list.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn the_readme_lists_every_command() {
    let server = Server::prepare(&[]);
    let listed: Vec<_> = table("Commands").into_iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    let begins =
        |command: &str| listed.iter().filter(|line| format!("{line} ").starts_with(&format!("{command} "))).count();
    let mut known = 0;
    for command in commands_of(&server, &[]).iter().filter(|command| *command != "serve") {
        let parts = commands_of(&server, &[command]);
        for part in &parts {
            assert_eq!(begins(&format!("hallpass {command} {part}")), 1, "{command} {part}");
        }
        if parts.is_empty() {
            assert_eq!(begins(&format!("hallpass {command}")), 1, "{command}");
        }
        known += parts.len().max(1);
    }
    assert!(known > 10, "the help was not understood");
    assert_eq!(listed.len(), known + 1, "the README lists a command that does not exist: {listed:?}");
    assert_eq!(begins("hallpass [serve]"), 1);
}
