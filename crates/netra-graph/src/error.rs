//! The error type of the tensor half of Netra (graph and the backends).

use std::fmt;

/// `Result` with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What kind of failure an [`Error`] is: enough for a caller to decide what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused a read or a write.
    Io,
    /// The bytes do not follow their own format.
    Malformed,
    /// The bytes follow the format, but ask for something that Netra does not do. The message names it.
    Unsupported,
    /// A size found in the input exceeds a bound.
    Limit,
    /// A value given by the caller is wrong.
    InvalidInput,
    /// A backend could not be had, or failed.
    Backend,
}

/// An opaque error: a kind, a message that says what, a place that says where, and a source.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    place: Vec<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind`. The message says what is wrong, without a trailing full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), place: Vec::new(), source: None }))
    }

    /// Adds the place where it went wrong (a path, a tag, a frame, a node). Outer places are added last.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.0.place.push(place.to_string());
        self
    }

    /// Keeps the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The kind of failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What is wrong, without the places.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Malformed input: shorthand for the commonest kind.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Malformed, message)
    }

    /// Something that Netra does not do, named.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// A size over its limit.
    pub fn limit(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Limit, message)
    }

    /// A wrong value from the caller.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    /// A failed read or write of `path`.
    pub fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::new(ErrorKind::Io, source.to_string()).at(path.display()).with_source(source)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if !self.0.place.is_empty() {
            write!(f, " (")?;
            for (i, place) in self.0.place.iter().enumerate() {
                if i > 0 {
                    f.write_str(", in ")?;
                }
                f.write_str(place)?;
            }
            write!(f, ")")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|e| e as _)
    }
}
