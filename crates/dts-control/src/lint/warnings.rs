//! What is odd about a file that can be read: it is sent, but something is off or some known reader breaks.

use super::{Beside, Finding, LintContext, Places};
use crate::check::DataFile;
use crate::control_file::{AddressType, ControlFile, DEFAULT_VERSION};
use crate::decode::Form;
use crate::fault::WHOLE_FILE;
use crate::limits::{FILE_NAME, HEADERS};
use crate::read::{Layout, Placed, flag};
use crate::read_error::Position;

/// An unknown element with more content than this, in characters, is taken for data in the wrong file.
const CONTENT_CHARS_MAX: usize = 1000;

/// Flags that an application sets.
const FLAGS: [&str; 3] = ["Compress", "Encrypted", "AllowChunking"];

/// Everything odd in a file.
pub(super) fn of(control: &ControlFile, places: &Places<'_>) -> Vec<Finding> {
    let layout = places.layout;
    let mut odd = Vec::new();
    odd.extend(form(layout));
    odd.extend(places.elements().flat_map(|(placed, meant)| element(placed, meant)));
    if let Some(at) = layout.stray {
        odd.push(Finding::warning(
            Some(at),
            WHOLE_FILE,
            "text stands between the elements and is ignored",
            "take it out, and put data in the `.dat` file",
        ));
    }
    odd.extend(absent(layout));
    odd.extend(values(control, places));
    odd
}

fn form(layout: &Layout) -> Vec<Finding> {
    let start = Some(Position { line: 1, column: 1 });
    let (reason, fix) = match layout.form {
        Form::Utf8 => ("", ""),
        Form::Marked => (
            "the file begins with a byte-order mark, which some programs cannot read",
            "save it as UTF-8 without one",
        ),
        Form::Utf16 => {
            ("the file is in UTF-16, and what comes back in SENT and FAILED is in UTF-8", "save it as UTF-8")
        }
        Form::NotUtf16 => (
            "the file says that it is in UTF-16 and is in UTF-8, which strict programs refuse",
            "write `encoding=\"UTF-8\"`, or no declaration",
        ),
        Form::Declared => {
            ("the file is not in UTF-8, and what comes back in SENT and FAILED is", "save it as UTF-8")
        }
    };
    let mut odd = Vec::new();
    if !reason.is_empty() {
        odd.push(Finding::warning(start, WHOLE_FILE, reason, fix));
    }
    if layout.late_declaration {
        odd.push(Finding::warning(
            start,
            WHOLE_FILE,
            "white space stands before the XML declaration, which strict programs refuse",
            "take it out",
        ));
    }
    odd
}

/// What is odd about one element by itself.
fn element(placed: &Placed, meant: Option<&'static str>) -> Vec<Finding> {
    let at = Some(placed.at);
    let Some(known) = placed.known else {
        return vec![unknown(placed, meant)];
    };
    let mut odd = Vec::new();
    if placed.name != known {
        odd.push(Finding::warning(
            at,
            known,
            format!("this is read as {known}, and comes back under that name"),
            format!("write {known}"),
        ));
    }
    if placed.repeated {
        odd.push(Finding::warning(
            at,
            known,
            format!("{known} is there already, and the first one counts"),
            "take one of them out",
        ));
        return odd;
    }
    let value = placed.value.as_str();
    let mut warn = |reason: &str, fix: &str| odd.push(Finding::warning(at, known, reason, fix));
    match known {
        "Version" if value != DEFAULT_VERSION => warn(
            "the version is not 1.0, the only one of this format, and strict programs refuse the file",
            "write 1.0, and a version of the document in the data",
        ),
        "AddressType" if value.is_empty() => warn("the address type is empty and counts as DTS", "write DTS"),
        "AddressType" if value.eq_ignore_ascii_case("SMTP") => {
            warn("the address type says e-mail, but only To_DTS counts", "write DTS");
        }
        "AddressType" if !["DTS", "ALL", "SMTP"].contains(&value) && is_address_type(value) => {
            warn("the address type is not in capitals, which some readers need", "write it in capitals");
        }
        "MessageType" if value != "Data" && value.eq_ignore_ascii_case("Data") => warn(
            "the message type is not written as Data, which readers compare exactly, and comes back so",
            "write Data",
        ),
        "DTSId" if !value.is_empty() => {
            warn("the DTSId is ignored: MESH gives the message a new one", "take it out");
        }
        "IsCompressed" if !matches!(value, "" | "N") => warn(
            "IsCompressed is ignored: it tells how a message travelled",
            "take it out, since Compress asks for compression",
        ),
        "StatusRecord" => warn("the StatusRecord is ignored: the relay writes a new one", "take it out"),
        _ if FLAGS.contains(&known) && !matches!(value, "" | "Y" | "N") => match flag(value) {
            Some(true) => warn("the flag is neither Y nor N, and is read as Y", "write Y"),
            Some(false) => warn("the flag is neither Y nor N, and is read as N", "write N"),
            None => warn("the flag is neither Y nor N and counts as absent", "write Y or N"),
        },
        _ => {}
    }
    odd
}

/// One of the known address types, in whatever case.
fn is_address_type(value: &str) -> bool {
    AddressType::Other(value.to_owned()).meant().is_some()
}

fn unknown(placed: &Placed, meant: Option<&'static str>) -> Finding {
    let at = Some(placed.at);
    match meant {
        Some(meant) => Finding::warning(
            at,
            meant,
            format!("there is no element of this name, it is probably meant as {meant}, and does not count"),
            format!("write {meant}"),
        ),
        None if placed.value.chars().nth(CONTENT_CHARS_MAX).is_some() => Finding::warning(
            at,
            WHOLE_FILE,
            "control files have no element of this name, and what it holds looks like data",
            "put data in the `.dat` file",
        ),
        None => Finding::warning(
            at,
            WHOLE_FILE,
            "control files have no element of this name, it comes back in SENT and has no effect",
            "take it out if nobody needs it there",
        ),
    }
}

/// Elements that a file can do without, and what that means.
fn absent(layout: &Layout) -> Vec<Finding> {
    let has = |element: &str| layout.elements.iter().any(|placed| placed.known == Some(element));
    let root = Some(layout.root);
    [
        (
            "Version",
            "the version is missing and counts as 1.0, and strict programs refuse the file",
            "write 1.0",
        ),
        ("AddressType", "the address type is missing and counts as DTS", "write DTS"),
        (
            "From_DTS",
            "the sender is missing, and the mailbox of the folder is put in",
            "write the sender's mailbox",
        ),
    ]
    .into_iter()
    .filter(|(element, ..)| !has(element))
    .map(|(element, reason, fix)| Finding::warning(root, element, reason, fix))
    .collect()
}

/// What is odd about values that travel to the recipient.
fn values(control: &ControlFile, places: &Places<'_>) -> Vec<Finding> {
    let mut odd = Vec::new();
    for header in &HEADERS {
        let (element, value) = (header.element, control.header_value(header.element));
        let at = Some(places.of(element));
        let mut warn = |reason: String, fix: &str| odd.push(Finding::warning(at, element, reason, fix));
        let chars = value.chars().count();
        if let Some(most) = header.dts_chars_max
            && (most + 1..=header.chars_max).contains(&chars)
        {
            let reason = format!("{element} has {chars} characters, more than the {most} of the DTS");
            warn(reason, "shorten it if an old system reads it");
        }
        if element != "DataChecksum" && !value.is_ascii() {
            let reason =
                format!("{element} has characters outside ASCII, and MESH's answer to them is not known");
            warn(reason, "write it in plain letters");
        }
        match element {
            "Subject" if value.is_empty() => warn(
                "the subject is missing or empty, and some recipients answer nothing then".to_owned(),
                "write one without patient data",
            ),
            "LocalId" if value.is_empty() => warn(
                "the local id is missing or empty, so reports cannot be matched to the message".to_owned(),
                "write a reference of your own, different for each message",
            ),
            "Subject" | "LocalId" => {
                if value.contains(':') {
                    let reason = format!("{element} has a colon, and some recipients answer nothing then");
                    warn(reason, "write it without");
                }
                if value.contains('\'') {
                    warn(
                        format!("{element} has an apostrophe, which breaks some readers"),
                        "write it without",
                    );
                }
                if has_nhs_number(value) {
                    let reason = format!("{element} has ten digits that can be an NHS number");
                    warn(reason, "keep patient data in the `.dat` file");
                }
            }
            _ => {}
        }
    }
    odd
}

/// Whether ten digits in a row agree with the check digit of an NHS number: the last is modulus 11 of the
/// others, weighted ten to two.
fn has_nhs_number(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_digit()).filter(|digits| digits.len() == 10).any(|digits| {
        let value = |byte: u8| u32::from(byte - b'0');
        let sum: u32 = digits.bytes().zip((1..=10).rev()).map(|(digit, weight)| value(digit) * weight).sum();
        sum.is_multiple_of(11)
    })
}

/// What is odd about the names of the pair and of the files beside it.
pub(super) fn of_names(context: &LintContext<'_>) -> Vec<Finding> {
    let mut odd = Vec::new();
    let mut warn = |reason: &str, fix: &str| odd.push(Finding::warning(None, FILE_NAME, reason, fix));
    let data = match context.data {
        DataFile::Here { name, .. } => Some(name),
        DataFile::Missing | DataFile::NotLookedAt => None,
    };
    let in_capitals = |name: Option<&str>, extension: &str| {
        name.is_some_and(|name| !name.ends_with(extension) && name.to_ascii_lowercase().ends_with(extension))
    };
    if in_capitals(context.name, ".ctl") || in_capitals(data, ".dat") {
        warn(
            "the extension is not in lower case, and readers match it exactly",
            "end the names in `.ctl` and `.dat`",
        );
    }
    if data.is_some_and(|name| !name.is_ascii()) {
        warn(
            "the name has characters outside ASCII, and MESH's answer to them is not known",
            "write it in plain letters",
        );
    }
    match context.beside {
        Beside::Nothing => {}
        Beside::SeveralExtensions => warn(
            "there are several data files that differ in the case of the extension, and only one is sent",
            "leave one of them",
        ),
        Beside::OtherCase => warn(
            "there is a file whose name differs in upper and lower case alone, and is not taken as the data file",
            "give both files the same name",
        ),
    }
    odd
}
