//! The question to the jar: a short-lived value that a browser sends back with whatever cookies it holds then.

use crate::clock::Seconds;
use crate::id::{SessionId, random_text};
use crate::tokens::mac::Mac;
use crate::tokens::secret::MasterSecret;

/// An answer comes within a round trip or two. It must not come later than it takes a new token to settle, or a
/// browser that was killed could bring back question and old token together.
pub const PROBE_SECONDS: Seconds = 60;

#[derive(Clone)]
pub struct Probes(Mac);

impl Probes {
    pub fn new(secret: &MasterSecret) -> Self {
        Self(Mac::new(secret, "probe"))
    }

    /// A question to whoever presents a token of this session: nonce, end, code.
    pub fn ask(&self, session: &SessionId, now: Seconds) -> String {
        let question = format!("{}.{}", random_text::<9>(), now + PROBE_SECONDS);
        let code = self.0.sign(&Self::bound(&question, session));
        format!("{question}.{code}")
    }

    /// Whether this is a question that was put to a holder of this session less than a minute ago.
    pub fn is_answer(&self, probe: &str, session: &SessionId, now: Seconds) -> bool {
        let Some((question, code)) = probe.rsplit_once('.') else { return false };
        let ends = question.rsplit_once('.').and_then(|(_, end)| end.parse::<Seconds>().ok());
        ends.is_some_and(|end| now < end) && self.0.verify(&Self::bound(question, session), code)
    }

    fn bound(question: &str, session: &SessionId) -> String {
        format!("{question}.{session}")
    }
}
