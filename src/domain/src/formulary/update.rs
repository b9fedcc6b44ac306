//! How a row of a later file changes a stored product.

use super::{parse::FieldIssue, product::Product};

impl Product {
    /// This product, read from a file with the columns `said`, in place of `stored`. What the file
    /// has no column for stays as it is stored: what is printed on the pack, and whether the network
    /// took the product into its formulary.
    ///
    /// # Errors
    /// The flaws that only the product as a whole has.
    pub fn replacing(mut self, stored: &Self, said: impl Fn(&str) -> bool) -> Result<Self, Vec<FieldIssue>> {
        self.label.keep_unsaid(&stored.label, &said);
        if !said("in_formulary") {
            self.in_formulary = stored.in_formulary;
        }
        super::parse::check_product(self)
    }
}
