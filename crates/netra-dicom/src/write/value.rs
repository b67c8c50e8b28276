//! Values made to fit their value representation (PS3.5 table 6.2-1).

use dicom_core::VR;

/// Most characters of one value, for the representations of text that have a bound.
fn longest(vr: VR) -> Option<usize> {
    match vr {
        VR::CS | VR::AE | VR::SH | VR::DS => Some(16),
        VR::IS => Some(12),
        VR::LO | VR::UI => Some(64),
        VR::ST => Some(1024),
        VR::LT => Some(10240),
        VR::PN => Some(64 * 3 + 2),
        _ => None,
    }
}

/// `text` as one value of `vr`: control characters and the value separator become blanks, and what is too
/// long is cut. For names and descriptions of our own, where a cut is better than a refused file.
pub(super) fn fitted(vr: VR, text: &str) -> String {
    let long_text = matches!(vr, VR::ST | VR::LT | VR::UT);
    let clean = |c: char| match c {
        '\n' | '\r' if long_text => c,
        '\\' if !long_text => ' ',
        c if c.is_control() => ' ',
        c => c,
    };
    let mut value: String = text.chars().map(clean).take(longest(vr).unwrap_or(usize::MAX)).collect();
    value.truncate(value.trim_end().len());
    value
}

/// Whether a value that another system wrote can be copied as `vr`. Names, numbers of patients and other free text always
/// can: they are copied as they are, however long, since a cut name is another name.
pub(super) fn obeys(vr: VR, value: &str) -> bool {
    let value = value.trim_matches([' ', '\0']);
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    match vr {
        VR::DA => value.is_empty() || is_date(value),
        VR::TM => {
            let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
            let part = |at: usize, limit: u32| {
                whole.get(at..at + 2).is_none_or(|two| two.parse::<u32>().is_ok_and(|number| number < limit))
            };
            let whole_ok = whole.is_ascii() && digits(whole) && matches!(whole.len(), 0 | 2 | 4 | 6);
            let fraction_ok = digits(fraction) && (1..=6).contains(&fraction.len());
            whole_ok && fraction_ok && part(0, 24) && part(2, 60) && part(4, 61)
        }
        VR::CS => {
            value.len() <= 16
                && value.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ' || b == b'_')
        }
        // Leading zeros break the rules, yet a study is found under exactly the identifier that it was given.
        VR::UI => value.len() <= 64 && value.split('.').all(|part| !part.is_empty() && digits(part)),
        VR::DS => value.len() <= 16 && value.parse::<f64>().is_ok_and(f64::is_finite),
        VR::IS => value.len() <= 12 && value.parse::<i32>().is_ok(),
        VR::AS => {
            value.is_empty()
                || (value.len() == 4
                    && value.is_char_boundary(3)
                    && digits(&value[..3])
                    && "DWMY".contains(&value[3..]))
        }
        _ => true,
    }
}

fn is_date(value: &str) -> bool {
    let number = |range: std::ops::Range<usize>| value.get(range).and_then(|text| text.parse::<u32>().ok());
    value.len() == 8
        && value.bytes().all(|b| b.is_ascii_digit())
        && number(4..6).is_some_and(|month| (1..=12).contains(&month))
        && number(6..8).is_some_and(|day| (1..=31).contains(&day))
}

/// A number as a decimal string of at most 16 characters (DS), with as many digits as fit.
pub(super) fn decimal(value: f64) -> String {
    // The shortest text that reads back as the same number; `-0` is written as `0`.
    let shortest = if value == 0.0 { "0".to_owned() } else { format!("{value}") };
    if shortest.len() <= 16 {
        return shortest;
    }
    let longest = |write: fn(f64, usize) -> String| {
        (0..16).rev().map(|digits| write(value, digits)).find(|text| text.len() <= 16)
    };
    let plain = longest(|value, digits| format!("{value:.digits$}"));
    let exponent = longest(|value, digits| format!("{value:.digits$e}"));
    let error = |text: &String| (text.parse().unwrap_or(f64::INFINITY) - value).abs();
    let candidates = plain.into_iter().chain(exponent);
    candidates.min_by(|a, b| error(a).total_cmp(&error(b))).unwrap_or(shortest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_fit_sixteen_characters_and_keep_the_value() {
        let numbers = [
            0.0,
            -0.0,
            1.0,
            -0.1,
            1.0 / 3.0,
            -123456.789_012_345,
            1e-9,
            -4.371_138_828_673_793e-8,
            1e22,
            -987_654_321.123_456_7,
        ];
        for value in numbers {
            let text = decimal(value);
            assert!(text.len() <= 16, "{text}");
            let read: f64 = text.parse().unwrap();
            assert!((read - value).abs() <= 1e-8 * value.abs(), "{value} became {text}");
        }
        assert_eq!(decimal(0.5), "0.5");
        assert_eq!(decimal(-0.0), "0");
    }

    #[test]
    fn grammar_of_copied_values() {
        for (vr, value, good) in [
            (VR::DA, "20240229", true),
            (VR::DA, "2024.02.29", false),
            (VR::DA, "20241399", false),
            (VR::TM, "235960.123456", true),
            (VR::TM, "23:59", false),
            (VR::TM, "2460", false),
            (VR::CS, "HEAD_1", true),
            (VR::CS, "Head", false),
            (VR::UI, "1.2.840.0.1", true),
            (VR::UI, "1.02.3", true),
            (VR::UI, "1.2.x", false),
            (VR::UI, "1..3", false),
            (VR::AS, "045Y", true),
            (VR::AS, "45", false),
            (VR::DS, "nan", false),
            (VR::LO, "anything", true),
        ] {
            assert_eq!(obeys(vr, value), good, "{vr:?} {value}");
        }
    }

    #[test]
    fn long_or_dirty_text_is_fitted() {
        assert_eq!(fitted(VR::LO, "a\\b\u{7}c"), "a b c");
        assert_eq!(fitted(VR::SH, "0123456789abcdefgh"), "0123456789abcdef");
        assert_eq!(fitted(VR::LO, &"é".repeat(70)).chars().count(), 64);
    }
}
