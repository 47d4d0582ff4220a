//! Peer (a): what the page costs in Rocket when nobody is asked who they are. `bare FOLDER PORT`

use rocket::response::content::RawHtml;
use rocket::{State, get, launch, routes};

#[get("/account")]
fn account(page: &State<String>) -> RawHtml<&str> {
    RawHtml(page.inner())
}

#[launch]
fn launch() -> _ {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, port] = arguments.as_slice() else { panic!("bare FOLDER PORT") };
    let page = std::fs::read_to_string(format!("{folder}/account.html")).expect("the page");
    let port: u16 = port.parse().expect("a port");
    rocket::custom(rocket::Config::figment().merge(("port", port))).manage(page).mount("/", routes![account])
}
