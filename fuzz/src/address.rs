//! The peer in the first line, then `X-Forwarded-For` headers, one a line.

use std::net::{IpAddr, SocketAddr};

use hallpass::http::address;

use crate::requests;

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.lines();
    let Some(Ok(peer)) = lines.next().map(str::parse::<IpAddr>) else { return };
    let headers: Vec<&str> = lines.collect();
    let told = read(peer, &headers);
    let peer = peer.to_canonical();
    assert_eq!(told, told.to_canonical(), "one address has one form");
    assert!(told == peer || is_trusted(peer), "{peer} was believed {told}");
    // Whoever wrote what stands furthest to the left, it changes nothing once somebody is found who is not trusted.
    if !is_trusted(told) {
        let forged: Vec<&str> =
            ["203.0.113.9, 10.0.0.9", "nonsense"].into_iter().chain(headers.iter().copied()).collect();
        assert_eq!(read(peer, &forged), told, "{headers:?}");
    }
    // Nor can anybody be named who does not stand there.
    let named = headers.iter().flat_map(|line| line.split(',')).filter_map(|entry| entry.trim().parse::<IpAddr>().ok());
    assert!(told == peer || named.map(|address| address.to_canonical()).any(|address| address == told), "{headers:?}");
}

fn read(peer: IpAddr, headers: &[&str]) -> IpAddr {
    let mut told = peer;
    requests::with_headers(
        SocketAddr::new(peer, 1),
        headers.iter().map(|line| ("X-Forwarded-For", *line)),
        |request| {
            told = address::of(request);
        },
    );
    told
}

/// As the settings of [`requests`] say it.
fn is_trusted(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[0] == 10,
        IpAddr::V6(address) => address.segments()[..2] == [0x2001, 0x0db8],
    }
}
