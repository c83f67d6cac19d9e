//! Kinds of values: each says what it must look like, and does so alike wherever it is set.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use holdfast_http::{Rate, RateError};
use ipnet::{IpNet, Ipv4Net};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Where to listen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address(pub(crate) SocketAddr);

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = "it must be an IP address and a port, such as 127.0.0.1:8080, 0.0.0.0:8080 for \
                    every address of this machine, or [::1]:8080";
        text.parse().map(Self).map_err(|_| form)
    }
}

/// A limit that is set, also to none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit(pub(super) Option<Rate>);

impl FromStr for Limit {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        Rate::parse_or_off(text).map(Self)
    }
}

/// A network, or one address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network(pub(super) IpNet);

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = "it must be a network, such as 10.0.0.0/8 or 2001:db8::/32, or an address, such \
                    as 10.0.0.7";
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        let network = text.parse().or_else(|_| address()).map_err(|_| form)?;
        canonical(network).map(Self).ok_or(
            "it is an IPv4 network written as IPv6, and wider than all of IPv4, which begins at \
             /96: write it as IPv4, such as 10.0.0.0/8",
        )
    }
}

/// A network as it is compared: one of IPv4 that is written as IPv6 (`::ffff:10.0.0.0/104`) as the
/// IPv4 that it is, for so are clients' addresses. `None`: it is such a one, and no network of IPv4.
fn canonical(network: IpNet) -> Option<IpNet> {
    let IpNet::V6(wide) = network else { return Some(network) };
    let Some(address) = wide.addr().to_ipv4_mapped() else { return Some(network) };
    let length = wide.prefix_len().checked_sub(MAPPED_BITS)?;
    Ipv4Net::new(address, length).ok().map(IpNet::V4)
}

/// What all addresses of IPv4 that are written as IPv6 begin with.
const MAPPED_BITS: u8 = 96;

/// A whole number in a range, of something.
macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident: $of:literal, $least:literal to $most:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name(pub(super) u64);

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let number = text.parse().ok().filter(|number| ($least..=$most).contains(number));
                number.map(Self).ok_or_else(|| {
                    format!("it must be a whole number{}, {} to {}", $of, $least as u64, $most as u64)
                })
            }
        }
    )*};
}

numbers! {
    /// So many of something that the system has few of.
    Count: "", 1 to 65_535;
    /// So many data nodes of Redis.
    DataNodes: "", 1 to 15;
    /// So many connections.
    Connections: "", 1 to 10_000_000;
    /// A time, up to an hour.
    Milliseconds: " of milliseconds", 0 to 3_600_000;
    /// The length of a file of the journal.
    SegmentBytes: " of bytes", 4_096 to 1_073_741_824;
    /// So often in a second.
    PerSecond: "", 1 to 10_000;
    /// How much is written.
    Bytes: " of bytes", 1 to 1_099_511_627_776;
}

/// A value in the settings file: in quotes, or a number without them.
#[derive(Deserialize)]
#[serde(untagged, expecting = "it must be a text in quotes or a whole number")]
enum Scalar {
    Text(String),
    Number(i64),
}

impl Scalar {
    fn read<T: FromStr<Err: std::fmt::Display>, E: Error>(self) -> Result<T, E> {
        let text = match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
        };
        text.parse().map_err(|form| E::custom(format!("{text:?}: {form}")))
    }
}

/// Reads a value from the settings file as a flag is read.
pub(super) fn read<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    Scalar::deserialize(from)?.read().map(Some)
}

/// One, or a list of them.
#[derive(Deserialize)]
#[serde(untagged, expecting = "it must be a text in quotes, or a list of them")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// Reads one value, or a list of them, from the settings file; a list that names nothing is refused,
/// as whoever wrote it meant something, and nothing named may mean more than is wanted.
pub(super) fn read_some<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    let some = read_list(from)?;
    if some.is_empty() {
        return Err(D::Error::custom(
            "the list is empty: name one at least, or leave the setting out",
        ));
    }
    Ok(some)
}

/// Reads one value, or a list of them, from the settings file.
pub(super) fn read_list<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    let texts = match OneOrMore::deserialize(from)? {
        OneOrMore::One(one) => vec![one],
        OneOrMore::More(more) => more,
    };
    texts.into_iter().map(|text| Scalar::Text(text).read()).collect()
}
