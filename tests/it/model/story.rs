//! A way through the states, in words.

use super::steps::{Site, Step, presented};
use super::world::{Answer, Kind, Request, Row, Stage, Token, World};

pub fn of(site: &Site, way: &[(World, Option<Step>)]) -> String {
    let mut told = Vec::new();
    let mut waited = 0;
    for (before, after) in way.iter().zip(&way[1..]) {
        let (before, Some(step)) = before else { continue };
        if *step == Step::TimePasses {
            waited += 1;
            continue;
        }
        told.extend(waiting(&mut waited));
        told.push(tell(site, before, *step, &after.0));
    }
    told.extend(waiting(&mut waited));
    told.join(" > ")
}

fn waiting(units: &mut usize) -> Option<String> {
    match std::mem::take(units) {
        0 => None,
        1 => Some("half a grace passes".to_owned()),
        2 => Some("a grace passes".to_owned()),
        units => Some(format!("{units} half graces pass")),
    }
}

fn tell(site: &Site, before: &World, step: Step, after: &World) -> String {
    let number = |token: Token| match token {
        Token { ended: true, .. } => "a token of the old session".to_owned(),
        Token { generation: 0, .. } => "an old one".to_owned(),
        Token { generation, twin: 0, .. } => format!("{}", generation + before.untold.0),
        Token { generation, .. } => format!("another {}", generation + before.untold.0),
    };
    let jar = || before.jar.map_or("nothing".to_owned(), |cookies| number(cookies.token));
    let request = |place: usize| before.requests[place];
    let sent = |place: usize| number(request(place).cookies.token);
    let content = |answer: Answer| match answer {
        Answer::Page => "the page".to_owned(),
        Answer::New(token) | Answer::Again(token) => number(token),
        Answer::Asked(_) => "the question".to_owned(),
        Answer::Dead => "a refusal".to_owned(),
        Answer::Refused => "no access".to_owned(),
    };
    let decided = |request: &Request, read: &Row| {
        let answer = site.answer(&mut before.clone(), request, read);
        let done = match answer {
            None => "lost the race".to_owned(),
            Some(Answer::New(token)) if request.cookies.token.generation < read.generation => {
                format!("recovered, {}", number(token))
            }
            Some(Answer::New(token)) => format!("rotated, {}", number(token)),
            Some(Answer::Again(token)) => format!("{} again", number(token)),
            Some(Answer::Asked(_)) => "asked".to_owned(),
            Some(Answer::Dead) if before.row.end.is_none() && after.row.end.is_some() => "revoked".to_owned(),
            Some(answer) => content(answer),
        };
        let is_dropped = answer.is_some_and(|answer| site.leaves(before, request, answer) != answer);
        let settles = !before.row.settled && after.row.settled && after.row.generation >= before.row.parent;
        let note = match (is_dropped, before.row.confirmed, after.row.confirmed) {
            (true, ..) => ", but the cookies are dropped",
            _ if settles => ", settled",
            (_, None, Some(_)) => ", confirmed",
            _ => "",
        };
        format!("{done}{note}")
    };
    match step {
        Step::Send(kind) => format!("send {}{}", jar(), for_what(kind)),
        Step::Lose(place) if request(place).stage == Stage::Sent => format!("lose the request with {}", sent(place)),
        Step::Lose(place) => format!("the node that has written for {} crashes", sent(place)),
        Step::Repeat(place) => format!("the network repeats {}", sent(place)),
        Step::Handle(place) => format!("{}: {}", sent(place), decided(&request(place), &before.row)),
        Step::HandleAndCrash(place) => {
            format!("{}: {}, and a crash", sent(place), decided(&request(place), &before.row))
        }
        Step::Read(place) => format!("a node reads for {}", sent(place)),
        Step::Write(place) => match request(place).stage {
            Stage::Read(read) => format!("{}: {}", sent(place), decided(&request(place), &read)),
            Stage::Sent | Stage::Done(_) => String::new(),
        },
        Step::Reply(place) => format!("the answer to {} leaves", sent(place)),
        Step::LoseResponse(place) => format!("lose {}", content(before.responses[place].answer)),
        Step::Receive(place) => match before.responses[place].answer {
            Answer::Asked(_) => format!("the jar answers {}", jar()),
            answer => format!("receive {}", content(answer)),
        },
        Step::Kill => "kill the browser".to_owned(),
        Step::TimePasses => waiting(&mut 1).unwrap_or_default(),
        Step::BackUp => "a backup is made".to_owned(),
        Step::Restore => "it is restored".to_owned(),
        Step::EndElsewhere => "the session is ended elsewhere".to_owned(),
        Step::LogIn => "log in again".to_owned(),
        Step::Copy => format!("the thief copies {}", jar()),
        Step::Present { which, kind, answers } => {
            let request = presented(before, which, kind, answers);
            let verb = if answers { "answers" } else { "sends" };
            format!(
                "the thief {verb} {}{}: {}",
                number(request.cookies.token),
                for_what(kind),
                decided(&request, &before.row)
            )
        }
    }
}

fn for_what(kind: Kind) -> &'static str {
    match kind {
        Kind::Page => "",
        Kind::Missing => " for a page that is not there",
        Kind::Image => " for an image",
        Kind::Refresh => " to refresh",
        Kind::Header => " in a header",
    }
}
