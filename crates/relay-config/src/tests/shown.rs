use super::*;

#[test]
fn a_fault_is_shown_with_its_line() {
    let config = Config::new(with("password =", "pasword ="));
    let faults = config.faults();
    let fault = faults.iter().nth(1).expect("a second fault");
    let expected = format!(
        "error: unknown key `pasword`\n  --> {}:12:1\n   |\n12 | pasword = {{ file = \"x26hc005.pass\" }}\n   | ^^^^^^^\n   \
         = hint: did you mean `password`?",
        config.path.display()
    );
    assert_eq!(fault.to_string(), expected);
}

#[test]
fn a_terminal_is_shown_the_same_line_with_the_same_secrets_left_out() {
    let text = with("password = { file = \"x26hc005.pass\" }", "pasword = \"hunter2\"");
    let faults = Config::new(text).faults();
    let shown = faults.on_terminal();
    for said in ["unknown key `pasword`", "relay.toml:12:1", "pasword = …", "did you mean `password`?"] {
        assert!(shown.contains(said), "{said} in {shown}");
    }
    assert!(!shown.contains("hunter2"), "{shown}");
    let missing = crate::load(std::path::Path::new("nowhere/relay.toml")).expect_err("faults").on_terminal();
    assert!(missing.contains("nowhere/relay.toml") && missing.contains("check the path"), "{missing}");
}

#[test]
fn files_that_cannot_be_read_say_so() {
    let config = Config::new(GOOD);
    let faults = crate::load(&config.folder.path().join("other.toml")).expect_err("faults");
    let fault = faults.iter().next().expect("a fault");
    assert!(fault.message.starts_with("cannot read the configuration: ") && fault.line == 0);
    let mut bytes = b"[mesh]\n# caf".to_vec();
    bytes.push(0xe9);
    let faults = Config::new(bytes).faults();
    let fault = faults.iter().next().expect("a fault");
    assert_eq!((fault.message.as_str(), fault.line, fault.column), ("the file is not UTF-8 text", 2, 6));
}

/// Half-typed files are the usual ones while somebody edits.
#[test]
fn a_file_cut_anywhere_has_an_answer() {
    let text = GOOD.replace("\"X26HC005\"", "\"X26É\"").replace('\n', "\r\n");
    for (end, _) in text.char_indices() {
        if let Err(faults) = Config::new(&text[..end]).load() {
            assert!(
                !faults.is_empty() && faults.iter().all(|fault| fault.line > 0 && fault.column > 0),
                "{end}"
            );
        }
    }
}
