//! Tables that a narrow screen shows as cards: each value under the head of its column.

use maud::{Markup, html};

/// A table; the first column says what each row is about.
pub(super) fn table(heads: &[&str], rows: &[Vec<String>]) -> Markup {
    html! {
        table class="wide" {
            thead { tr { @for head in heads { th scope="col" { (head) } } } }
            tbody { @for row in rows { tr {
                @for (head, value) in heads.iter().zip(row) { td data-head=(head) { (value) } }
            } } }
        }
    }
}

/// Two columns: what, and how many.
pub(super) fn list(rows: &[(String, String)]) -> Markup {
    html! {
        table { tbody { @for (what, number) in rows { tr { td { (what) } td { (number) } } } } }
    }
}
