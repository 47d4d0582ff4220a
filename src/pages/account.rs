//! The protected page: profile and password.

use askama::Template;
use rocket::http::Status;
use rocket::{Route, State, get, post, routes};

use super::answer::{Answer, Failure, Refusal};
use super::form::Submission;
use super::page::{Faults, Frame, Notice, Page, SeeOther};
use super::words;
use crate::audit::Client;
use crate::auth::Site;
use crate::auth::guards::{CurrentUser, LoggedIn};
use crate::clock::Seconds;

#[derive(Template)]
#[template(path = "account.html")]
pub struct AccountPage {
    pub frame: Frame,
    pub name: String,
    pub email: String,
    pub since: String,
    pub password_changed: String,
    pub session_count: i64,
    pub token_count: i64,
    pub profile_faults: Faults,
    pub password_faults: Faults,
    pub notice: Option<Notice>,
    pub password_min_length: usize,
}

pub fn routes() -> Vec<Route> {
    routes![show, save_profile, change_password]
}

/// The page as it is when nothing is wrong.
async fn page(site: &Site, user: CurrentUser, frame: Frame) -> Result<AccountPage, Failure> {
    let overview = site.overview(&user.id).await?.ok_or(Failure::of(Status::NotFound))?;
    Ok(AccountPage {
        frame,
        since: words::date(overview.created_at),
        password_changed: words::date(overview.password_changed_at),
        session_count: overview.sessions,
        token_count: overview.tokens,
        name: user.name,
        email: user.email,
        profile_faults: Faults::default(),
        password_faults: Faults::default(),
        notice: overview.replayed_at.map(replay_notice),
        password_min_length: site.config.password_min_length,
    })
}

#[get("/account?<saved>")]
async fn show(
    user: CurrentUser,
    site: &State<Site>,
    frame: Frame,
    saved: Option<&str>,
) -> Result<Page<AccountPage>, Failure> {
    let page = page(site, user, frame).await?;
    let notice = match saved {
        Some("name") => Some(Notice::success("Your name is saved.")),
        Some("password") => Some(Notice::success("Your password is changed. Your other sessions have ended.")),
        _ => page.notice,
    };
    Ok(Page::ok(AccountPage { notice, ..page }))
}

fn replay_notice(at: Seconds) -> Notice {
    Notice::warning(format!(
        "On {}, one of your sessions was ended because an old copy of its token was used. Look through your devices \
         and sessions; if something is not yours, change your password.",
        words::date_and_time(at)
    ))
}

#[post("/account/profile", data = "<submission>")]
async fn save_profile(
    user: CurrentUser,
    site: &State<Site>,
    frame: Frame,
    submission: Submission,
) -> Result<Answer<AccountPage>, Failure> {
    let mut faults = Vec::new();
    let name = submission.fields.read("name", &mut faults);
    let refusal = match submission.accept(faults) {
        Err(refusal) => refusal,
        Ok(()) => match site.accounts.change_name(&user.id, &name).await {
            Ok(()) => return Ok(Answer::Done(SeeOther::to("/account?saved=name"))),
            Err(error) => Refusal::of(error)?,
        },
    };
    let page = page(site, user, frame).await?;
    Ok(refusal.page(|profile_faults, notice| AccountPage { name, profile_faults, notice, ..page }))
}

#[post("/account/password", data = "<submission>")]
async fn change_password(
    visitor: LoggedIn,
    site: &State<Site>,
    client: Client,
    frame: Frame,
    submission: Submission,
) -> Result<Answer<AccountPage>, Failure> {
    let LoggedIn { user, session, .. } = visitor;
    let mut faults = Vec::new();
    let mut read = |name| submission.fields.read(name, &mut faults);
    let (current, new) = (read("current_password"), read("new_password"));
    let refusal = match submission.accept(faults) {
        Err(refusal) => refusal,
        Ok(()) => match site.accounts.change_password(&user.id, &current, &new, &session, &client).await {
            Ok(()) => return Ok(Answer::Done(SeeOther::to("/account?saved=password"))),
            Err(error) => Refusal::of(error)?,
        },
    };
    let page = page(site, user, frame).await?;
    Ok(refusal.page(|password_faults, notice| AccountPage { password_faults, notice, ..page }))
}
