//! The audit chain: whether it is sound, and a damaged journal set aside.

use relay_config::Faults;
use relay_core::Records;
use serde_json::{Value, json};

use super::{AskError, JournalArgs};
use crate::journal::{self, JournalSettings};
use crate::{settings, system};

fn settings(args: &JournalArgs) -> Result<JournalSettings, AskError> {
    let loaded = relay_config::load(&args.config).map_err(AskError::Configuration)?;
    let mut faults = Faults::new();
    let journal = settings::journal(&loaded.journal, &loaded.secrets, &mut faults);
    journal.ok_or(AskError::Configuration(faults))
}

/// Moves a damaged journal out of the way.
pub(super) fn set_aside(args: &JournalArgs) -> Result<(), AskError> {
    let settings = settings(args)?;
    let path = journal::file(&settings).ok_or(AskError::NoFile)?;
    let aside = relay_journal::set_aside(path, system::now())?;
    match (aside, args.json) {
        (aside, true) => println!("{}", json!({ "set_aside": aside })),
        (None, false) => println!("{} is sound; nothing was done", path.display()),
        (Some(aside), false) => println!(
            "moved to {}\nThe next start makes an empty journal, which knows nothing of what was sent: a pair that is \
             still in OUT would be sent again. Look through OUT first; `mesh-relay track --local-id` says whether MESH \
             has a message already.",
            aside.display()
        ),
    }
    Ok(())
}

/// Checks every chain.
pub(super) async fn verify(args: &JournalArgs) -> Result<(), AskError> {
    let records: Box<dyn Records> = journal::records(&settings(args)?).await?;
    let report = records.verify().await?;
    let hex = |head: &[u8]| head.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    if args.json {
        let chains: Vec<Value> = report
            .chains
            .iter()
            .map(|chain| {
                json!({
                    "chain": chain.chain, "links": chain.links, "last": chain.last, "head": hex(&chain.head),
                    "fault": chain.fault,
                })
            })
            .collect();
        println!("{}", json!({ "sound": report.is_sound(), "chains": chains, "faults": report.faults }));
    } else {
        for chain in &report.chains {
            println!("chain {}: {} links, the last is number {}", chain.chain, chain.links, chain.last);
            println!("head {}", hex(&chain.head));
            if let Some(fault) = &chain.fault {
                println!("fault: {fault}");
            }
        }
        for fault in &report.faults {
            println!("fault: {fault}");
        }
    }
    if report.is_sound() { Ok(()) } else { Err(AskError::Unsound) }
}
