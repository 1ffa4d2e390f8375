use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::config::Secret;

const VECTORS: &str = include_str!("../../../tests/vectors/signed_groups.json");

#[derive(Deserialize)]
struct Vectors {
    made: Vec<Made>,
    read: Vec<Read>,
}

#[derive(Deserialize)]
struct Made {
    name: String,
    secrets: Vec<String>,
    group: String,
    user: Option<String>,
    consumer: Option<String>,
    now: u64,
    token: String,
}

#[derive(Deserialize)]
struct Read {
    name: String,
    secrets: Vec<String>,
    token: String,
    user: Option<String>,
    consumer: String,
    now: u64,
    outcome: String,
    group: Option<String>,
}

fn vectors() -> Vectors {
    serde_json::from_str(VECTORS).unwrap()
}

fn groups(secrets: &[String]) -> SignedGroups {
    let mut config = Config::default();
    config.backend.secret = secrets.first().map(Secret::new);
    config.auth.secret_key_fallbacks = secrets[1..].iter().map(Secret::new).collect();
    SignedGroups::new(&config)
}

fn at(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}

#[test]
fn every_token_that_python_makes_is_read() {
    let made = vectors().made;
    assert!(made.len() > 5);
    for one in made {
        let consumer = one.consumer.as_deref().unwrap_or("any");
        for secret in &one.secrets {
            // A node that has one of the secrets is enough.
            let groups = groups(std::slice::from_ref(secret));
            let read = groups.verify(&one.token, one.user.as_deref(), consumer, at(one.now)).unwrap();
            assert_eq!((&*read.room, read.issued), (&*one.group, at(one.now)), "{}", one.name);
        }
    }
}

#[test]
fn every_other_token_is_refused_with_its_reason() {
    let read = vectors().read;
    assert!(read.len() > 20);
    for one in read {
        let groups = groups(&one.secrets);
        let outcome = groups.verify(&one.token, one.user.as_deref(), &one.consumer, at(one.now));
        assert_eq!(outcome.as_ref().map_or_else(|error| error.label(), |_| "valid"), one.outcome, "{}", one.name);
        assert_eq!(outcome.ok().map(|signed| signed.room.into()), one.group, "{}", one.name);
    }
}

#[test]
fn a_node_without_a_secret_accepts_nothing() {
    let good = &vectors().made[0];
    let groups = SignedGroups::new(&Config::default());
    assert_eq!(groups.verify(&good.token, Some("7"), "any", at(good.now)), Err(SignedGroupError::Signature));
}

proptest! {
    #[test]
    fn a_token_with_any_byte_changed_is_refused(which in 0_usize..5, at_byte in any::<prop::sample::Index>(), to in any::<u8>()) {
        let made = vectors().made.swap_remove(which);
        let groups = groups(&made.secrets[..1]);
        let mut bytes = made.token.clone().into_bytes();
        let index = at_byte.index(bytes.len());
        prop_assume!(bytes[index] != to);
        bytes[index] = to;
        let Ok(changed) = String::from_utf8(bytes) else { return Ok(()) };
        let consumer = made.consumer.as_deref().unwrap_or("any");
        prop_assert!(groups.verify(&changed, made.user.as_deref(), consumer, at(made.now)).is_err(), "{changed}");
    }

    #[test]
    fn no_text_is_taken_for_a_token(text in ".{0,300}") {
        let groups = groups(&["a secret of the node".to_owned()]);
        prop_assert!(groups.verify(&text, None, "any", UNIX_EPOCH).is_err());
    }
}
