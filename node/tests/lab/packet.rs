//! IPv4 packets as far as a middle box reads them, and the refusal that it sends.
//!
//! Invariant: whatever the bytes are, reading them gives a value or nothing.
//! Not here: IPv6, fragments: the devices of the laboratory carry none.
//! Spec: RFC 791, RFC 9293.

/// IP protocol number of TCP.
const TCP: u8 = 6;

/// Bytes of an IPv4 header without options, and of a TCP header without options.
const HEADER: usize = 20;

/// Flags of a TCP header.
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// The two ends of a flow, whichever way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Flow {
    protocol: u8,
    ends: [([u8; 4], u16); 2],
}

/// Returns source and destination.
pub(crate) fn addresses(packet: &[u8]) -> Option<([u8; 4], [u8; 4])> {
    let header: &[u8; HEADER] = packet.first_chunk()?;
    (header[0] >> 4 == 4).then_some(())?;
    Some((*header[12..].first_chunk()?, *header[16..].first_chunk()?))
}

/// Returns the flow that a packet of TCP or UDP belongs to.
pub(crate) fn flow(packet: &[u8]) -> Option<Flow> {
    let (from, to) = addresses(packet)?;
    let ports: &[u8; 4] = packet.get(header_bytes(packet)..)?.first_chunk()?;
    let [a, b, c, d] = *ports;
    let mut ends = [(from, u16::from_be_bytes([a, b])), (to, u16::from_be_bytes([c, d]))];
    ends.sort_unstable();
    Some(Flow { protocol: packet[9], ends })
}

/// Returns whether a packet asks for a new TCP connection.
pub(crate) fn opens(packet: &[u8]) -> bool {
    tcp(packet).is_some_and(|tcp| tcp[13] & (SYN | ACK) == SYN)
}

/// Returns what a box that has forgotten a TCP flow answers to one of its packets: a reset.
pub(crate) fn reset_for(packet: &[u8]) -> Option<Vec<u8>> {
    let (from, to) = addresses(packet)?;
    let tcp = tcp(packet)?;
    let flags = tcp[13];
    if flags & RST != 0 || flags & ACK == 0 {
        return None;
    }
    let mut answer = vec![0; 2 * HEADER];
    answer[0] = 0x45;
    answer[3] = 2 * HEADER as u8;
    (answer[8], answer[9]) = (64, TCP);
    answer[12..16].copy_from_slice(&to);
    answer[16..20].copy_from_slice(&from);
    let sum = checksum(&answer[..HEADER], 0);
    answer[10..12].copy_from_slice(&sum.to_be_bytes());

    answer[20..22].copy_from_slice(&tcp[2..4]);
    answer[22..24].copy_from_slice(&tcp[..2]);
    // A reset counts only if it stands where the other side expects the next byte.
    answer[24..28].copy_from_slice(&tcp[8..12]);
    (answer[32], answer[33]) = (5 << 4, RST);
    let pseudo: u32 = sum_of(&answer[12..20]) + u32::from(TCP) + HEADER as u32;
    let sum = checksum(&answer[HEADER..], pseudo);
    answer[36..38].copy_from_slice(&sum.to_be_bytes());
    Some(answer)
}

fn header_bytes(packet: &[u8]) -> usize {
    packet.first().map_or(0, |first| usize::from(first & 15) * 4)
}

fn tcp(packet: &[u8]) -> Option<&[u8]> {
    let is_tcp = addresses(packet).is_some() && packet[9] == TCP;
    let tcp = packet.get(header_bytes(packet)..).filter(|tcp| HEADER <= tcp.len())?;
    is_tcp.then_some(tcp)
}

fn sum_of(bytes: &[u8]) -> u32 {
    let pairs = bytes.chunks(2);
    pairs.map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low))).sum()
}

fn checksum(bytes: &[u8], start: u32) -> u16 {
    let mut sum = sum_of(bytes) + start;
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A segment with the acknowledgement number 0x01020304 from 10.0.0.1:80 to 10.0.0.2:81.
    fn segment(flags: u8) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, TCP, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        packet.extend([0, 80, 0, 81, 9, 9, 9, 9, 1, 2, 3, 4, 0x50, flags, 0, 0, 0, 0, 0, 0]);
        packet
    }

    #[test]
    fn both_ways_of_a_connection_are_one_flow() {
        let there = segment(ACK);
        let back = reset_for(&there).expect("a reset");
        assert_eq!(flow(&there), flow(&back));
        assert_ne!(flow(&there), None);
    }

    #[test]
    fn a_reset_stands_where_it_counts_and_its_checksums_are_right() {
        let reset = reset_for(&segment(ACK)).expect("a reset");
        assert_eq!(addresses(&reset), Some(([10, 0, 0, 2], [10, 0, 0, 1])));
        assert_eq!((&reset[24..28], reset[33]), (&[1, 2, 3, 4][..], RST));
        assert_eq!(checksum(&reset[..20], 0), 0);
        let pseudo = sum_of(&reset[12..20]) + u32::from(TCP) + 20;
        assert_eq!(checksum(&reset[20..], pseudo), 0);
        assert_eq!(reset_for(&reset), None, "a reset is not answered");
        assert_eq!(reset_for(&segment(SYN)), None, "what opens is not answered");
    }

    #[test]
    fn broken_packets_are_nothing() {
        let whole = segment(ACK);
        for length in 0..whole.len() {
            assert!(reset_for(&whole[..length]).is_none() && !opens(&whole[..length]));
        }
        assert!(opens(&segment(SYN)) && !opens(&segment(SYN | ACK)));
        assert_eq!(addresses(&[0x60; 40]), None, "IPv6");
    }
}
