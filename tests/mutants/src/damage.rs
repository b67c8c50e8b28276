//! Damage to plain bytes: what any file format suffers.

use crate::random::Random;

/// Does one to four things to `bytes`. Half of them hit the first kilobyte, where headers lie.
pub fn bytes(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        once(bytes, random);
    }
}

fn once(bytes: &mut Vec<u8>, random: &mut Random) {
    let reach = if random.one_in(2) { bytes.len().min(1024) } else { bytes.len() };
    let at = random.below(reach);
    let end = (at + 1 + random.below(32)).min(bytes.len());
    if bytes.is_empty() {
        return;
    }
    match random.below(12) {
        0..=3 => bytes[at] ^= 1 << random.below(8),
        4 => bytes[at] = random.of(&[0, 1, 0x7F, 0x80, 0xFE, 0xFF]),
        5 => bytes[at] = random.draw() as u8,
        6 => {
            // A number of 16 or 32 bits in either order.
            let value = if random.one_in(2) { u32::from(random.word()) << 16 } else { u32::from(random.word()) };
            let number = if random.one_in(2) { value.to_le_bytes() } else { value.to_be_bytes() };
            let width = random.of(&[2, 4]);
            bytes.iter_mut().skip(at).zip(number).take(width).for_each(|(slot, byte)| *slot = byte);
        }
        7 => bytes.truncate(random.below(bytes.len())),
        8 => drop(bytes.drain(at..end)),
        9 => {
            let copy = bytes[at..end].to_vec();
            let to = random.below(bytes.len());
            bytes.splice(to..to, copy);
        }
        10 => {
            let junk = random.below(16);
            let junk = random.bytes(junk);
            bytes.splice(at..at, junk);
        }
        _ => bytes[at..end].fill(random.of(&[0, 0xFF])),
    }
}

/// Flips bits of a codestream, one to eight, or damages it as [`bytes`] does.
pub fn codestream(stream: &mut Vec<u8>, random: &mut Random) {
    if stream.is_empty() || random.one_in(4) {
        return bytes(stream, random);
    }
    for _ in 0..=random.below(8) {
        let reach = if random.one_in(2) { stream.len().min(300) } else { stream.len() };
        stream[random.below(reach)] ^= 1 << random.below(8);
    }
}
