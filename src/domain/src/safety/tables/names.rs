//! What the rows of one table call things of the others.

use std::collections::{HashMap, HashSet};

use super::{
    fault::RuleFaultCode::{Missing, NoSource, UnknownName},
    reader::{Faults, Row},
};
use crate::safety::{
    classes::{ClassId, Classes},
    profile_test::ProfileTest,
    rows::{Side, Source, SourceId, Standing},
};

/// The names of an edition.
#[derive(Debug)]
pub(super) struct Names<'a> {
    pub(super) sources: &'a [Source],
    pub(super) classes: &'a HashMap<String, ClassId>,
    pub(super) ingredients: &'a HashMap<String, u16>,
    /// The kinds of diagnoses, in the order of their table.
    pub(super) diagnoses: &'a [String],
    /// Codes of ingredients, which no Chinese sentence holds.
    pub(super) words: HashSet<&'a str>,
}

impl Names<'_> {
    /// The test of a person that `text` writes.
    pub(super) fn test(&self, text: &str) -> Option<ProfileTest> {
        ProfileTest::parse(text, |kind| self.diagnoses.iter().position(|known| known == kind))
    }

    pub(super) fn class_named(&self, text: &str) -> Option<ClassId> {
        self.classes.get(text).copied()
    }

    pub(super) fn class(
        &self,
        row: &Row,
        field: &'static str,
        text: &str,
        faults: &mut Faults,
    ) -> Option<ClassId> {
        let class = self.class_named(text);
        if class.is_none() {
            let (zh, en) = (format!("没有药物分类“{text}”"), format!("there is no class \"{text}\""));
            faults.at(row.place(), field, UnknownName, zh, en);
        }
        class
    }

    /// A cell that lists classes.
    pub(super) fn classes(&self, row: &Row, field: &'static str, faults: &mut Faults) -> Classes {
        let mut classes = Classes::NONE;
        for text in row.list(field) {
            if let Some(class) = self.class(row, field, text, faults) {
                classes.add(class);
            }
        }
        classes
    }

    pub(super) fn ingredient(
        &self,
        row: &Row,
        field: &'static str,
        text: &str,
        faults: &mut Faults,
    ) -> Option<u16> {
        let number = self.ingredients.get(text).copied();
        if number.is_none() {
            let (zh, en) = (format!("没有成分“{text}”"), format!("there is no ingredient \"{text}\""));
            faults.at(row.place(), field, UnknownName, zh, en);
        }
        number
    }

    /// A cell that lists ingredients and classes; `None` if it names nothing.
    pub(super) fn side(&self, row: &Row, field: &'static str, faults: &mut Faults) -> Option<Side> {
        let mut side = Side::default();
        for text in row.list(field) {
            if text == "any" {
                side.any = true;
            } else if let Some(class) = text.strip_prefix("class:") {
                if let Some(class) = self.class(row, field, class, faults) {
                    side.classes.add(class);
                }
            } else if let Some(number) = self.ingredient(row, field, text, faults) {
                side.ingredients.push(number);
            }
        }
        side.ingredients.sort_unstable();
        row.required(field, faults);
        (side != Side::default()).then_some(side)
    }

    /// The first source of a row; every source that it names must exist.
    pub(super) fn sources(&self, row: &Row, faults: &mut Faults) -> SourceId {
        if row.cell("source").is_empty() {
            faults.cell(row, "source", Missing, "须写明来源", "name the source");
        }
        for text in row.list("source").filter(|text| self.source(text).is_none()) {
            let (zh, en) = (format!("来源表没有“{text}”"), format!("there is no source \"{text}\""));
            faults.at(row.place(), "source", NoSource, zh, en);
        }
        let first = row.list("source").find_map(|text| self.source(text));
        first.and_then(|at| SourceId::try_from(at).ok()).unwrap_or(0)
    }

    /// Whether somebody read every source of this row.
    pub(super) fn all_read(&self, row: &Row) -> bool {
        let mut known = row.list("source").filter_map(|text| self.source(text));
        known.all(|at| self.sources[at].standing == Standing::Read)
    }

    fn source(&self, id: &str) -> Option<usize> {
        self.sources.iter().position(|source| source.id == id)
    }
}
