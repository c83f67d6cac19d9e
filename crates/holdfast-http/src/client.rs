//! From where a request comes.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

/// The address of whoever asks. `peer` is at the other end of the connection. What it says of
/// others (`X-Forwarded-For`) is believed only if it is one of `proxies`, and of what they say
/// only what the last of them saw itself: everything further left is whatever the client wrote.
pub(crate) fn address(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let is_proxy = |address: &IpAddr| proxies.iter().any(|proxy| proxy.contains(address));
    let mut client = peer.to_canonical();
    let said = headers.get_all("x-forwarded-for").iter();
    // What is no text is no address, and nothing further left is believed.
    let said: Vec<&str> = said.map(|value| value.to_str().unwrap_or_default()).collect();
    for hop in said.iter().rev().flat_map(|value| value.rsplit(',')) {
        if !is_proxy(&client) {
            break;
        }
        let Some(hop) = parse(hop.trim()) else { break };
        client = hop;
    }
    client
}

/// The network that counts as one caller: an address of IPv4, the first 64 bits of IPv6, which one
/// customer has all of.
pub(crate) fn network(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
    }
}

/// An address as proxies write it: alone, in brackets, or with a port.
fn parse(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    let address = bare.parse().ok().or_else(|| Some(hop.parse::<SocketAddr>().ok()?.ip()));
    address.as_ref().map(IpAddr::to_canonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, said: &[&str], proxies: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for said in said {
            headers.append("x-forwarded-for", said.parse().unwrap());
        }
        let proxies: Vec<IpNet> = proxies.iter().map(|proxy| proxy.parse().unwrap()).collect();
        address(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn only_what_named_proxies_saw_is_believed() {
        let proxies = &["10.0.0.0/8", "fd00::/8"];
        for (peer, said, client) in [
            ("192.0.2.1", &["198.51.100.1"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.7"], "192.0.2.7"),
            ("10.0.0.1", &["203.0.113.9, 192.0.2.7"], "192.0.2.7"),
            ("10.0.0.1", &["203.0.113.9, 192.0.2.7,10.0.0.2"], "192.0.2.7"),
            ("10.0.0.1", &["203.0.113.9", "192.0.2.7, 10.0.0.2"], "192.0.2.7"),
            ("10.0.0.1", &["192.0.2.7, made up"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.7, made up, 10.9.9.9"], "10.9.9.9"),
            ("10.0.0.1", &["192.0.2.7:4711"], "192.0.2.7"),
            ("fd00::1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("fd00::1", &["[2001:db8::1]"], "2001:db8::1"),
            ("::ffff:10.0.0.1", &["::ffff:192.0.2.7"], "192.0.2.7"),
        ] {
            assert_eq!(seen(peer, said, proxies), client, "{peer} said {said:?}");
        }
        assert_eq!(seen("10.0.0.1", &["192.0.2.7"], &[]), "10.0.0.1", "no proxy is named");
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "198.51.100.1".parse().unwrap());
        let odd = http::HeaderValue::from_bytes(b"\xff, 192.0.2.7").unwrap();
        headers.append("x-forwarded-for", odd);
        let peer = "10.0.0.1".parse().unwrap();
        assert_eq!(address(peer, &headers, &["10.0.0.0/8".parse().unwrap()]), peer);
    }

    #[test]
    fn a_network_of_ipv6_is_one_customers() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
    }
}
