//! Incidents whose end was not told yet.

use relay_core::{Incident, IncidentKind, Journal, OpenIncident};

use super::at;

fn parked(owner: &str, id: &str) -> OpenIncident {
    let incident = Incident {
        id: id.to_owned(),
        kind: IncidentKind::Parked,
        about: "to MESH".to_owned(),
        opened_at: at(1),
        level: 0,
        grave: false,
        text: "1 message to MESH is parked and waits for a person.".to_owned(),
    };
    OpenIncident { owner: owner.to_owned(), incident, told: None, cleared_at: None }
}

pub(crate) async fn an_incident_is_kept_until_it_is_removed(journal: &dyn Journal) {
    assert_eq!(journal.incidents("").await.unwrap(), []);
    let (first, second) = (parked("", "parked/1"), parked("", "parked/2"));
    for kept in [&second, &first] {
        journal.put_incident(kept.clone()).await.unwrap();
    }
    let told = OpenIncident { told: Some(0), cleared_at: Some(at(9)), ..first };
    journal.put_incident(told.clone()).await.unwrap();
    assert_eq!(journal.incidents("").await.unwrap(), [told.clone(), second]);
    journal.remove_incident("", "parked/2").await.unwrap();
    journal.remove_incident("", "parked/2").await.unwrap();
    assert_eq!(journal.incidents("").await.unwrap(), [told]);
}

pub(crate) async fn each_owner_has_incidents_of_its_own(journal: &dyn Journal) {
    for owner in ["", "one", "other"] {
        journal.put_incident(parked(owner, "parked/1")).await.unwrap();
    }
    journal.remove_incident("one", "parked/1").await.unwrap();
    let mut kept = Vec::new();
    for owner in ["", "one", "other"] {
        kept.push(journal.incidents(owner).await.unwrap().len());
    }
    assert_eq!(kept, [1, 0, 1]);
}
