//! What the codestreams of the JPEG family have in common: marker segments (ITU-T T.81 B.1.1), and 0xFF before whatever is no data.

/// The big-endian number of two bytes at `at`.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let pair = bytes.get(at..at + 2)?;
    Some(usize::from(u16::from_be_bytes([pair[0], pair[1]])))
}

/// The body of the marker segment whose length stands at `at`, and where the segment ends; `None` when it is cut short.
pub(super) fn segment(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let end = at + word(bytes, at)?;
    Some((bytes.get(at + 2..end)?, end))
}

/// The eight bytes at `at`, the first one at the top, when all are data as they stand: none is 0xFF.
#[inline(always)]
pub(super) fn data_word(bytes: &[u8], at: usize) -> Option<u64> {
    let next = u64::from_be_bytes(*bytes.get(at..)?.first_chunk::<8>()?);
    // No byte of the complement is zero (Mycroft's test).
    let plain = (!next).wrapping_sub(0x0101_0101_0101_0101) & next & 0x8080_8080_8080_8080 == 0;
    plain.then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_whole_or_none() {
        let bytes = [0, 4, 7, 8, 0xFF];
        assert_eq!(segment(&bytes, 0), Some((&[7, 8][..], 4)));
        assert_eq!(segment(&bytes[..3], 0), None);
        assert_eq!(segment(&[0, 2], 0), Some((&[][..], 2)));
        // A length counts its own two bytes.
        assert_eq!(segment(&[0, 1, 0], 0), None);
    }

    #[test]
    fn a_byte_of_ones_at_any_place_is_seen() {
        assert_eq!(data_word(&[0x7F, 0xFE, 0, 0x80, 1, 2, 3, 0xF0], 0), Some(0x7FFE_0080_0102_03F0));
        for place in 0..8 {
            let mut bytes = [0xFEu8; 8];
            bytes[place] = 0xFF;
            assert_eq!(data_word(&bytes, 0), None, "{place}");
        }
        assert_eq!(data_word(&[0; 8], 1), None);
    }
}
