//! `[flag]`: how a reader is told that something is wrong with a message (draft §3.3, §7).

use super::error::PolicyFileError;
use super::table::Entry;

/// How a reader is told. Log, metric and report tell the administrator in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// What is put before the Subject; `None` for nothing.
    pub subject_tag: Option<String>,
    /// Whether a `Domsec-Warning` field is added.
    pub warning_header: bool,
}

impl Default for Flag {
    fn default() -> Self {
        Self {
            subject_tag: Some("[unverified]".to_owned()),
            warning_header: true,
        }
    }
}

impl Flag {
    /// Reads the table.
    pub(super) fn read(entry: &Entry<'_, '_>) -> Result<Self, PolicyFileError> {
        let table = entry.table("[flag]", &["subject_tag", "tag", "warning_header"])?;
        let default = Self::default();
        let switched_on = |key| table.get(key).map_or(Ok(true), |entry| entry.flag());
        let tagged = switched_on("subject_tag")?;
        let tag = match table.get("tag") {
            Some(entry) => Some(tag(&entry)?),
            None => default.subject_tag,
        };
        Ok(Self {
            subject_tag: tag.filter(|_| tagged),
            warning_header: switched_on("warning_header")?,
        })
    }
}

fn tag(entry: &Entry<'_, '_>) -> Result<String, PolicyFileError> {
    let text = entry.text()?;
    let printable = |c: char| c.is_ascii_graphic() || c == ' ';
    if text.trim().is_empty() || text.len() > TAG || !text.chars().all(printable) {
        return Err(entry.bad(format!("a tag is 1 to {TAG} printable ASCII characters")));
    }
    Ok(text.trim().to_owned())
}

/// Characters of a tag: the Subject that follows should still be seen in a list of messages.
const TAG: usize = 32;
