//! Rules for file names (`dts-file-interface.md` 2.5–2.7). Pure: no folder is looked at.

/// Longest message id, in characters (2.7).
pub const ID_MAX: usize = 100;

/// The stem of a control file's name: `X` of `X.ctl`. `None` when the name is no control file's.
///
/// The extension counts in any case; on a case-sensitive file system an upper-case one is worth a line in the
/// log (2.6). The stem is free: ids, dates, further dots (`x.csv.ctl`). A name that begins with a dot is
/// somebody's work in progress or a file manager's note, and is no control file.
pub fn control_stem(name: &str) -> Option<&str> {
    stem(name, ".ctl")
}

/// The stem of a data file's name: `X` of `X.dat`, by the same rules. For telling data files that nobody
/// announced; those are left where they are (2.8).
pub fn data_stem(name: &str) -> Option<&str> {
    stem(name, ".dat")
}

fn stem<'a>(name: &'a str, extension: &str) -> Option<&'a str> {
    let (stem, found) = name.split_at_checked(name.len().checked_sub(extension.len())?)?;
    let is_stem = !stem.is_empty() && !stem.starts_with('.') && !name.contains(['/', '\\', '\0']);
    (is_stem && found.eq_ignore_ascii_case(extension)).then_some(stem)
}

/// `X.ctl`: the name of a control file that the client writes. Always lower case; readers match it exactly.
pub fn control_name(stem: &str) -> String {
    format!("{stem}.ctl")
}

/// `X.dat`: the name of a data file that the client writes. Always lower case; readers match it exactly.
pub fn data_name(stem: &str) -> String {
    format!("{stem}.dat")
}

/// Names to try for the data file that belongs to a control file found in OUT, best first: the extension in the
/// case of the control file's (`X.CTL` goes with `X.DAT`, `X.Ctl` with `X.Dat`), then lower and upper case. The
/// case of the stem is never changed (2.6). On a case-insensitive file system the first is enough. None when
/// the name is no control file's.
pub fn data_name_candidates(control: &str) -> Vec<String> {
    let Some(stem) = control_stem(control) else { return Vec::new() };
    let alike = control[stem.len()..]
        .chars()
        .zip(".dat".chars())
        .map(|(theirs, ours)| if theirs.is_ascii_uppercase() { ours.to_ascii_uppercase() } else { ours });
    let mut names = vec![format!("{stem}{}", alike.collect::<String>())];
    for name in [data_name(stem), format!("{stem}.DAT")] {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// A name for a file still being written: hidden, and ending in neither `.dat` nor `.ctl`, because apps list
/// those (2.5). Five characters longer than the name it stands for.
pub fn temporary_name(name: &str) -> String {
    format!(".{name}.tmp")
}

/// Whether a message id can be the base name of files in IN: not empty, at most [`ID_MAX`] characters, all of
/// them ASCII letters, digits, `_`, `-` or `.`; no dot at either end; no `.ctl` inside, since readers replace
/// that text wherever it stands (9, Q7); not the name of a Windows device. An id is otherwise opaque (2.7).
pub fn is_safe_id(id: &str) -> bool {
    let lower = id.to_ascii_lowercase();
    let first = lower.split('.').next().unwrap_or_default();
    let numbered = |device: &str| {
        first
            .strip_prefix(device)
            .is_some_and(|rest| rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    let is_device = ["con", "prn", "aux", "nul"].contains(&first) || numbered("com") || numbered("lpt");
    !id.is_empty()
        && id.len() <= ID_MAX
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        && !id.starts_with('.')
        && !id.ends_with('.')
        && !lower.contains(".ctl")
        && !is_device
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_real_names_is_a_control_file() {
        for (name, stem) in [
            ("ZZZHC001LAB00000417.ctl", "ZZZHC001LAB00000417"),
            ("ABC_22112026_1015.ctl", "ABC_22112026_1015"),
            ("0123456789abcdef0123456789abcdef.ctl", "0123456789abcdef0123456789abcdef"),
            (
                "ZZZHC0018c1f4d7e-0000-4000-8000-000000000001.ctl",
                "ZZZHC0018c1f4d7e-0000-4000-8000-000000000001",
            ),
            ("name.csv.ctl", "name.csv"),
            ("00000417.ctl", "00000417"),
            ("X.CTL", "X"),
            ("x.Ctl", "x"),
            ("a.ctl.ctl", "a.ctl"),
            ("é.ctl", "é"),
            ("with space.ctl", "with space"),
        ] {
            assert_eq!(control_stem(name), Some(stem), "{name}");
        }
    }

    #[test]
    fn other_names_are_not() {
        for name in [
            "",
            "ctl",
            ".ctl",
            "X.dat",
            "X.ctl.tmp",
            "X.ctl~",
            "._X.ctl",
            ".X.ctl",
            "X.ctlx",
            "Xctl",
            "a/X.ctl",
            "a\\X.ctl",
            "é",
            "€€",
            "X.ctl.lock",
        ] {
            assert_eq!(control_stem(name), None, "{name}");
        }
    }

    #[test]
    fn pairs_keep_the_case_of_the_stem() {
        assert_eq!(data_name("MiXed"), "MiXed.dat");
        assert_eq!(control_name("x.csv"), "x.csv.ctl");
        assert_eq!(data_name_candidates("X.ctl"), ["X.dat", "X.DAT"]);
        assert_eq!(data_name_candidates("X.CTL"), ["X.DAT", "X.dat"]);
        assert_eq!(data_name_candidates("X.Ctl"), ["X.Dat", "X.dat", "X.DAT"]);
        assert!(data_name_candidates("X.txt").is_empty());
        assert_eq!(data_stem("X.DAT"), Some("X"));
        assert_eq!(data_stem("X.ctl"), None);
    }

    #[test]
    fn temporary_names_look_like_no_pair() {
        for name in ["X.ctl", "X.dat", "x"] {
            let temporary = temporary_name(name);
            assert_eq!((control_stem(&temporary), data_stem(&temporary)), (None, None));
            assert!(!temporary.ends_with(".dat") && !temporary.ends_with(".ctl"));
        }
    }

    #[test]
    fn ids_of_every_era_are_safe_and_traps_are_not() {
        for id in [
            "dtsapp07-201304151230450017",
            "DTS-20111215093000-004211",
            "20261122101500123456_0A1B2C",
            "20261122101500123456_0A1B2C_1795342500",
            &"7".repeat(100),
        ] {
            assert!(is_safe_id(id), "{id}");
        }
        for id in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a\\b",
            "a:b",
            "a b",
            "a\0",
            "nul",
            "CON.txt",
            "com1",
            "LPT9.x",
            "x.",
            ".x",
            "x.ctl",
            "é",
            &"7".repeat(101),
        ] {
            assert!(!is_safe_id(id), "{id}");
        }
        assert!(is_safe_id("com10") && is_safe_id("console"));
    }
}
