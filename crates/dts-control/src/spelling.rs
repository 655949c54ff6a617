//! What a misspelt element is meant as (`dts-file-interface.md` 3.2, "Spelling").

use crate::read::ELEMENTS;

/// The element that an unknown name is probably meant as: the same but for case and underscores (`ToDTS`,
/// `WorkflowID`), a word that people use for it, or a few letters away.
pub(crate) fn meant(name: &str) -> Option<&'static str> {
    let plain = plain(name);
    match plain.as_str() {
        "from" | "sender" => return Some("From_DTS"),
        "to" | "recipient" => return Some("To_DTS"),
        _ => {}
    }
    ELEMENTS
        .into_iter()
        .filter(|known| plain.len().abs_diff(known.len()) <= known.len() / 4 + 1)
        .map(|known| (strsim::damerau_levenshtein(&plain, &self::plain(known)), known))
        .filter(|(distance, known)| *distance <= known.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

fn plain(name: &str) -> String {
    // No longer than any name that could be near one.
    name.chars().filter(|c| !matches!(c, '_' | '-' | '.')).flat_map(char::to_lowercase).take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_of_the_reference_and_near_misses_are_understood() {
        for (name, known) in [
            ("ToDTS", "To_DTS"),
            ("FromDTS", "From_DTS"),
            ("WorkflowID", "WorkflowId"),
            ("LocalID", "LocalId"),
            ("Process_Id", "ProcessId"),
            ("Partner_Id", "PartnerId"),
            ("to_dts", "To_DTS"),
            ("Workflow", "WorkflowId"),
            ("Worfklow_Id", "WorkflowId"),
            ("Compressed", "Compress"),
            ("subjekt", "Subject"),
            ("Allow-Chunking", "AllowChunking"),
            ("To", "To_DTS"),
            ("Sender", "From_DTS"),
        ] {
            assert_eq!(meant(name), Some(known), "{name}");
        }
        for name in ["Notes", "StatusType", "Priority", "x", "Ward", "FileName", &"x".repeat(100_000)] {
            assert_eq!(meant(name), None, "{name}");
        }
    }
}
