//! What a page can do, a program can do: for every page its JSON twin, or why it needs none.

use std::collections::BTreeSet;

use crate::helpers::TestApp;
use crate::helpers::program::document;

enum Twin {
    /// As the document writes it.
    Is(&'static str),
    /// The reason.
    None(&'static str),
}
use Twin::{Is, None};

/// A route of the pages, and its twin. A page that is new stands here from its first day.
#[rustfmt::skip]
const TWINS: [(&str, Twin); 31] = [
    ("GET /",                              Is("GET /api/me")),
    ("GET /register",                      None("a form")),
    ("POST /register",                     Is("POST /api/users")),
    ("GET /setup",                         None("a form")),
    ("POST /setup",                        Is("POST /api/setup")),
    ("GET /login",                         None("a form; its token is at GET /api/auth/csrf")),
    ("POST /login",                        Is("POST /api/auth/login")),
    ("GET /logout",                        None("a button")),
    ("POST /logout",                       Is("POST /api/auth/logout")),
    ("GET /confirm",                       None("a form")),
    ("POST /confirm",                      Is("POST /api/auth/confirm")),
    ("GET /account",                       Is("GET /api/me")),
    ("POST /account/profile",              Is("PATCH /api/me")),
    ("POST /account/password",             Is("PUT /api/me/password")),
    ("GET /account/sessions",              Is("GET /api/me/sessions")),
    ("POST /account/sessions/<id>/end",    Is("DELETE /api/me/sessions/{id}")),
    ("POST /account/sessions/end-others",  Is("DELETE /api/me/sessions")),
    ("GET /account/tokens",                Is("GET /api/me/tokens")),
    ("POST /account/tokens",               Is("POST /api/me/tokens")),
    ("POST /account/tokens/<id>/revoke",   Is("DELETE /api/me/tokens/{id}")),
    ("GET /session/ack",                   None("an image by which browsers confirm new cookies; a program confirms by using them")),
    ("GET /session/ask",                   None("pages are asked by 307, programs by 401 stale_cookies")),
    ("GET /static/<file>",                 None("what pages look like")),
    ("GET /healthz",                       None("for programs already")),
    ("GET /readyz",                        None("for programs already")),
    ("GET /.well-known/jwks.json",         None("for programs already")),
    ("GET /.well-known/change-password",   None("leads password managers to the form")),
    // Parts of a page.
    ("hidden field csrf_token",            Is("GET /api/auth/csrf")),
    ("silent rotation",                    Is("POST /api/auth/refresh")),
    ("recent activity on GET /account/sessions", Is("GET /api/me/events")),
    ("README and these words",             Is("GET /api/openapi.json")),
];

fn is_route(name: &str) -> bool {
    name.starts_with("GET /") || name.starts_with("POST /")
}

#[rocket::async_test]
async fn every_page_has_a_twin_or_needs_none() {
    let app = TestApp::start().await;
    let routes = app.client().rocket().routes().filter(|route| !route.uri.path().starts_with("/api"));
    let pages: BTreeSet<_> = routes.map(|route| format!("{} {}", route.method, route.uri.path())).collect();
    let considered: BTreeSet<_> =
        TWINS.iter().map(|(name, _)| (*name).to_owned()).filter(|name| is_route(name)).collect();
    assert_eq!(pages, considered, "consider what a program does instead of a page that is new");
}

#[rocket::async_test]
async fn every_twin_exists_and_every_operation_is_somebodys_twin() {
    let app = TestApp::start().await;
    let document = document(&app).await;
    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        operations.extend(item.as_object().unwrap().keys().map(|method| format!("{} {path}", method.to_uppercase())));
    }
    let mut twins = BTreeSet::new();
    for (name, twin) in &TWINS {
        match twin {
            Is(twin) => {
                assert!(operations.contains(*twin), "{name}: there is no {twin}");
                twins.insert((*twin).to_owned());
            }
            None(reason) => assert!(reason.len() > 5, "{name}: why?"),
        }
    }
    assert_eq!(twins, operations, "what only programs can do");
}
