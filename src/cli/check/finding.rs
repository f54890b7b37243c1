//! One line of `domsec check`.

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// Mail will not be treated as it should be.
    Error,
    /// It is as it should be.
    Ok,
    /// It works, and somebody should look at it.
    Warning,
}

impl Level {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Ok => "ok",
            Self::Warning => "warning",
        }
    }
}

/// What was found and, where it is not good, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) level: Level,
    pub(super) text: String,
}

impl Finding {
    pub(super) fn error(text: impl Into<String>) -> Self {
        Self::new(Level::Error, text)
    }

    pub(super) fn ok(text: impl Into<String>) -> Self {
        Self::new(Level::Ok, text)
    }

    pub(super) fn warning(text: impl Into<String>) -> Self {
        Self::new(Level::Warning, text)
    }

    fn new(level: Level, text: impl Into<String>) -> Self {
        Self {
            level,
            text: text.into(),
        }
    }
}
