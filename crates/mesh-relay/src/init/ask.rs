//! Asking on a terminal; without one, the usual answer, or the name of the option that is missing.

use std::fmt::Display;
use std::str::FromStr;

use inquire::ui::RenderConfig;
use inquire::validator::Validation;
use inquire::{Confirm, InquireError, Password, PasswordDisplayMode, Select, Text};
use secrecy::SecretString;
use thiserror::Error;

/// Why there is no answer.
#[derive(Debug, Error)]
pub(super) enum AskError {
    /// Nobody can be asked.
    #[error("these answers are missing; give them by options, or run it on a terminal: {}", options.join(", "))]
    Missing {
        /// The options that give them.
        options: Vec<String>,
    },
    /// An answer cannot be.
    #[error("{option}: {what}")]
    Unfit {
        /// The option that gives it.
        option: String,
        /// What is wrong with it and what to do.
        what: String,
    },
    /// Whoever was asked went away.
    #[error("nothing was written, since the questions were not answered to their end ({0})")]
    Ended(InquireError),
}

/// Asks, or notes what would have to be asked.
pub(super) struct Asker {
    is_attended: bool,
    missing: Vec<String>,
}

/// What one question is.
pub(super) struct Question<'a> {
    /// The option of the same meaning, with its dashes.
    pub(super) option: &'a str,
    /// As a person is asked.
    pub(super) text: &'a str,
    /// What is taken when nobody says otherwise.
    pub(super) usual: Option<&'a str>,
}

impl Asker {
    pub(super) fn new(is_attended: bool) -> Self {
        if std::env::var_os("NO_COLOR").is_some() {
            inquire::set_global_render_config(RenderConfig::empty());
        }
        Self { is_attended, missing: Vec::new() }
    }

    /// An answer in the form that `T` reads. `None`: it is missing, and was noted.
    pub(super) fn text<T>(&mut self, given: Option<T>, question: &Question<'_>) -> Result<Option<T>, AskError>
    where
        T: FromStr,
        T::Err: Display,
    {
        if given.is_some() {
            return Ok(given);
        }
        let Question { option, text, usual } = question;
        let unfit = |error: T::Err| AskError::Unfit { option: (*option).to_owned(), what: plain(&error) };
        if !self.is_attended {
            return match usual {
                Some(usual) => usual.parse().map(Some).map_err(unfit),
                None => {
                    self.missing.push((*option).to_owned());
                    Ok(None)
                }
            };
        }
        let reads = |text: &str| {
            Ok(match text.trim().parse::<T>() {
                Ok(_) => Validation::Valid,
                Err(error) => Validation::Invalid(plain(&error).into()),
            })
        };
        let mut asking = Text::new(text).with_validator(reads);
        if let Some(usual) = usual {
            asking = asking.with_default(usual);
        }
        let said = asking.prompt().map_err(AskError::Ended)?;
        said.trim().parse().map(Some).map_err(unfit)
    }

    /// One of a few.
    pub(super) fn choose<T: Copy>(
        &mut self,
        given: Option<T>,
        option: &str,
        text: &str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, AskError> {
        if given.is_some() {
            return Ok(given);
        }
        if !self.is_attended {
            self.missing.push(option.to_owned());
            return Ok(None);
        }
        let names = choices.iter().map(|(name, _)| *name).collect();
        let said = Select::new(text, names).raw_prompt().map_err(AskError::Ended)?;
        Ok(choices.get(said.index).map(|(_, choice)| *choice))
    }

    /// Something that is not shown.
    pub(super) fn secret(&mut self, option: &str, text: &str) -> Result<Option<SecretString>, AskError> {
        if !self.is_attended {
            self.missing.push(option.to_owned());
            return Ok(None);
        }
        let filled = |said: &str| {
            Ok(if said.is_empty() {
                Validation::Invalid("it must not be empty".into())
            } else {
                Validation::Valid
            })
        };
        let asking = Password::new(text)
            .without_confirmation()
            .with_display_mode(PasswordDisplayMode::Hidden)
            .with_validator(filled);
        asking.prompt().map(|said| Some(SecretString::from(said))).map_err(AskError::Ended)
    }

    /// Yes or no; no when nobody can be asked.
    pub(super) fn agree(&mut self, text: &str) -> Result<bool, AskError> {
        if !self.is_attended {
            return Ok(false);
        }
        Confirm::new(text).with_default(true).prompt().map_err(AskError::Ended)
    }

    /// Whether somebody can be asked.
    pub(super) fn is_attended(&self) -> bool {
        self.is_attended
    }

    /// # Errors
    /// When answers are missing.
    pub(super) fn end(&mut self) -> Result<(), AskError> {
        if self.missing.is_empty() {
            return Ok(());
        }
        Err(AskError::Missing { options: std::mem::take(&mut self.missing) })
    }
}

/// An error of the configuration's own types on one line: behind a line end they have what to write.
fn plain(error: &impl Display) -> String {
    error.to_string().replace('\n', "; ")
}
