//! A log: whose it is and whom it names.

use baraza_identity::{Capabilities, EventError, Log, LogError, LogStanding};
use baraza_record::{CentreId, EventId, PublicKey};

use crate::{inception, key, signed};

#[test]
fn an_inception_is_a_log() {
    let (mut event, keys) = inception(2, 2, 3);
    event.operators[0].capabilities = Capabilities::PUBLISH;
    event.operators[1].capabilities = Capabilities(1 << 15);
    let bytes = signed(event.clone(), &keys);
    let log = Log::from_events(std::slice::from_ref(&bytes)).unwrap();
    assert_eq!(log.id(), CentreId(log.head().id().0));
    assert_eq!((log.events().len(), &log.state().name), (1, &event.name));
    assert_eq!(log.standing(), LogStanding::Sound);
    assert_eq!(Log::from_kept(&[bytes]), Ok(log.clone()));

    let [first, second, third] = [0, 1, 2].map(|n| event.operators[n].key);
    let head = log.head().id();
    assert_eq!(log.capabilities(&first, &head), Some(Capabilities::PUBLISH));
    assert_eq!(log.capabilities(&first, &EventId([0; 32])), None, "an event that is not held");
    assert_eq!(log.capabilities(&key(250).public(), &head), None);
    assert!(log.names(&second) && !log.names(&key(250).public()));
    assert!(!log.names(&event.root_keys[0]), "a root key is no operator");
    assert_eq!([first, second, third].map(|key| log.is_node(&key)), [false, false, true]);
    let names = |key: &PublicKey| log.capabilities(key, &head).unwrap().names().count();
    assert_eq!((names(&first), names(&second), names(&third)), (1, 0, 2));
}

#[test]
fn a_log_is_refused_with_what_is_wrong() {
    let (event, keys) = inception(2, 2, 1);
    let good = signed(event.clone(), &keys);
    let unsigned = signed(event, &keys[..1]);
    let none: [Vec<u8>; 0] = [];
    assert_eq!(Log::from_events(&none), Err(LogError::Empty));
    assert_eq!(Log::from_events(&[&good, &good]).unwrap().events().len(), 1, "a copy is no more");
    let (mut other, keys) = inception(2, 2, 1);
    other.nonce[0] ^= 1;
    let other = signed(other, &keys);
    assert!(matches!(Log::from_events(&[&good, &other]), Err(LogError::Mixed { .. })));
    let too_few = EventError::Threshold { signed: 1, needed: 2 };
    assert_eq!(Log::from_events(&[unsigned]), Err(LogError::Event(too_few)));
    assert!(Log::from_events(&[b"not an event"]).is_err());
}
