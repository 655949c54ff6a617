//! Playing an old system: pairs are written to OUT, and IN, SENT and FAILED are read.

use std::fs;
use std::path::{Path, PathBuf};

/// One mailbox's root folder, as the application sees it.
#[derive(Debug, Clone)]
pub struct Root(pub PathBuf);

/// What a control file in OUT says. Everything else is left out.
#[derive(Debug, Clone)]
pub struct Control {
    /// `From_DTS`.
    pub from: String,
    /// `To_DTS`.
    pub to: String,
    /// `WorkflowId`.
    pub workflow: String,
    /// `LocalId`; left out when empty.
    pub local_id: String,
    /// `Compress`.
    pub compress: bool,
    /// `AllowChunking`.
    pub allow_chunking: bool,
}

impl Control {
    /// From one mailbox to another, plain.
    pub fn new(from: &str, to: &str) -> Self {
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            workflow: "TEST_WORKFLOW".to_owned(),
            local_id: String::new(),
            compress: false,
            allow_chunking: false,
        }
    }

    /// With a local id.
    #[must_use]
    pub fn local_id(mut self, local_id: &str) -> Self {
        local_id.clone_into(&mut self.local_id);
        self
    }

    /// Compressed, and in chunks where it is long.
    #[must_use]
    pub fn compressed_in_chunks(mut self) -> Self {
        self.compress = true;
        self.allow_chunking = true;
        self
    }

    /// As text, in the order that the user guide gives.
    pub fn text(&self) -> String {
        let flag = |set: bool| if set { "Y" } else { "N" };
        let local_id = match self.local_id.as_str() {
            "" => String::new(),
            id => format!("  <LocalId>{id}</LocalId>\n"),
        };
        format!(
            "<DTSControl>\n  <Version>1.0</Version>\n  <AddressType>DTS</AddressType>\n  \
             <MessageType>Data</MessageType>\n  <WorkflowId>{}</WorkflowId>\n  <To_DTS>{}</To_DTS>\n  \
             <From_DTS>{}</From_DTS>\n  <Subject>Invented</Subject>\n{local_id}  <Compress>{}</Compress>\n  \
             <AllowChunking>{}</AllowChunking>\n</DTSControl>\n",
            self.workflow,
            self.to,
            self.from,
            flag(self.compress),
            flag(self.allow_chunking)
        )
    }
}

#[expect(clippy::disallowed_methods, reason = "an old system writes its files like this")]
fn write(path: &Path, content: &[u8]) {
    fs::write(path, content).expect("a file written");
}

impl Root {
    /// A folder of the root.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Drops a pair in OUT: data first, control file after.
    pub fn drop_pair(&self, name: &str, control: &Control, data: &[u8]) {
        self.drop_files(name, Some(control.text().as_bytes()), Some(data));
    }

    /// Drops any content in OUT.
    pub fn drop_files(&self, name: &str, control: Option<&[u8]>, data: Option<&[u8]>) {
        let out = self.folder("OUT");
        fs::create_dir_all(&out).expect("OUT");
        if let Some(data) = data {
            write(&out.join(format!("{name}.dat")), data);
        }
        if let Some(control) = control {
            write(&out.join(format!("{name}.ctl")), control);
        }
    }

    /// The names in a folder, sorted. Empty when it is not there.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.folder(folder)) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        names
    }

    /// How many control files are in a folder.
    pub fn controls(&self, folder: &str) -> usize {
        self.names(folder).iter().filter(|name| name.ends_with(".ctl")).count()
    }

    /// The text of a file; empty when it is not there.
    pub fn text(&self, folder: &str, name: &str) -> String {
        fs::read_to_string(self.folder(folder).join(name)).unwrap_or_default()
    }

    /// The bytes of every data file in IN, in no particular order.
    pub fn received(&self) -> Vec<Vec<u8>> {
        self.names("IN")
            .iter()
            .filter(|name| name.ends_with(".dat"))
            .map(|name| fs::read(self.folder("IN").join(name)).expect("a data file"))
            .collect()
    }

    /// The texts of every report in IN.
    pub fn reports(&self) -> Vec<String> {
        self.names("IN")
            .iter()
            .filter(|name| name.ends_with(".ctl"))
            .map(|name| self.text("IN", name))
            .filter(|text| text.contains("<MessageType>Report</MessageType>"))
            .collect()
    }
}

/// The text of an element, found as a simple reader finds it; empty when it is not there.
pub fn element<'a>(control: &'a str, name: &str) -> &'a str {
    let open = format!("<{name}>");
    let rest = control.find(&open).map_or("", |at| &control[at + open.len()..]);
    rest.split("</").next().unwrap_or_default()
}
