//! What someone probably meant.

/// Shortest beginning of a name by which it is guessed, in bytes.
const BEGINNING_MIN: usize = 4;

/// A hint that names the nearest of `known`, such as ``did you mean `password`?``; if none is near, a list of
/// them all.
pub fn did_you_mean(word: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return "leave it out; nothing is known here".to_owned();
    }
    let word = word.to_lowercase();
    let nearest = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&word, &name.to_lowercase()), *name))
        .min_by_key(|(distance, _)| *distance);
    let begins = |name: &&&str| {
        let name = name.to_lowercase();
        name.len() >= BEGINNING_MIN
            && (word.starts_with(&name) || name.starts_with(&word))
            && word.len() >= BEGINNING_MIN
    };
    match nearest {
        // One slip in three letters, and two in a short word: beyond that the guess is more often wrong.
        Some((distance, name)) if distance <= (name.chars().count() / 3).max(1) => {
            format!("did you mean `{name}`?")
        }
        // One is the beginning of the other, as in `username`.
        _ => match known.iter().find(begins) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("known here: {}", known.join(", ")),
        },
    }
}
