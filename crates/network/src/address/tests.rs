//! Addresses: forms that are taken, and what is said of the others.

use super::*;

const RELAY: &str = "12D3KooWRePj1A493QxyfY1rYArjZDzZJZ2XGE4AygrhanGW5hn2";
const ID: &str = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";

#[test]
fn addresses_are_split_into_host_and_peer() {
    for address in [
        "/ip4/192.0.2.7/tcp/4001",
        "/ip6/2001:db8::7/tcp/4001",
        "/ip4/192.0.2.7/udp/4001/quic-v1",
        "/dns/node.example.org/tcp/4001",
        "/dns4/node.example.org/tcp/4001",
        "/dns6/node.example.org/udp/4001/quic-v1",
        "/ip4/192.0.2.7/tcp/4001/ws",
        "/dns/node.example.org/tcp/443/wss",
        "/dns/node.example.org/tcp/443/tls/ws",
        &format!("/ip4/192.0.2.7/tcp/4001/p2p/{RELAY}/p2p-circuit"),
        &format!("/dns/node.example.org/tcp/443/wss/p2p/{RELAY}/p2p-circuit"),
        &format!("/ip4/192.0.2.7/udp/4001/quic-v1/p2p/{RELAY}/p2p-circuit"),
    ] {
        assert_eq!(parse_address(address), Ok((address.into(), None)));
        let (host, peer) = parse_address(&format!("{address}/p2p/{ID}")).unwrap();
        assert_eq!((host.as_str(), peer::peer_id_text(&peer.unwrap()).as_str()), (address, ID));
    }
}

#[test]
fn an_error_says_what_is_wrong_and_shows_how_to_write_it() {
    check("192.0.2.7:4001", "write it like /ip4/192.0.2.7/tcp/4001");
    check("[2001:db8::7]:4001", "write it like /ip6/2001:db8::7/tcp/4001");
    check("node.example.org:4001", "write it like /dns/node.example.org/tcp/4001");
    check("hello", "write it like /ip4/192.0.2.7/tcp/4001 or /dns4/");
    check("", "empty");
    check("/ip4/192.0.2.300/tcp/4001", "invalid IPv4 address syntax");
    check("/ip4/192.0.2.7/tcp/40010000", "number too large");
    check("/ip4/192.0.2.7", "/tcp/PORT or /udp/PORT/quic-v1 is missing");
    check("/ip4/192.0.2.7/udp/4001", "must be followed by /quic-v1");
    check("/ip4/192.0.2.7/tcp/4001/http", "/http is not supported");
    check("/ip4/192.0.2.7/tcp/4001/tls", "/tls must be followed by /ws");
    check("/ip4/192.0.2.7/tcp/4001/tls/wss", "/tls must be followed by /ws");
    check("/ip4/192.0.2.7/udp/4001/quic-v1/ws", "/ws is not supported");
    check("/ip4/192.0.2.7/tcp/4001/x-parity-ws/%2fadmin", "is not supported");
    check("/ip4/192.0.2.7/tcp/4001/p2p-circuit", "id of the relay must stand before /p2p-circuit");
    check("/ip4/192.0.2.7/tcp/4001/p2p/x/p2p-circuit/p2p/y", "`y` is not the id of a node");
    check(&format!("/ip4/192.0.2.7/tcp/1/p2p/x/p2p-circuit/p2p/{ID}"), "`x` is not the id");
    check(&format!("/ip4/192.0.2.7/tcp/1/p2p/{ID}/p2p-circuit/tcp/2"), "is not supported");
    check(&format!("/ip4/10.0.0.7/tcp/1/p2p/{ID}/p2p-circuit/p2p-circuit"), "/p2p is not");
    check("/tcp/4001", "must start with a host, not with /tcp");
    check("/ip4/192.0.2.7/tcp/0", "port 0 cannot be dialled");
    check("/ip4/0.0.0.0/tcp/4001", "no node has this IP address");
    check("/ip4/192.0.2.7/tcp/4001/p2p/alice", "`alice` is not the id of a node");
    check(
        "/ip4/192.0.2.7/tcp/4001/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
        "is not the id of a node: it starts with 12D3KooW",
    );
    check(&"/ip4/192.0.2.7".repeat(40), "has 560 bytes, the limit is 400");

    #[track_caller]
    fn check(text: &str, part: &str) {
        let error = parse_address(text).unwrap_err().to_string();
        assert!(error.contains(part), "`{error}` does not say `{part}`");
    }
}

#[test]
fn a_node_listens_on_an_ip_address() {
    parse_listen("/ip4/0.0.0.0/tcp/0").unwrap();
    parse_listen("/ip6/::/udp/0/quic-v1").unwrap();
    parse_listen("/ip4/0.0.0.0/tcp/0/ws").unwrap();
    for text in
        [&format!("/ip4/192.0.2.7/tcp/1/p2p/{RELAY}/p2p-circuit"), "/ip4/0.0.0.0/tcp/443/wss"]
    {
        parse_listen(text).unwrap_err();
    }
    let error = parse_listen("/dns/node.example.org/tcp/4001").unwrap_err().to_string();
    assert!(error.contains("not on a name") && error.contains("/ip4/0.0.0.0/tcp/4001"), "{error}");
}

#[test]
fn a_peer_is_believed_about_its_own_circle_and_wider_ones() {
    let claimed = [
        "/ip4/127.0.0.1/tcp/4001",
        "/ip4/10.0.0.7/tcp/4001",
        "/ip4/192.0.2.7/tcp/4001",
        "/ip4/192.0.2.7/tcp/4001/http",
        "/ip4/192.0.2.7/tcp/0",
        "/ip4/0.0.0.0/tcp/4001",
        "/ip6/::ffff:10.0.0.8/tcp/4001",
        "/ip6/fe80::7/tcp/4001",
    ];
    let seen = |near: Scope| dialable(claimed.iter().map(|text| text.parse().unwrap()), |_| near);

    assert_eq!(seen(Scope::World), [claimed[2]]);
    assert_eq!(seen(Scope::Site), [claimed[1], claimed[2], "/ip6/::ffff:10.0.0.8/tcp/4001"]);
    assert_eq!(seen(Scope::Machine).len(), 4);
    assert_eq!(seen(Scope::Nowhere), [""; 0]);

    let many = (1..100).map(|port| format!("/ip4/192.0.2.7/tcp/{port}/p2p/{ID}").parse().unwrap());
    let kept = dialable(many, |_| Scope::World);
    assert_eq!(kept.len(), FOUND_ADDRESSES_MAX);
    assert_eq!(kept[0], "/ip4/192.0.2.7/tcp/1");
}

#[test]
fn a_circuit_reaches_as_far_as_its_relay_and_names_it() {
    let circuit = format!("/ip4/10.0.0.7/tcp/4001/ws/p2p/{RELAY}/p2p-circuit").parse().unwrap();
    assert_eq!(scope(&circuit), Scope::Site);
    let relay = ("/ip4/10.0.0.7/tcp/4001/ws".parse().unwrap(), RELAY.parse().unwrap());
    assert_eq!(relay_of(&circuit), Some(relay));
    assert_eq!(relay_of(&"/ip4/10.0.0.7/tcp/4001".parse().unwrap()), None);

    let (address, peer) = parse_relay(&format!("/ip4/10.0.0.7/tcp/4001/p2p/{RELAY}")).unwrap();
    assert_eq!(address.to_string(), "/ip4/10.0.0.7/tcp/4001");
    assert_eq!(peer::peer_id_text(&peer), RELAY);
    let error = parse_relay("/ip4/10.0.0.7/tcp/4001").unwrap_err().to_string();
    assert!(error.contains("the id of the relay is missing"), "{error}");
    let error = parse_relay(&format!("{circuit}/p2p/{ID}")).unwrap_err().to_string();
    assert!(error.contains("not reached through another one"), "{error}");
}
