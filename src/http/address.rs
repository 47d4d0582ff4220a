//! Where a request came from: proxies are believed only if the operator trusts them.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use rocket::Request;

use crate::config::Config;

/// The client's address. `X-Forwarded-For` is read from the right, for as long as the one who wrote an entry is a
/// trusted proxy: what stands to the left of that was written by a stranger.
pub fn of(request: &Request<'_>) -> IpAddr {
    let peer = request.remote().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |remote| remote.ip());
    let trusted = request.rocket().state::<Config>().map_or(&[][..], |config| &config.trusted_proxies);
    // Most sites trust nobody: spares each request the header.
    if trusted.is_empty() {
        return peer.to_canonical();
    }
    let forwarded = request.headers().get("X-Forwarded-For").flat_map(|line| line.split(','));
    nearest_stranger(peer.to_canonical(), &forwarded.collect::<Vec<_>>(), trusted)
}

/// Whether the request was passed on by a trusted proxy.
pub fn is_from_trusted_proxy(request: &Request<'_>) -> bool {
    let trusted = request.rocket().state::<Config>().map_or(&[][..], |config| &config.trusted_proxies);
    request.remote().is_some_and(|remote| trusts(trusted, remote.ip().to_canonical()))
}

fn trusts(trusted: &[IpNet], address: IpAddr) -> bool {
    trusted.iter().any(|net| net.contains(&address))
}

fn nearest_stranger(peer: IpAddr, forwarded: &[&str], trusted: &[IpNet]) -> IpAddr {
    let mut nearest = peer;
    for entry in forwarded.iter().rev() {
        if !trusts(trusted, nearest) {
            break;
        }
        match entry.trim().parse::<IpAddr>() {
            Ok(address) => nearest = address.to_canonical(),
            Err(_) => break,
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().expect("a network")];
        #[rustfmt::skip]
        let cases: &[(&str, &[&str], &str)] = &[
            ("198.51.100.7", &[], "198.51.100.7"),
            ("198.51.100.7", &["203.0.113.9"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["1.2.3.4", " 203.0.113.9 "], "203.0.113.9"),
            ("10.0.0.1", &["203.0.113.9", "10.0.0.2"], "203.0.113.9"),
            ("10.0.0.1", &["nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9", "nonsense", "10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
        ];
        for (peer, forwarded, expected) in cases {
            let nearest = nearest_stranger(peer.parse().expect("an address"), forwarded, &trusted);
            assert_eq!(nearest.to_string(), *expected, "{peer} {forwarded:?}");
        }
    }
}
