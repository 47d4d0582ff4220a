//! Who waits for a password to be hashed, and whose turn it is: one group's flood must not keep the others out.

use std::collections::VecDeque;
use std::net::IpAddr;

use crate::id::UserId;

/// For whom a password is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asker {
    known: bool,
    /// Whoever shares it takes turns with the others as one.
    group: String,
}

impl Asker {
    /// From the command line.
    pub fn operator() -> Self {
        Self { known: true, group: String::new() }
    }

    /// Has logged in to the account before. Browsers of one account are one: anybody may have many, of an account of
    /// their own, and as many addresses.
    pub fn known(account: &UserId) -> Self {
        Self { known: true, group: account.as_str().to_owned() }
    }

    /// Anybody else.
    pub fn stranger(address: IpAddr) -> Self {
        Self { known: false, group: network(address) }
    }
}

/// Two lines, served alternately while somebody stands in both. Strangers cannot take the places of those who are
/// known, however many addresses they have; and who has an account here, which may be anybody, cannot keep strangers
/// out by logging in to it again and again.
#[derive(Debug)]
pub(super) struct Line<T> {
    known: Groups<T>,
    strangers: Groups<T>,
    last_was_known: bool,
}

impl<T> Line<T> {
    /// With so many places for those who are known, and as many for strangers.
    pub fn new(places: usize) -> Self {
        Self { known: Groups::new(places), strangers: Groups::new(places), last_was_known: false }
    }

    /// Whether [`Line::join`] would let this one in.
    pub fn has_place(&self, asker: &Asker) -> bool {
        let turns = if asker.known { &self.known } else { &self.strangers };
        turns.len() < turns.places || turns.greediest(&asker.group).is_some()
    }

    /// Gives whoever loses their place by it: the last of whoever has more places, or the one who wants to join
    /// if there is none.
    pub fn join(&mut self, asker: &Asker, one: T) -> Option<T> {
        let turns = if asker.known { &mut self.known } else { &mut self.strangers };
        turns.join(&asker.group, one)
    }

    /// Whose turn it is.
    pub fn next(&mut self) -> Option<T> {
        let known = match self.last_was_known {
            true => self.strangers.is_empty(),
            false => !self.known.is_empty(),
        };
        self.last_was_known = known;
        if known { self.known.next() } else { self.strangers.next() }
    }

    /// Frees the places of all but those who stay.
    pub fn retain(&mut self, stays: impl Fn(&T) -> bool) {
        self.known.retain(&stays);
        self.strangers.retain(&stays);
    }
}

/// Networks or accounts take turns, one of each at a time.
///
/// One may have all places while nobody else wants them, as an office in the morning does. Then a newcomer
/// from elsewhere takes one from whoever has most, until all have equally many.
#[derive(Debug)]
struct Groups<T> {
    places: usize,
    /// The next one first; none is empty.
    groups: VecDeque<(String, VecDeque<T>)>,
}

impl<T> Groups<T> {
    fn new(places: usize) -> Self {
        Self { places, groups: VecDeque::new() }
    }

    fn len(&self) -> usize {
        self.groups.iter().map(|(_, waiting)| waiting.len()).sum()
    }

    fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Which has most places, if it has more than this one would have with one more.
    fn greediest(&self, group: &str) -> Option<usize> {
        let own = self.groups.iter().find(|(other, _)| other == group).map_or(0, |(_, waiting)| waiting.len());
        let (most, index) = self.groups.iter().enumerate().map(|(index, (_, all))| (all.len(), index)).max()?;
        (most > own + 1).then_some(index)
    }

    fn join(&mut self, group: &str, one: T) -> Option<T> {
        let mut loser = None;
        if self.len() >= self.places {
            let Some(greediest) = self.greediest(group) else { return Some(one) };
            loser = self.groups[greediest].1.pop_back();
        }
        match self.groups.iter_mut().find(|(other, _)| other == group) {
            Some((_, waiting)) => waiting.push_back(one),
            None => self.groups.push_back((group.to_owned(), VecDeque::from([one]))),
        }
        loser
    }

    fn next(&mut self) -> Option<T> {
        let (group, mut waiting) = self.groups.pop_front()?;
        let next = waiting.pop_front();
        if !waiting.is_empty() {
            self.groups.push_back((group, waiting));
        }
        next
    }

    fn retain(&mut self, stays: impl Fn(&T) -> bool) {
        self.groups.iter_mut().for_each(|(_, waiting)| waiting.retain(&stays));
        self.groups.retain(|(_, waiting)| !waiting.is_empty());
    }
}

/// An IPv4 address, or an IPv6 network of 48 bits: many have as much for themselves.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stranger(number: u8) -> Asker {
        Asker::stranger(IpAddr::from([198, 51, 100, number]))
    }

    fn known(number: u8) -> Asker {
        Asker::known(&UserId::from_text(number.to_string()))
    }

    fn all<T>(line: &mut Line<T>) -> Vec<T> {
        std::iter::from_fn(|| line.next()).collect()
    }

    #[test]
    fn networks_take_turns_and_within_one_the_first_comes_first() {
        let mut line = Line::new(64);
        for (number, name) in [(1, "a1"), (1, "a2"), (1, "a3"), (2, "b1"), (3, "c1"), (2, "b2")] {
            assert_eq!(line.join(&stranger(number), name), None);
        }
        assert_eq!(all(&mut line), ["a1", "b1", "c1", "a2", "b2", "a3"]);
    }

    #[test]
    fn a_flood_from_one_network_delays_another_by_one_turn() {
        let mut line = Line::new(64);
        let turned_away = (0..1000).filter(|_| line.join(&stranger(1), "flood").is_some()).count();
        assert_eq!(turned_away, 1000 - 64);
        assert_eq!(line.join(&stranger(2), "other"), Some("flood"), "makes room");
        let next_two = [line.next(), line.next()];
        assert!(next_two.contains(&Some("other")), "{next_two:?}");
    }

    #[test]
    fn one_ipv6_network_is_one_however_many_addresses_it_has() {
        let mut line = Line::new(64);
        for number in 0..100 {
            line.join(&Asker::stranger(IpAddr::from([0x2001, 0xdb8, 1, number, 0, 0, 0, 1])), "flood");
        }
        line.join(&Asker::stranger(IpAddr::from([0x2001, 0xdb8, 2, 3, 0, 0, 0, 1])), "other");
        assert!([line.next(), line.next()].contains(&Some("other")));
    }

    #[test]
    fn a_full_line_is_shared_until_all_networks_have_equally_many_places() {
        let mut line = Line::new(6);
        (0..6).for_each(|n| assert_eq!(line.join(&stranger(1), (1, n)), None));
        assert_eq!(line.join(&stranger(1), (1, 6)), Some((1, 6)), "nobody is displaced by their own network");
        assert_eq!(line.join(&stranger(2), (2, 0)), Some((1, 5)), "the last one");
        assert_eq!(line.join(&stranger(2), (2, 1)), Some((1, 4)));
        assert_eq!(line.join(&stranger(2), (2, 2)), Some((1, 3)));
        assert!(!line.has_place(&stranger(2)));
        assert_eq!(line.join(&stranger(2), (2, 3)), Some((2, 3)), "half of it is theirs");
        assert!(line.has_place(&stranger(3)));
        assert!(line.join(&stranger(3), (3, 0)).is_some_and(|(network, _)| network != 3));
        assert_eq!(line.strangers.len(), 6);
    }

    #[test]
    fn strangers_from_everywhere_leave_the_known_their_places_and_every_other_turn() {
        let mut line = Line::new(64);
        for number in 0..=255 {
            line.join(&stranger(number), "stranger");
        }
        assert!(!line.has_place(&Asker::stranger(IpAddr::from([203, 0, 113, 1]))));
        assert!(line.has_place(&known(1)));
        assert_eq!(line.join(&known(1), "owner"), None);
        assert_eq!(line.next(), Some("owner"));
        for _ in 0..3 {
            line.join(&known(1), "owner");
        }
        let next: Vec<_> = (0..6).filter_map(|_| line.next()).collect();
        assert_eq!(next, ["stranger", "owner", "stranger", "owner", "stranger", "owner"]);
    }

    #[test]
    fn whoever_logs_in_to_an_account_of_their_own_does_not_keep_other_owners_out() {
        let mut line = Line::new(64);
        let turned_away = (0..1000).filter(|_| line.join(&known(1), "flood").is_some()).count();
        assert_eq!(turned_away, 1000 - 64);
        assert_eq!(line.join(&known(2), "owner"), Some("flood"));
        assert!([line.next(), line.next()].contains(&Some("owner")));
    }

    #[test]
    fn the_known_take_no_places_from_strangers() {
        let mut line = Line::new(2);
        for number in 0..9 {
            line.join(&known(number), "known");
        }
        assert_eq!(line.join(&stranger(1), "stranger"), None);
        assert_eq!(all(&mut line), ["known", "stranger", "known"]);
    }

    #[test]
    fn places_that_were_left_are_free() {
        let mut line = Line::new(3);
        for (asker, name) in [(stranger(1), "a1"), (stranger(1), "gone"), (stranger(2), "gone")] {
            line.join(&asker, name);
        }
        line.join(&known(2), "gone");
        line.retain(|name| *name != "gone");
        assert!(line.has_place(&stranger(1)));
        assert_eq!(line.join(&stranger(1), "a2"), None);
        assert_eq!(all(&mut line), ["a1", "a2"]);
    }
}
