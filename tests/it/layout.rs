//! The direction of dependencies, and what may stand where.

use std::fs;
use std::path::{Path, PathBuf};

/// From left to right: a module uses only what stands to its right.
#[rustfmt::skip]
const ORDER: [&str; 25] = [
    "main", "fuzzing", "cli", "lib", "api_docs", "pages", "api", "upkeep", "auth", "accounts", "personal_tokens", "sessions", "changes",
    "keyring", "tokens", "audit", "nodes", "leases", "http", "db", "config", "fault", "clock", "id", "named",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<(String, PathBuf, String)> {
    let root = root().join("src");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let first = path.strip_prefix(&root).unwrap().components().next().unwrap();
                let module = Path::new(first.as_os_str()).file_stem().unwrap().to_str().unwrap().to_owned();
                sources.push((module, path.clone(), fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(sources.len() > 30, "the sources are not where they were");
    sources
}

/// The modules that a source names by `crate::`, with those of a brace list.
fn used(source: &str) -> Vec<String> {
    let code: String =
        source.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut used = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match rest.strip_prefix('{') {
            Some(list) => used.extend(list.split('}').next().unwrap().split(',').map(|item| name(item.trim()))),
            None => used.push(name(rest)),
        }
    }
    used
}

#[test]
fn modules_use_only_what_stands_to_their_right() {
    let place = |module: &str| ORDER.iter().position(|known| *known == module);
    let mut wrong = Vec::new();
    for (module, path, source) in sources() {
        let own = place(&module).unwrap_or_else(|| panic!("{module} has no place in the order"));
        for used in used(&source) {
            // What is no module stands in lib.rs.
            let used_place = place(&used).unwrap_or(place("lib").unwrap());
            if used_place < own {
                wrong.push(format!("{} uses {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn neither_door_knows_the_other() {
    for (module, path, source) in sources() {
        let other = match module.as_str() {
            "pages" => "api",
            "api" => "pages",
            _ => continue,
        };
        assert!(!used(&source).contains(&other.to_owned()), "{} uses {other}", path.display());
    }
}

#[test]
fn sql_stands_in_stores_only() {
    for (_, path, source) in sources() {
        let is_store =
            path.ends_with("store.rs") || path.starts_with(root().join("src/db")) || path.ends_with("src/db.rs");
        assert!(is_store || !source.contains("sqlx::query"), "{} has SQL", path.display());
        assert!(!source.to_lowercase().contains("returning *"), "{}", path.display());
        // What is prepared fails once a newer version has added a column.
        assert!(!source.contains("\"select *") && !source.contains(".* "), "{} asks for all columns", path.display());
    }
}

#[test]
fn the_domain_knows_nothing_of_rocket() {
    for (module, path, source) in sources() {
        const DOMAIN: [&str; 13] = [
            "tokens",
            "sessions",
            "personal_tokens",
            "accounts",
            "changes",
            "keyring",
            "audit",
            "leases",
            "nodes",
            "db",
            "fault",
            "clock",
            "id",
        ];
        let domain = DOMAIN.contains(&module.as_str());
        assert!(!(domain && source.contains("rocket::")), "{} uses Rocket", path.display());
    }
}

#[test]
fn cookies_are_read_and_written_in_one_file() {
    for (_, path, source) in sources() {
        let owner = path.ends_with("auth/cookies.rs");
        for word in ["Set-Cookie", "\"Cookie\"", ".cookies()"] {
            assert!(owner || !source.contains(word), "{} has {word}", path.display());
        }
    }
}

#[test]
fn every_handler_says_who_may_call_it() {
    const GUARDS: [&str; 8] =
        ["Anyone", "CurrentUser", "LoggedIn", "MaybeUser", "Anonymous", "RecentlyAuthenticated", "Admin", "Question"];
    let mut handlers = 0;
    for (_, path, source) in sources() {
        let lines: Vec<_> = source.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let line = line.trim();
            let is_route = ["#[get(", "#[post(", "#[put(", "#[patch(", "#[delete(", "#[options(", "#[rocket::get("];
            if is_route.iter().any(|route| line.starts_with(route)) {
                let signature: String =
                    lines[number + 1..].iter().take_while(|line| !line.ends_with('{')).copied().collect();
                let signature = signature + lines[number + 1];
                assert!(GUARDS.iter().any(|guard| signature.contains(guard)), "{}: {line}", path.display());
                handlers += 1;
            }
        }
    }
    assert!(handlers > 20, "only {handlers} handlers found");
}
