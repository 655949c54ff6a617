//! What only a file can show.

use relay_core::{Journal, JournalError};

use super::{Place, outbound};

#[tokio::test]
async fn an_unreadable_row_is_reported_without_its_content() {
    let place = Place::new();
    let journal = place.open();
    journal.begin_outbound(outbound(1, "secret.ctl"), None).await.unwrap();
    journal.close().await;
    let file = rusqlite::Connection::open(place.path()).unwrap();
    file.execute("UPDATE outbound SET state = '{\"secret\":1}'", []).unwrap();
    drop(file);

    let journal = place.open();
    let error = journal.begin_outbound(outbound(2, "secret.ctl"), None).await.unwrap_err();
    assert!(matches!(error, JournalError::Storage { .. }));
    assert!(!error.to_string().contains("secret"), "{error}");
    assert!(journal.unsettled("pathology").await.is_err());
}
