//! The fairing that finds out who asks, and silently replaces an expired access token by the refresh cookie,
//! inside the very request that needed it.
//!
//! It decides when the request arrives and writes cookies when the response leaves, whoever answered: handler,
//! catcher or redirect. It cannot answer itself; to ask the jar it turns the request into one for [`ASK`].

use std::sync::Arc;

use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::uri::Origin;
use rocket::http::{Header, Method, Status};
use rocket::{Data, Request, Response};

use super::bearer::Authorization;
use super::browser::client;
use super::cookies::Name;
use super::exchange::{Caller, Delivery, Exchange};
use super::refusal::Refusal;
use super::user::CurrentUser;
use super::{Site, carrier};
use crate::clock::Seconds;
use crate::http::log::RequestId;
use crate::personal_tokens::PersonalTokens;
use crate::sessions::{Access, Holder, Refresh, SessionError, Tokens};

/// The internal route that answers 307.
pub const ASK: &str = "/session/ask";

/// An access token about to expire is replaced where that can be done, so that it does not expire on its way to
/// another service: this long before, or a fifteenth of its life if that is shorter.
const REFRESH_AHEAD: Seconds = 60;

/// See the module's text.
pub struct Rotation;

#[rocket::async_trait]
impl Fairing for Rotation {
    fn info(&self) -> Info {
        Info { name: "hallpass: token rotation", kind: Kind::Request | Kind::Response }
    }

    async fn on_request(&self, request: &mut Request<'_>, _: &mut Data<'_>) {
        let Some(site) = request.rocket().state::<Site>() else { return };
        let caller = match who_asks(request, site).await {
            Ok(caller) => caller,
            Err(error) => {
                tracing::error!(id = RequestId::of(request).as_str(), %error, "cannot tell who asks");
                Caller::Unknown
            }
        };
        // A program is asked by 401 and the probe cookie: it repeats the request, or refreshes, and either is an answer.
        let redirected = matches!(caller, Caller::Asked(_)) && !super::is_api(request);
        Exchange::of(request).settle(caller);
        if redirected {
            request.set_method(Method::Get);
            request.set_uri(Origin::const_new(ASK, None));
        }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        let Some(site) = request.rocket().state::<Site>() else { return };
        let (session, browser, probe) = {
            let mut outgoing = Exchange::of(request).outgoing();
            (outgoing.session.take(), outgoing.browser.take(), outgoing.probe.take())
        };
        let cookies = &site.cookies;
        let mut headers = Vec::new();
        match session {
            // Asked once more, for the session may have been ended while the handler worked. If the answer is no,
            // or there is none, the token before still fetches these.
            Some(Delivery::Tokens(tokens)) if is_live(site, &tokens).await => {
                headers.extend(cookies.tokens(&tokens, site.clock.now()));
            }
            Some(Delivery::Access(tokens)) if is_live(site, &tokens).await => {
                headers.push(cookies.access(&tokens, site.clock.now()));
            }
            Some(Delivery::Clear) => headers.extend([cookies.clear(Name::Access), cookies.clear(Name::Refresh)]),
            Some(Delivery::Tokens(_) | Delivery::Access(_)) | None => {}
        }
        if let Some(id) = browser {
            headers.push(cookies.browser(&site.browser_ids.write(&id)));
        }
        if let Some(probe) = probe {
            headers.push(cookies.probe(&probe));
        } else if cookies.read(request, Name::Probe).next().is_some() && carrier::keeps_cookies(request) {
            headers.push(cookies.clear(Name::Probe));
        }
        if !headers.is_empty() {
            response.set_header(Header::new("Cache-Control", "no-store"));
        }
        for header in headers {
            response.adjoin_header(header);
        }
    }
}

async fn is_live(site: &Site, tokens: &Tokens) -> bool {
    site.sessions.is_live(&tokens.session).await.unwrap_or(false)
}

async fn who_asks(request: &Request<'_>, site: &Site) -> Result<Caller, SessionError> {
    // What was turned away already has no effect.
    if carrier::is_nobodys(request) || Refusal::of(request).is_some() {
        return Ok(Caller::Anonymous);
    }
    // Judged by it alone: its cookies are not read, a bad one is not rescued by a cookie.
    match Authorization::of(request) {
        Authorization::Absent => by_cookies(request, site).await,
        Authorization::Bearer(token) => by_header(site, token).await,
        Authorization::Unusable => Ok(Caller::Rejected { expired: false }),
    }
}

async fn by_cookies(request: &Request<'_>, site: &Site) -> Result<Caller, SessionError> {
    let mut caller = Caller::Anonymous;
    for token in site.cookies.read(request, Name::Access) {
        match site.sessions.authenticate(token).await? {
            Access::Good { session, generation, expires_at, auth_time } => {
                let user = Caller::User(Arc::new(CurrentUser::of_session(&session, generation, auth_time)));
                let ahead = REFRESH_AHEAD.min(site.sessions.access_ttl_seconds() / 15);
                if expires_at - site.clock.now() >= ahead || !carrier::keeps_cookies(request) {
                    return Ok(user);
                }
                // It counts as expired, but for what would not have expired it: no refresh token, or no database.
                return Ok(match by_refresh_cookie(request, site).await {
                    Ok(renewed @ (Caller::User(_) | Caller::Asked(_))) => renewed,
                    Ok(Caller::Dead(reason)) if !site.sessions.is_live(&session.id).await? => Caller::Dead(reason),
                    _ => user,
                });
            }
            Access::Expired => {}
            Access::Dead(reason) => caller = Caller::Dead(reason),
        }
    }
    if site.cookies.read(request, Name::Refresh).next().is_none() {
        // An expired access token alone is as dead as any.
        let sent_any = site.cookies.read(request, Name::Access).next().is_some();
        return Ok(if sent_any && matches!(caller, Caller::Anonymous) { Caller::Dead(None) } else { caller });
    }
    by_refresh_cookie(request, site).await
}

async fn by_header(site: &Site, token: &str) -> Result<Caller, SessionError> {
    if PersonalTokens::is_one(token) {
        return Ok(match site.personal_tokens.authenticate(token).await? {
            Some((token, owner)) => Caller::User(Arc::new(CurrentUser::of_personal_token(&token, &owner))),
            None => Caller::Rejected { expired: false },
        });
    }
    Ok(match site.sessions.authenticate(token).await? {
        Access::Good { session, generation, auth_time, .. } => {
            Caller::User(Arc::new(CurrentUser::of_session(&session, generation, auth_time)))
        }
        Access::Expired => Caller::Rejected { expired: true },
        Access::Dead(_) => Caller::Rejected { expired: false },
    })
}

async fn by_refresh_cookie(request: &Request<'_>, site: &Site) -> Result<Caller, SessionError> {
    let tokens: Vec<_> = site.cookies.read(request, Name::Refresh).collect();
    let Some(token) = site.sessions.newest(&tokens) else { return Ok(Caller::Dead(None)) };
    let probes: Vec<_> = site.cookies.read(request, Name::Probe).collect();
    let holder = match carrier::keeps_cookies(request) {
        true => Holder::Jar { probes: &probes },
        false => Holder::Deaf,
    };
    let exchange = Exchange::of(request);
    Ok(match site.sessions.refresh(token, holder, &client(request, site)).await? {
        Refresh::Renewed { session, tokens } => {
            exchange.deliver(tokens);
            Caller::User(Arc::new(CurrentUser::of_session(&session, session.family.generation, session.auth_time)))
        }
        Refresh::Served { session, generation } => {
            Caller::User(Arc::new(CurrentUser::of_session(&session, generation, session.auth_time)))
        }
        Refresh::Ask { probe } => {
            exchange.outgoing().probe = Some(probe);
            Caller::Asked(same_address(request))
        }
        Refresh::Dead(reason) => Caller::Dead(reason),
        Refresh::Refused => Caller::Refused { refresh_token: token.to_owned() },
    })
}

/// The request's own path and query. A path that begins with two slashes would name another host; so would one with
/// a backslash in second place, which browsers take for a slash.
fn same_address(request: &Request<'_>) -> String {
    let address = request.uri().to_string();
    if address.starts_with("//") || address.starts_with("/\\") { format!("/.{address}") } else { address }
}

/// Answers a request that was turned into a question.
#[rocket::get("/session/ask")]
pub fn ask(question: Question) -> Repeat {
    Repeat(question.0)
}

/// Only the fairing asks; a visitor of the route itself finds nothing there.
pub struct Question(String);

#[rocket::async_trait]
impl<'r> rocket::request::FromRequest<'r> for Question {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> rocket::request::Outcome<Self, ()> {
        match Exchange::of(request).caller() {
            Caller::Asked(address) => rocket::outcome::Outcome::Success(Self(address.clone())),
            _ => rocket::outcome::Outcome::Forward(Status::NotFound),
        }
    }
}

/// 307: the browser repeats the request, method and body included (RFC 9110 section 15.4.8).
pub struct Repeat(String);

impl<'r> rocket::response::Responder<'r, 'static> for Repeat {
    fn respond_to(self, _: &'r Request<'_>) -> rocket::response::Result<'static> {
        Response::build()
            .status(Status::TemporaryRedirect)
            .header(Header::new("Location", self.0))
            .header(Header::new("Cache-Control", "no-store"))
            .ok()
    }
}
