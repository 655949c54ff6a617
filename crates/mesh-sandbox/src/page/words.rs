//! How the page writes times, durations and figures.

use jiff::{SignedDuration, Timestamp};

/// A time in UTC, such as `2026-03-29 23:45:12`.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A duration by its two largest units, such as `5 days 1 h`.
pub(super) fn span(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    let day = if days == 1 { "day" } else { "days" };
    let units = [(days, day), (hours, "h"), (minutes, "min"), (rest, "s")];
    let largest = units.iter().skip_while(|(count, _)| *count == 0).take(2);
    let words: Vec<String> =
        largest.filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count} {unit}")).collect();
    if words.is_empty() { "less than 1 s".to_owned() } else { words.join(" ") }
}

/// How long an answer took to make.
pub(super) fn took(micros: u64) -> String {
    match micros {
        0..10_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
    }
}

/// A whole number in groups of three digits.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_for_reading() {
        let at: Timestamp = "2026-03-29T23:45:12.999Z".parse().expect("a time");
        assert_eq!(time(at), "2026-03-29 23:45:12");
        for (seconds, words) in [
            (0, "less than 1 s"),
            (59, "59 s"),
            (3_600, "1 h"),
            (3_661, "1 h 1 min"),
            (86_400, "1 day"),
            (86_405, "1 day"),
            (5 * 86_400 + 3_600, "5 days 1 h"),
        ] {
            assert_eq!(span(SignedDuration::from_secs(seconds)), words);
        }
        for (micros, words) in [
            (0, "0.0 ms"),
            (1_260, "1.2 ms"),
            (9_999, "9.9 ms"),
            (10_000, "10 ms"),
            (999_999, "999 ms"),
            (5_200_000, "5.2 s"),
        ] {
            assert_eq!(took(micros), words);
        }
        for (figure, words) in [(0, "0"), (999, "999"), (1_000, "1,000"), (104_857_600, "104,857,600")] {
            assert_eq!(number(figure), words);
        }
    }
}
