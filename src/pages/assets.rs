//! Static files, inside the binary, under names that change with their content.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use rocket::http::{ContentType, Header};
use rocket::{Responder, Route, get, routes};

use crate::auth::guards::Anyone;

pub struct Asset {
    name: &'static str,
    kind: ContentType,
    content: &'static [u8],
}

pub static STYLESHEET: Asset =
    Asset { name: "hallpass.css", kind: ContentType::CSS, content: include_bytes!("../../static/hallpass.css") };
pub static ICON: Asset =
    Asset { name: "icon.svg", kind: ContentType::SVG, content: include_bytes!("../../static/icon.svg") };

/// As in the route below.
const FOLDER: &str = "/static/";

/// With where pages find them.
static ALL: LazyLock<[(String, &'static Asset); 2]> =
    LazyLock::new(|| [&STYLESHEET, &ICON].map(|asset| (asset.path(), asset)));

impl Asset {
    /// Where pages find it.
    pub fn address(&'static self) -> &'static str {
        ALL.iter().find(|(_, asset)| asset.name == self.name).map_or(self.name, |(path, _)| path)
    }

    fn path(&self) -> String {
        let hash: String = digest(&SHA256, self.content).as_ref()[..8].iter().map(|b| format!("{b:02x}")).collect();
        format!("{FOLDER}{}", self.name.replacen('.', &format!(".{hash}."), 1))
    }
}

#[derive(Responder)]
struct File {
    content: (ContentType, &'static [u8]),
    cache: Header<'static>,
}

pub fn routes() -> Vec<Route> {
    routes![show]
}

#[get("/static/<file>")]
fn show(_anyone: Anyone, file: &str) -> Option<File> {
    let (_, asset) = ALL.iter().find(|(path, _)| path.strip_prefix(FOLDER) == Some(file))?;
    let cache = Header::new("Cache-Control", "public, max-age=31536000, immutable");
    Some(File { content: (asset.kind.clone(), asset.content), cache })
}
