//! Personal access tokens: made, shown once, listed and revoked by their owner.

use askama::Template;
use rocket::http::Status;
use rocket::{Route, State, get, post, routes};

use super::answer::{Answer, Failure, Refusal};
use super::form::{Fields, Submission};
use super::page::{Faults, Frame, Notice, Page, SeeOther};
use super::words;
use crate::accounts::Fault;
use crate::audit::Client;
use crate::auth::Site;
use crate::auth::guards::{CurrentUser, RecentlyAuthenticated};
use crate::clock::Seconds;
use crate::id::PersonalTokenId;
use crate::personal_tokens::{Draft, PersonalToken, Scope, TokenError};

/// What the form offers, in days. Whoever needs a token again next year should look through them then.
const LIVES: [&str; 4] = ["7", "30", "90", "365"];

#[derive(Template)]
#[template(path = "personal_tokens.html")]
pub struct PersonalTokensPage {
    pub frame: Frame,
    pub tokens: Vec<TokenView>,
    pub made: Option<MadeView>,
    pub asked: Asked,
    pub faults: Faults,
    pub notice: Option<Notice>,
}

pub struct TokenView {
    pub id: String,
    pub name: String,
    pub may: String,
    pub made: String,
    pub last_used: Option<String>,
    pub ends: String,
}

/// The one moment in which a token is shown.
pub struct MadeView {
    pub token: String,
    /// Where a program can try it.
    pub try_at: String,
}

/// A scope as a checkbox.
pub struct Choice {
    pub id: String,
    pub value: &'static str,
    pub label: &'static str,
    pub hint: &'static str,
    pub ticked: bool,
}

/// What was typed into the form.
pub struct Asked {
    pub name: String,
    pub scopes: Vec<String>,
    pub expires_in_days: String,
}

impl Default for Asked {
    fn default() -> Self {
        Self { name: String::new(), scopes: Vec::new(), expires_in_days: "90".to_owned() }
    }
}

impl Asked {
    fn read(fields: &Fields, faults: &mut Vec<Fault>) -> Self {
        Self {
            name: fields.read("name", faults),
            scopes: fields.all("scopes").map(str::to_owned).collect(),
            expires_in_days: fields.read("expires_in_days", faults),
        }
    }

    fn check(&self, is_admin: bool) -> Result<Draft, Vec<Fault>> {
        let scopes: Vec<_> = self.scopes.iter().map(String::as_str).collect();
        // What is no number of days is no allowed number of days either.
        Draft::check(&self.name, &scopes, self.expires_in_days.parse().unwrap_or_default(), is_admin)
    }
}

impl TokenView {
    fn new(token: &PersonalToken, now: Seconds) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name.clone(),
            may: words::may(&token.scopes),
            made: words::date_and_time(token.created_at),
            last_used: token.last_used_at.map(|at| words::ago(now - at)),
            ends: words::date_and_time(token.expires_at),
        }
    }
}

impl PersonalTokensPage {
    /// The scopes that the visitor can give. The first has the field's name as its id: faults lead there.
    fn choices(&self) -> Vec<Choice> {
        let is_admin = self.frame.user.as_ref().is_some_and(|user| user.admin);
        let offered = Scope::ALL.iter().filter(|scope| **scope != Scope::Admin || is_admin);
        let choice = |(place, scope): (usize, &Scope)| {
            let (label, hint) = words::scope(*scope);
            let value = scope.as_str();
            let id = if place == 0 { "scopes".to_owned() } else { format!("scopes-{value}") };
            Choice { id, value, label, hint, ticked: self.asked.scopes.iter().any(|asked| asked == value) }
        };
        offered.enumerate().map(choice).collect()
    }

    fn lives(&self) -> &[&str] {
        &LIVES
    }
}

pub fn routes() -> Vec<Route> {
    routes![show, create, revoke]
}

/// The page as it is when nothing is wrong.
async fn page(site: &Site, user: &CurrentUser, frame: Frame) -> Result<PersonalTokensPage, Failure> {
    let now = site.clock.now();
    let tokens = site.personal_tokens.list(&user.id).await?;
    Ok(PersonalTokensPage {
        frame,
        tokens: tokens.iter().map(|token| TokenView::new(token, now)).collect(),
        made: None,
        asked: Asked::default(),
        faults: Faults::default(),
        notice: None,
    })
}

#[get("/account/tokens?<revoked>")]
async fn show(
    user: CurrentUser,
    site: &State<Site>,
    frame: Frame,
    revoked: Option<&str>,
) -> Result<Page<PersonalTokensPage>, Failure> {
    let notice = revoked.map(|_| Notice::success("The token is revoked. It gives no access any more."));
    Ok(Page::ok(PersonalTokensPage { notice, ..page(site, &user, frame).await? }))
}

#[post("/account/tokens", data = "<submission>")]
async fn create(
    user: CurrentUser,
    site: &State<Site>,
    client: Client,
    frame: Frame,
    submission: Submission,
) -> Result<Answer<PersonalTokensPage>, Failure> {
    let mut faults = Vec::new();
    let asked = Asked::read(&submission.fields, &mut faults);
    let password = submission.fields.read("password", &mut faults);
    let made = match submission.accept(faults) {
        Ok(()) => make(site, &user, &asked, &password, &client).await?,
        Err(refusal) => Err(refusal),
    };
    let page = page(site, &user, frame).await?;
    Ok(match made {
        Ok(token) => {
            let made = Some(MadeView { token, try_at: site.config.public_url.join("/api/me") });
            Answer::Page(Page::with(Status::Created, PersonalTokensPage { made, ..page }))
        }
        Err(refusal) => refusal.page(|faults, notice| PersonalTokensPage { asked, faults, notice, ..page }),
    })
}

/// The text of the new token. A password is not tried for a form that comes back anyway.
async fn make(
    site: &Site,
    user: &CurrentUser,
    asked: &Asked,
    password: &str,
    client: &Client,
) -> Result<Result<String, Refusal>, Failure> {
    let (draft, mut faults) = match asked.check(user.admin) {
        Ok(draft) => (Some(draft), Vec::new()),
        Err(faults) => (None, faults),
    };
    if password.is_empty() {
        faults.push(Fault::new("password", "required", "Enter your password."));
    }
    let (Some(draft), true) = (draft, faults.is_empty()) else { return Ok(Err(Refusal::faults(faults))) };
    let owner = match site.accounts.reauthenticate(&user.id, password, client).await {
        Ok(owner) => owner,
        Err(error) => return Refusal::of(error).map(Err),
    };
    match site.personal_tokens.create(&owner.id, owner.password_changed_at, draft, client).await {
        Ok((_, token)) => Ok(Ok(token)),
        Err(TokenError::Invalid(faults)) => Ok(Err(Refusal::faults(faults))),
        Err(TokenError::ProofOutdated) => Err(Failure::of(Status::Unauthorized)),
        Err(TokenError::Db(error)) => Err(error.into()),
    }
}

#[post("/account/tokens/<id>/revoke", data = "<submission>")]
async fn revoke(
    recent: RecentlyAuthenticated,
    id: &str,
    site: &State<Site>,
    client: Client,
    frame: Frame,
    submission: Submission,
) -> Result<Answer<PersonalTokensPage>, Failure> {
    let user = recent.user;
    if let Err(refusal) = submission.accept(Vec::new()) {
        let page = page(site, &user, frame).await?;
        return Ok(refusal.page(|_, notice| PersonalTokensPage { notice, ..page }));
    }
    if !site.personal_tokens.revoke(&user.id, &PersonalTokenId::from_text(id), &client).await? {
        return Err(Failure::of(Status::NotFound));
    }
    Ok(Answer::Done(SeeOther::to("/account/tokens?revoked")))
}
