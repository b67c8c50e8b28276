//! The bridge from the tensor half's errors to the medical half's.

use netra_core::{Error, ErrorKind};

/// A tensor error as a medical one: same kind, same words, the original as source.
pub fn from_graph(error: netra_graph::Error) -> Error {
    let kind = match error.kind() {
        netra_graph::ErrorKind::Io => ErrorKind::Io,
        netra_graph::ErrorKind::Malformed => ErrorKind::Malformed,
        netra_graph::ErrorKind::Limit => ErrorKind::Limit,
        netra_graph::ErrorKind::InvalidInput => ErrorKind::InvalidInput,
        netra_graph::ErrorKind::Backend => ErrorKind::Backend,
        // The list is open: a kind added later means something this release does not do.
        _ => ErrorKind::Unsupported,
    };
    Error::new(kind, error.to_string()).with_source(error)
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn kind_words_and_source_survive() {
        let pairs = [
            (netra_graph::ErrorKind::Io, ErrorKind::Io),
            (netra_graph::ErrorKind::Malformed, ErrorKind::Malformed),
            (netra_graph::ErrorKind::Unsupported, ErrorKind::Unsupported),
            (netra_graph::ErrorKind::Limit, ErrorKind::Limit),
            (netra_graph::ErrorKind::InvalidInput, ErrorKind::InvalidInput),
            (netra_graph::ErrorKind::Backend, ErrorKind::Backend),
        ];
        for (graph, medical) in pairs {
            let error = from_graph(netra_graph::Error::new(graph, "operator Foo").at("node 'x'"));
            assert_eq!(error.kind(), medical);
            assert_eq!(error.to_string(), "operator Foo (node 'x')");
            let source = error.source().and_then(|e| e.downcast_ref::<netra_graph::Error>());
            assert_eq!(source.map(netra_graph::Error::kind), Some(graph));
        }
    }
}
