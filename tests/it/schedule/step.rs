//! What can happen next. All choices are small numbers, so that a schedule that fails shrinks to the few steps and the
//! short waits that matter.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any};
use proptest::prop_oneof;

/// Which of those in flight: counted from the first, in circles.
pub type Which = u8;

/// What the owner's browser asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Page,
    /// A form that does its work.
    Form,
    /// The one on a page that delivers.
    Image,
    Head,
    /// A page that does not exist.
    Missing,
    /// A handler that fails.
    Failing,
}

/// What a thief makes of the cookies that he has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trick {
    /// A page, by all of them.
    Page,
    /// The same, and an answer where he is asked.
    Answering,
    /// By the refresh token alone, and an answer where he is asked.
    Refreshing,
    /// By the refresh token alone, as if for an image: nobody asks an image.
    Deaf,
    /// As a program, with the refresh token in the body.
    Body,
    /// As a program, with the refresh token in a header.
    Bearer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A request and its answer, one right after the other.
    Visit(What, usize),
    Send(What),
    /// A request arrives, and is answered; `again` if the network will deliver it once more.
    Answer {
        which: Which,
        node: usize,
        again: bool,
    },
    /// As many pages are sent, and all that is in flight arrives in the same moment, at one server and the other in turns.
    AtOnce(Which),
    Receive(Which),
    LoseRequest(Which),
    LoseResponse(Which),
    KillBrowser,
    Wait(i64),
    /// Each server hears of what the other has changed.
    Hear,
    Restart(usize),
    /// A server dies between the commit and the answer.
    Crash {
        which: Which,
        node: usize,
    },
    BackUp,
    Restore,
    /// All cookies of the owner's browser are copied.
    Steal,
    Thief(Trick, usize),
    /// The owner logs out, while `all` that is in flight arrives.
    LogOut {
        node: usize,
        all: bool,
    },
    /// The owner ends the session from another one.
    End(usize),
    /// The owner logs in again, if there is need.
    LogIn(usize),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |node: &usize| ["the first server", "the second server"][*node];
        match self {
            Self::Visit(what, node) => write!(f, "{what:?} at {}, sent, answered and received", at(node)),
            Self::Send(what) => write!(f, "{what:?} is sent"),
            Self::Answer { which, node, again } => {
                let again = if *again { ", and will arrive again" } else { "" };
                write!(f, "request {which} arrives at {}{again}", at(node))
            }
            Self::AtOnce(more) => write!(f, "{more} pages are sent, and all requests arrive at once"),
            Self::Receive(which) => write!(f, "response {which} is received"),
            Self::LoseRequest(which) => write!(f, "request {which} is lost"),
            Self::LoseResponse(which) => write!(f, "response {which} is lost"),
            Self::KillBrowser => write!(f, "the browser is killed"),
            Self::Wait(seconds) => write!(f, "{seconds} s pass"),
            Self::Hear => write!(f, "the servers hear of each other's changes"),
            Self::Restart(node) => write!(f, "{} is restarted", at(node)),
            Self::Crash { which, node } => write!(f, "{} answers request {which} and dies", at(node)),
            Self::BackUp => write!(f, "the database is backed up"),
            Self::Restore => write!(f, "the backup is restored"),
            Self::Steal => write!(f, "a thief copies the cookies"),
            Self::Thief(trick, node) => write!(f, "the thief tries {trick:?} at {}", at(node)),
            Self::LogOut { node, all: false } => write!(f, "the owner logs out at {}", at(node)),
            Self::LogOut { node, all: true } => write!(f, "the owner logs out at {} among all requests", at(node)),
            Self::End(node) => write!(f, "the owner ends the session elsewhere, at {}", at(node)),
            Self::LogIn(node) => write!(f, "the owner logs in again at {}", at(node)),
        }
    }
}

fn node() -> impl Strategy<Value = usize> {
    0..2_usize
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        10 => Just(What::Page),
        3 => Just(What::Form),
        3 => Just(What::Image),
        1 => Just(What::Head),
        2 => Just(What::Missing),
        1 => Just(What::Failing),
    ]
}

/// Around the times that decide something: a moment; the minute after which a generation settles; as long as requests and
/// responses may take; the life of an access token.
fn wait() -> impl Strategy<Value = Step> {
    prop_oneof![4 => 1..16_i64, 3 => 50..76_i64, 1 => 76..280_i64, 3 => 830..1000_i64, 1 => 1000..4000_i64]
        .prop_map(Step::Wait)
}

/// What befalls a browser, the network and the site.
fn honest() -> BoxedStrategy<Step> {
    let which = 0..4_u8;
    prop_oneof![
        14 => (what(), node()).prop_map(|(what, node)| Step::Visit(what, node)),
        14 => what().prop_map(Step::Send),
        18 => (which.clone(), node(), proptest::bool::weighted(0.1))
            .prop_map(|(which, node, again)| Step::Answer { which, node, again }),
        4 => which.clone().prop_map(Step::AtOnce),
        16 => which.clone().prop_map(Step::Receive),
        2 => which.clone().prop_map(Step::LoseRequest),
        4 => which.clone().prop_map(Step::LoseResponse),
        5 => Just(Step::KillBrowser),
        20 => wait(),
        1 => Just(Step::Hear),
        1 => node().prop_map(Step::Restart),
        1 => (which, node()).prop_map(|(which, node)| Step::Crash { which, node }),
    ]
    .boxed()
}

fn thief() -> BoxedStrategy<Step> {
    let trick = prop_oneof![
        Just(Trick::Page),
        Just(Trick::Answering),
        Just(Trick::Refreshing),
        Just(Trick::Deaf),
        Just(Trick::Body),
        Just(Trick::Bearer),
    ];
    prop_oneof![
        2 => Just(Step::Steal),
        8 => (trick, node()).prop_map(|(trick, node)| Step::Thief(trick, node)),
        1 => (node(), any::<bool>()).prop_map(|(node, all)| Step::LogOut { node, all }),
        1 => node().prop_map(Step::End),
        2 => node().prop_map(Step::LogIn),
    ]
    .boxed()
}

/// A world in which nobody means harm. A backup is seldom restored: it takes time.
pub fn without_thief() -> impl Strategy<Value = Vec<Step>> {
    let steps = |most| vec(honest(), 1..most);
    prop_oneof![
        5 => steps(120),
        1 => (steps(40), steps(40), steps(40)).prop_map(|(before, lost, after)| {
            [before, vec![Step::BackUp], lost, vec![Step::Restore], after].concat()
        }),
    ]
}

/// A world in which cookies are stolen, and the owner leaves now and then. Sometimes they are stolen from a browser that
/// is killed before it has saved them: it recovers, and the thief holds what it never will.
pub fn with_thief() -> impl Strategy<Value = Vec<Step>> {
    let steps = |most| vec(prop_oneof![4 => honest(), 1 => thief()], 1..most);
    prop_oneof![
        5 => steps(120),
        1 => (steps(40), vec(thief(), 1..6), steps(40)).prop_map(|(before, tricks, after)| {
            let theft = [
                Step::LogIn(0),
                Step::Wait(901),
                Step::Visit(What::Page, 0),
                Step::Visit(What::Image, 0),
                Step::Steal,
                Step::KillBrowser,
                Step::Wait(61),
                Step::Visit(What::Page, 0),
                Step::AtOnce(0),
            ];
            [before, theft.to_vec(), tricks, after].concat()
        }),
    ]
}

/// By how much the second server's clock is ahead.
pub fn ahead() -> impl Strategy<Value = i64> {
    -5..=5_i64
}
