//! Reading a configuration (`dts-file-interface.md` 6.1, 6.2; check 44).

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use crate::cfg::{Client, Kind, MeshClientCfg, Places};
use crate::decode;
use crate::key::{self, OF_CLIENT, OF_ROOT};
use crate::note::{Note, NoteKind};
use crate::parse::{Parser, is_char};
use crate::read_error::{Block, Missing, Position, ReadError};

/// Largest configuration that is read, in bytes: some two thousand mailboxes.
pub const SIZE_MAX: usize = 1 << 20;

/// Deepest nesting of elements that is read, the root included. Real files have three.
pub const DEPTH_MAX: usize = 16;

/// Characters of a foreign name that are shown.
const NAME_SHOWN_MAX: usize = 40;

const ROOT: &str = "MESHConfig";

impl MeshClientCfg {
    /// Reads a Java MESH client's `meshclient.cfg`.
    ///
    /// Accepted: UTF-8 with or without byte-order mark, UTF-16, any other encoding that is declared and known (such as
    /// windows-1252); a declaration or none; names of keys in any case; any order and indentation; values padded with
    /// white space, which is trimmed, also from passwords; empty elements in both forms, which count as absent;
    /// attributes, comments and processing instructions, which are ignored; name-space prefixes, which are dropped;
    /// CDATA; unknown keys with whatever is in them, which are noted.
    ///
    /// Of a key that stands in a block twice the first counts. Flags are Y or N, or another word for yes or no, in any
    /// case. A value that is not of its key's form counts as absent. Both are noted.
    ///
    /// # Errors
    ///
    /// A [`ReadError`] with the place and what to do: empty; over [`SIZE_MAX`]; not decodable; a DOCTYPE (so there are
    /// no entities but the five of XML, and nothing can expand); the root is not `MESHConfig`; nested deeper than
    /// [`DEPTH_MAX`]; not well-formed; cut off; more after the end; without `PrimaryURL`, or without a `Client` that has
    /// `ClientIdentity`, `ClientAuthentication` and `InterfaceRoot`.
    pub fn read(bytes: &[u8]) -> Result<Self, ReadError> {
        read(bytes, Kind::Mesh)
    }

    /// Reads a DTS client's configuration as far as it has the MESH client's keys (`dts-file-interface.md` 6.2, U9):
    /// under any root, and with the keys of a block also beside those of the root, where there is one mailbox.
    /// `PrimaryURL` may be missing. The first note says what was found.
    ///
    /// # Errors
    ///
    /// As [`MeshClientCfg::read`].
    pub fn read_dts(bytes: &[u8]) -> Result<Self, ReadError> {
        read(bytes, Kind::Dts)
    }
}

/// The values of one block as they stand, each once.
#[derive(Default)]
struct Values {
    values: BTreeMap<&'static str, Zeroizing<String>>,
    places: Places,
    notes: Vec<(Position, NoteKind)>,
}

impl Values {
    /// Reads the value of an open element `name` if it is among `known`. Otherwise passes over it.
    fn read(
        &mut self,
        parser: &mut Parser<'_>,
        name: &str,
        known: Option<&'static str>,
    ) -> Result<(), ReadError> {
        let at = parser.here();
        let Some(key) = known else {
            self.notes.push((at, NoteKind::Unknown { key: shown(name) }));
            return parser.skip();
        };
        if let Some(first) = self.places.get(key) {
            self.notes.push((at, NoteKind::Repeated { key, first: *first }));
            return parser.value(key).map(drop);
        }
        self.places.insert(key, at);
        let value = parser.value(key)?;
        if !value.is_empty() {
            self.values.insert(key, value);
        }
        Ok(())
    }

    fn text(&mut self, key: &str) -> Option<String> {
        self.values.remove(key).map(|value| value.as_str().to_owned())
    }

    fn path(&mut self, key: &str) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    fn secret(&mut self, key: &str) -> Option<SecretString> {
        self.values.remove(key).map(|value| SecretString::from(value.as_str()))
    }

    fn number(&mut self, key: &'static str, least: u32) -> Option<u32> {
        let value = self.values.remove(key)?;
        let number = value.parse().ok().filter(|number| *number >= least);
        if number.is_none() {
            self.odd(key, NoteKind::NotANumber { key, least });
        }
        number
    }

    /// Yes or no. `used` is what any other word counts as.
    fn flag(&mut self, key: &'static str, used: Option<bool>) -> Option<bool> {
        let value = self.values.remove(key)?;
        let flag = yes_or_no(&value);
        if flag.is_none() {
            self.odd(key, NoteKind::NotYesOrNo { key, used });
        }
        flag.or(used)
    }

    fn odd(&mut self, key: &str, kind: NoteKind) {
        if let Some(at) = self.places.get(key) {
            self.notes.push((*at, kind));
        }
    }

    fn notes(&mut self, block: &Block) -> impl Iterator<Item = Note> {
        let block = block.clone();
        std::mem::take(&mut self.notes).into_iter().map(move |(at, kind)| Note {
            at,
            block: block.clone(),
            kind,
        })
    }
}

fn read(bytes: &[u8], kind: Kind) -> Result<MeshClientCfg, ReadError> {
    if bytes.len() > SIZE_MAX {
        return Err(ReadError::TooLarge { size: bytes.len() });
    }
    let text = Zeroizing::new(decode::to_text(bytes)?.into_owned());
    if text.trim().is_empty() {
        return Err(ReadError::Empty);
    }
    if let Some(offset) = text.find(|c| !is_char(c)) {
        let at = Position::START.after(&text.as_bytes()[..offset]);
        let reason = "a character that XML forbids; take control characters out";
        return Err(ReadError::Malformed { at, reason });
    }
    let mut parser = Parser::new(&text);
    let name = parser.root()?;
    let root_at = parser.here();
    if kind == Kind::Mesh && !name.eq_ignore_ascii_case(ROOT) {
        return Err(ReadError::NotMeshConfig { at: root_at });
    }
    let mut root = Values::default();
    let mut blocks: Vec<(Position, Values)> = Vec::new();
    // The keys of a mailbox that stand beside those of the root.
    let mut beside = Values::default();
    while let Some(name) = parser.child()? {
        let at = parser.here();
        if name.eq_ignore_ascii_case(key::CLIENT) {
            let mut block = Values::default();
            while let Some(name) = parser.child()? {
                block.read(&mut parser, &name, key::find(&OF_CLIENT, &name))?;
            }
            blocks.push((at, block));
            continue;
        }
        match key::find(&OF_CLIENT, &name) {
            Some(key) if kind == Kind::Dts => beside.read(&mut parser, &name, Some(key))?,
            _ => root.read(&mut parser, &name, key::find(&OF_ROOT, &name))?,
        }
    }
    parser.end()?;
    if !beside.places.is_empty() {
        let at = beside.places.values().min().copied().unwrap_or(root_at);
        blocks.insert(0, (at, beside));
    }
    let mut cfg = of_root(kind, &mut root);
    if kind == Kind::Dts {
        let kind = NoteKind::DtsFile { root: shown(&name), found: found(&root, &blocks) };
        cfg.notes.insert(0, Note { at: root_at, block: Block::Root, kind });
    }
    let mut missing = Vec::new();
    if kind == Kind::Mesh && cfg.primary_url.is_none() {
        missing.push(Missing { key: key::PRIMARY_URL, block: Block::Root });
    }
    if blocks.is_empty() {
        missing.push(Missing { key: key::CLIENT, block: Block::Root });
    }
    for (index, (at, values)) in blocks.into_iter().enumerate() {
        cfg.clients.extend(client(index + 1, at, values, &mut cfg.notes, &mut missing));
    }
    if !missing.is_empty() {
        return Err(ReadError::Missing(missing));
    }
    cfg.places = root.places;
    // A note about the file as a whole stays first.
    cfg.notes.sort_by_key(|note| (!matches!(note.kind, NoteKind::DtsFile { .. }), note.at));
    Ok(cfg)
}

fn of_root(kind: Kind, root: &mut Values) -> MeshClientCfg {
    let mut cfg = MeshClientCfg {
        kind,
        primary_url: root.text(key::PRIMARY_URL),
        log_path: root.path(key::LOG_PATH),
        key_store_path: root.path(key::KEY_STORE_PATH),
        key_store_password: root.secret(key::KEY_STORE_PASSWORD),
        work_path: root.path(key::WORK_PATH),
        proxy_path: root.path(key::PROXY_PATH),
        signal_path: root.path(key::SIGNAL_PATH),
        poll_period: root.number(key::POLL_PERIOD, 1),
        server_retry: root.number(key::SERVER_RETRY, 1),
        max_messages: root.number(key::MAX_MESSAGES, 1),
        max_connections: root.number(key::MAX_CONNECTIONS, 1),
        auto_upgrade: root.flag(key::AUTO_UPGRADE, None),
        authentication_key: root.secret(key::AUTHENTICATION_KEY),
        processing_delay: root.number(key::PROCESSING_DELAY, 0),
        ..MeshClientCfg::default()
    };
    cfg.notes.extend(root.notes(&Block::Root));
    cfg
}

fn client(
    number: usize,
    at: Position,
    mut values: Values,
    notes: &mut Vec<Note>,
    missing: &mut Vec<Missing>,
) -> Option<Client> {
    let identity = values.text(key::CLIENT_IDENTITY);
    let block = Block::Client { number, at, id: identity.as_deref().map(shown) };
    let mut require = |key, there: bool| {
        if !there {
            missing.push(Missing { key, block: block.clone() });
        }
    };
    let authentication = values.secret(key::CLIENT_AUTHENTICATION);
    let interface_root = values.path(key::INTERFACE_ROOT);
    require(key::CLIENT_IDENTITY, identity.is_some());
    require(key::CLIENT_AUTHENTICATION, authentication.is_some());
    require(key::INTERFACE_ROOT, interface_root.is_some());
    let mut report = |key| values.flag(key, Some(false)).unwrap_or(false);
    let collect_report = report(key::COLLECT_REPORT);
    let delay_report = report(key::DELAY_REPORT);
    let transfer_report = report(key::TRANSFER_REPORT);
    let poll_report = report(key::POLL_REPORT);
    let save_sent = values.flag(key::SAVE_SENT, Some(true)).unwrap_or(true);
    notes.extend(values.notes(&block));
    Some(Client {
        identity: identity?,
        authentication: authentication?,
        mailbox_type: values.text(key::MAILBOX_TYPE),
        interface_root: interface_root?,
        log_level: values.text(key::CLIENT_LOG_LEVEL),
        collect_report,
        delay_report,
        transfer_report,
        poll_report,
        save_sent,
        at,
        places: values.places,
    })
}

/// The known keys of a file, each once, those of the root first.
fn found(root: &Values, blocks: &[(Position, Values)]) -> Vec<&'static str> {
    let in_root = OF_ROOT.into_iter().filter(|key| root.places.contains_key(key));
    let in_blocks =
        OF_CLIENT.into_iter().filter(|key| blocks.iter().any(|(_, block)| block.places.contains_key(key)));
    in_root.chain(in_blocks).collect()
}

/// The words that control files take for yes and no as well.
fn yes_or_no(value: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 6]| words.iter().any(|word| word.eq_ignore_ascii_case(value));
    if is_one_of(["Y", "YES", "T", "TRUE", "ON", "1"]) {
        Some(true)
    } else if is_one_of(["N", "NO", "F", "FALSE", "OFF", "0"]) {
        Some(false)
    } else {
        None
    }
}

/// A name from the file as it may be shown: short, and without what a terminal would take for more than text.
fn shown(name: &str) -> String {
    let fit = |c: char| if c.is_control() || c.is_whitespace() { '?' } else { c };
    let mut shown: String = name.chars().take(NAME_SHOWN_MAX).map(fit).collect();
    if name.chars().nth(NAME_SHOWN_MAX).is_some() {
        shown.push('…');
    }
    shown
}
