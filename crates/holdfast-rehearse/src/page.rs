//! The report as a page.
impl crate::Report {
    /// The report as one HTML file.
    pub fn page(&self) -> String {
        String::new()
    }
}
