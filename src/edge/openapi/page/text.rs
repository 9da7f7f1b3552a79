//! Text as HTML: escaped, with what little Markdown the document uses: paragraphs, code and emphasis.

/// Safe within an element or a quoted attribute.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Paragraphs, each with its code.
pub(super) fn prose(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
    paragraphs.map(|paragraph| format!("<p>{}</p>", coded(paragraph))).collect()
}

/// Every second piece between backticks is code.
fn coded(text: &str) -> String {
    let pieces = escaped(text);
    let piece = |(place, piece): (usize, &str)| if place % 2 == 1 { format!("<code>{piece}</code>") } else { piece.to_owned() };
    pieces.split('`').enumerate().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_was_said_and_nothing_that_a_browser_would_do() {
        assert_eq!(
            prose("Needs `a<b`.\n\n<script>\"&\""),
            "<p>Needs <code>a&lt;b</code>.</p><p>&lt;script&gt;&quot;&amp;&quot;</p>"
        );
        assert_eq!(prose(" \n\n"), "");
    }
}
