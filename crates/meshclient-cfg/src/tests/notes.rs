//! What is odd is noted, and never fatal.

use super::*;

fn notes(text: &str) -> Vec<String> {
    let cfg = read(text);
    let notes: Vec<String> = cfg.notes.iter().map(ToString::to_string).collect();
    assert!(!notes.concat().contains("canary"), "{notes:?}");
    notes
}

#[test]
fn unknown_keys_are_collected_with_their_lines() {
    let text =
        with("  <Client>\n", "  <Colour>canary</Colour><Client>\n    <Extra><Deep>canary</Deep></Extra>\n");
    assert_eq!(
        notes(&text),
        [
            "line 3: Colour is not known; it is not used",
            "line 4, mailbox X26ABC1: Extra is not known; it is not used"
        ]
    );
    // A key of a mailbox means nothing beside those of the root, and the other way round.
    let text = with("  <Client>\n", "  <SaveSent>N</SaveSent>\n<Client>\n<PollPeriod>1</PollPeriod>\n");
    assert_eq!(notes(&text).len(), 2);
    assert!(read(&text).clients[0].save_sent);
}

#[test]
fn of_a_key_that_stands_twice_the_first_counts() {
    let text = with("  <Client>\n", "  <primaryurl>https://canary.example.test</primaryurl>\n  <Client>\n");
    assert_eq!(notes(&text), ["line 3: PrimaryURL stands here again; the one in line 2 counts"]);
    assert_eq!(read(&text).primary_url.as_deref(), Some("https://mesh.example.test"));
}

#[test]
fn values_of_another_form_are_not_used() {
    let root = "  <PollPeriod>0</PollPeriod><MaxMessages>many</MaxMessages>\n<ServerRetry>-1</ServerRetry>\
                <MaxConnections>99999999999</MaxConnections><AutoUpgrade>later</AutoUpgrade>\
                <ProcessingDelay>2s</ProcessingDelay>\n  <Client>\n<CollectReport>perhaps</CollectReport>\
                <SaveSent>perhaps</SaveSent>";
    let text = with("  <Client>\n", root);
    assert_eq!(
        notes(&text),
        [
            "line 3: PollPeriod is not a whole number above nothing; it is not used",
            "line 3: MaxMessages is not a whole number above nothing; it is not used",
            "line 4: ServerRetry is not a whole number above nothing; it is not used",
            "line 4: MaxConnections is not a whole number above nothing; it is not used",
            "line 4: AutoUpgrade is neither Y nor N; it is not used",
            "line 4: ProcessingDelay is not a whole number; it is not used",
            "line 6, mailbox X26ABC1: CollectReport is neither Y nor N; it counts as N",
            "line 6, mailbox X26ABC1: SaveSent is neither Y nor N; it counts as Y",
        ]
    );
    let cfg = read(&text);
    assert_eq!((cfg.poll_period, cfg.max_messages, cfg.processing_delay), (None, None, None));
    assert!(cfg.clients[0].save_sent && !cfg.clients[0].collect_report);
}
