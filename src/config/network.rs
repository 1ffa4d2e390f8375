//! Addresses and networks as people write them: `10.0.0.7`, `10.0.0.0/8`, `fd00::/8`.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// One address, or all addresses of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    /// Whether the address belongs to it. `::ffff:10.0.0.7` is 10.0.0.7.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = match text.parse::<IpAddr>() {
            Ok(address) => Ok(address.to_canonical().into()),
            Err(_) => text.parse::<IpNet>(),
        };
        let wrong = |_| format!("{text:?} is not an address or a network, such as \"10.0.0.7\" or \"10.0.0.0/8\"");
        let network = network.map_err(wrong)?;
        if network.addr() != network.network() {
            return Err(format!("{text:?} has bits set after its prefix; the network is \"{}\"", network.trunc()));
        }
        Ok(Self(network))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_its_addresses_in_any_form() {
        let holds = |network: &str, address: &str| {
            network.parse::<Network>().is_ok_and(|network| network.contains(address.parse().unwrap_or([0; 4].into())))
        };
        assert!(holds("10.0.0.0/8", "10.1.2.3"));
        assert!(holds("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(holds("::ffff:10.1.2.3", "10.1.2.3"));
        assert!(holds("fd00::/8", "fd12::1"));
        assert!(!holds("10.0.0.7", "10.0.0.8"));
        assert!(!holds("0.0.0.0/0", "fd12::1"));
        for wrong in ["10.0.0.7/8", "10.0.0", "localhost", "10.0.0.0/33", ""] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
