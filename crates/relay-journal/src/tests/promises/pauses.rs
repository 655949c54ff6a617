//! What people paused.

use relay_core::{Journal, Pausable, Pause};

use super::{at, mailbox};

pub(crate) fn pause(what: Pausable, by: &str) -> Pause {
    Pause { what, by: by.to_owned(), at: at(1), reason: "maintenance at the ward's system".to_owned() }
}

pub(crate) async fn a_pause_lasts_until_it_is_ended(journal: &dyn Journal) {
    assert_eq!(journal.pauses().await.unwrap(), []);
    let home = Pausable::Mailbox(mailbox("X26ABC1"));
    // Of the same name, and another thing.
    let adapter = Pausable::Adapter("X26ABC1".to_owned());
    assert!(!journal.resume(&home).await.unwrap());
    let (first, second) = (pause(home.clone(), "ada"), pause(adapter.clone(), "bob"));
    journal.pause(first.clone()).await.unwrap();
    journal.pause(second.clone()).await.unwrap();
    assert_eq!(journal.pauses().await.unwrap(), [second.clone(), first]);
    assert_eq!(journal.pauses().await.unwrap(), journal.pauses().await.unwrap());

    assert!(journal.resume(&home).await.unwrap());
    assert!(!journal.resume(&home).await.unwrap());
    assert_eq!(journal.pauses().await.unwrap(), [second]);
    assert!(journal.resume(&adapter).await.unwrap());
    assert_eq!(journal.pauses().await.unwrap(), []);
}

pub(crate) async fn a_pause_of_what_is_paused_replaces_it(journal: &dyn Journal) {
    let home = Pausable::Mailbox(mailbox("X26ABC1"));
    journal.pause(pause(home.clone(), "ada")).await.unwrap();
    let later = Pause { at: at(9), reason: String::new(), ..pause(home, "bob") };
    journal.pause(later.clone()).await.unwrap();
    assert_eq!(journal.pauses().await.unwrap(), [later]);
}
