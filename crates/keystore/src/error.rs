//! Why a file gives no identity.

use thiserror::Error;

/// Why bytes could not be read. Says what happened and what to do; holds no part of a key or a passphrase. In the
/// commands, `FILE` stands for the file that was read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeystoreError {
    /// Larger than [`crate::FILE_BYTES_MAX`].
    #[error("the {what} is larger than {limit} bytes, so it is no identity file; check the path")]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// More of something than is read.
    #[error("the {what} holds more than {limit} {items}; leave only what this mailbox needs")]
    TooMany {
        /// Which part.
        what: &'static str,
        /// Of what there are too many.
        items: &'static str,
        /// The limit.
        limit: usize,
    },
    /// No bytes.
    #[error("the {what} is empty; it may be in the middle of being written, or the path is wrong")]
    Empty {
        /// Which part.
        what: &'static str,
    },
    /// Known, and not read by us.
    #[error("the file is {found}, which is not read here; {advice}")]
    NotSupported {
        /// What the file is.
        found: &'static str,
        /// What to do, most often the command that converts it.
        advice: &'static str,
    },
    /// Of no known form.
    #[error(
        "the file is neither PEM, PKCS#12 nor a Java keystore (JKS); check the path, or make it again with \
         openssl or keytool"
    )]
    Unknown,
    /// Of a known form, and broken.
    #[error("the {what} is damaged: {why}; copy it again (in binary mode) or restore it from a backup")]
    Damaged {
        /// Which part.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Encrypted, and no passphrase was given.
    #[error("the {what} is encrypted and no passphrase is configured; configure the one it was made with")]
    PassphraseNeeded {
        /// Which part.
        what: &'static str,
    },
    /// The passphrase opens nothing.
    #[error("the passphrase does not open the {what}, or its bytes were changed; check the passphrase{hint}")]
    WrongPassphrase {
        /// Which part.
        what: &'static str,
        /// More about the passphrase; may be empty.
        hint: &'static str,
    },
    /// The passphrase opens the store and not the key in it.
    #[error(
        "the passphrase opens the {what}, but not the key in it: the key has a passphrase of its own; configure \
         it too, or give the key the same one{advice}"
    )]
    WrongKeyPassphrase {
        /// Which part.
        what: &'static str,
        /// The command that does so; may be empty.
        advice: &'static str,
    },
    /// Nothing to sign with.
    #[error("the {what} holds no private key; {advice}")]
    NoKey {
        /// Which part.
        what: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// Nothing to show.
    #[error(
        "the {what} holds no certificate; add the client certificate, then the intermediate that signed it"
    )]
    NoCertificate {
        /// Which part.
        what: &'static str,
    },
    /// More than one key, and no word on which.
    #[error("the {what} holds {count} private keys; name one by its alias: {aliases}")]
    SeveralKeys {
        /// Which part.
        what: &'static str,
        /// How many.
        count: usize,
        /// Their aliases, the first few.
        aliases: String,
    },
    /// More than one key in a text that has no aliases.
    #[error("the {what} holds {count} private keys; leave only the one of the client certificate")]
    SeveralPemKeys {
        /// Which part.
        what: &'static str,
        /// How many.
        count: usize,
    },
    /// The alias names no key.
    #[error("the {what} holds no private key with the configured alias; it holds: {aliases}")]
    NoSuchAlias {
        /// Which part.
        what: &'static str,
        /// Those that there are, the first few.
        aliases: String,
    },
    /// The key is not that of the certificate.
    #[error(
        "the private key does not belong to the client certificate; use the key that the certificate request was \
         made with"
    )]
    KeyMismatch,
    /// The TLS library does not take the key or the certificate.
    #[error("the private key or its certificate cannot be used for TLS ({why}); use RSA 2048 or EC P-256")]
    Unusable {
        /// The library's reason.
        why: String,
    },
}

impl KeystoreError {
    /// For a passphrase that was tried in vain: adds a word where it has letters that encodings differ about.
    pub(crate) fn wrong_passphrase(what: &'static str, passphrase: &str) -> Self {
        // `dts-file-interface.md` 6.1: a "£" needs the configuration file saved as UTF-8. Stores made with one that
        // was not hold the passphrase as Java misread it, most often as "Â£".
        let hint = if passphrase.is_ascii() {
            ""
        } else {
            " (it has letters outside ASCII, such as £: save the file that holds it as UTF-8; if that was not so when \
             the store was made, give the store a new passphrase of plain letters and digits)"
        };
        Self::WrongPassphrase { what, hint }
    }
}
