//! HTML that can only be built escaped.

/// A piece of well-formed HTML.
#[derive(Clone, Debug, Default)]
pub(super) struct Markup(String);

impl Markup {
    /// Text, escaped; control characters, which HTML forbids, become spaces.
    pub fn text(text: impl AsRef<str>) -> Self {
        let mut out = String::new();
        for character in text.as_ref().chars() {
            match character {
                '&' => out += "&amp;",
                '<' => out += "&lt;",
                '>' => out += "&gt;",
                '"' => out += "&quot;",
                c if c.is_control() => out.push(' '),
                c => out.push(c),
            }
        }
        Self(out)
    }

    /// Markup or style that this program is written with.
    pub fn own(markup: &'static str) -> Self {
        Self(markup.to_owned())
    }

    /// An element with its attributes, on a line of its own when it holds others.
    pub fn element(tag: &'static str, attributes: &[(&'static str, &str)], content: Vec<Self>) -> Self {
        let mut out = Self::start(tag, attributes);
        let several = content.len() > 1;
        for piece in &content {
            if several {
                out.0.push('\n');
            }
            out.0 += &piece.0;
        }
        if several {
            out.0.push('\n');
        }
        out.0 += "</";
        out.0 += tag;
        out.0.push('>');
        out
    }

    /// An element without an end tag.
    pub fn start(tag: &'static str, attributes: &[(&'static str, &str)]) -> Self {
        let mut out = format!("<{tag}");
        for (name, value) in attributes {
            out += &format!(" {name}=\"{}\"", Self::text(value).0);
        }
        out.push('>');
        Self(out)
    }

    /// An element that holds text alone.
    pub fn of(tag: &'static str, text: impl AsRef<str>) -> Self {
        Self::element(tag, &[], vec![Self::text(text)])
    }

    /// Pieces on one line.
    pub fn line(pieces: impl IntoIterator<Item = Self>) -> Self {
        Self(pieces.into_iter().map(|piece| piece.0).collect())
    }

    pub fn into_string(self) -> String {
        self.0
    }
}

/// A table with a header; the first cell of every row is the row's own header. `numbers` counts columns from the right that hold
/// numbers.
pub(super) fn table(caption: &str, columns: &[&str], rows: Vec<Vec<Markup>>, numbers: usize) -> Markup {
    let first_number = columns.len() - numbers;
    let class = |column: usize| if column >= first_number { "number" } else { "text" };
    let heads = columns
        .iter()
        .enumerate()
        .map(|(i, name)| Markup::element("th", &[("scope", "col"), ("class", class(i))], vec![Markup::text(name)]));
    let body = rows.into_iter().map(|row| {
        let cells = row.into_iter().enumerate().map(|(i, cell)| match i {
            0 => Markup::element("th", &[("scope", "row")], vec![cell]),
            _ => Markup::element("td", &[("class", class(i))], vec![cell]),
        });
        Markup::element("tr", &[], vec![Markup::line(cells)])
    });
    let head = Markup::element("thead", &[], vec![Markup::element("tr", &[], vec![Markup::line(heads)])]);
    let parts = vec![Markup::of("caption", caption), head, Markup::element("tbody", &[], body.collect())];
    // Wide tables scroll by themselves; whoever uses a keyboard must reach them.
    let scrolling = [("class", "scroll"), ("aria-label", caption), ("tabindex", "0")];
    Markup::element("section", &scrolling, vec![Markup::element("table", &[], parts)])
}

/// Names with their values; those without a value are left out.
pub(super) fn list(pairs: &[(&str, String)]) -> Markup {
    let known = pairs.iter().filter(|(_, value)| !value.trim().is_empty());
    let items = known.map(|(name, value)| Markup::line([Markup::of("dt", name), Markup::of("dd", value)]));
    Markup::element("dl", &[], items.collect())
}

/// A section with its heading.
pub(super) fn section(id: &'static str, heading: &str, content: Vec<Markup>) -> Markup {
    let heading = Markup::element("h2", &[("id", id)], vec![Markup::text(heading)]);
    let parts = [heading].into_iter().chain(content).collect();
    Markup::element("section", &[("aria-labelledby", id)], parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_attributes_cannot_break_out() {
        let hostile = "\"><script>alert('x')</script>&\u{0}";
        let markup = Markup::element("p", &[("title", hostile)], vec![Markup::text(hostile)]).into_string();
        let escaped = "&quot;&gt;&lt;script&gt;alert('x')&lt;/script&gt;&amp; ";
        assert_eq!(markup, format!("<p title=\"{escaped}\">{escaped}</p>"));
    }
}
