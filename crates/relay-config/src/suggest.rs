//! What someone probably meant.

/// A hint that names the nearest of `known`, such as ``did you mean `password`?``; if none is near, a list of
/// them all.
pub fn did_you_mean(word: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return "leave it out; nothing is known here".to_owned();
    }
    let word = word.to_lowercase();
    let nearest = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&word, name), *name))
        .min_by_key(|(distance, _)| *distance);
    match nearest {
        // One slip in three letters, and two in a short word: beyond that the guess is more often wrong.
        Some((distance, name)) if distance <= (name.chars().count() / 3).max(1) => {
            format!("did you mean `{name}`?")
        }
        _ => format!("known here: {}", known.join(", ")),
    }
}
