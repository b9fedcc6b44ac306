//! Who somebody is, by two statements: what an operator wrote on the card and what the person
//! said at a screen. Where they differ nobody knows which is right, so that the more careful one
//! counts until somebody puts it right: the younger age (children's doses and limits), the sex
//! that is asked about pregnancy, the work at height. Our default.

use chrono::NaiveDate;

use super::people::{Job, Sex};

/// The facts of a person that stand in two places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stated {
    /// Day of birth.
    pub birth_date: Option<NaiveDate>,
    /// Sex.
    pub sex: Option<Sex>,
    /// Kind of work.
    pub job: Option<Job>,
}

impl Stated {
    /// What counts of two statements.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            birth_date: self.birth_date.max(other.birth_date),
            sex: match (self.sex, other.sex) {
                (Some(one), Some(other)) if one != other => Some(Sex::Female),
                (one, other) => one.or(other),
            },
            job: careful_job(self.job, other.job),
        }
    }

    /// The names of the facts in which one person cannot differ, and these do.
    pub fn contradictions(self, other: Self) -> Vec<&'static str> {
        let dates = self.birth_date.zip(other.birth_date).is_some_and(|(one, other)| one != other);
        let sexes = self.sex.zip(other.sex).is_some_and(|(one, other)| one != other);
        [("birth_date", dates), ("sex", sexes)]
            .into_iter()
            .filter_map(|(name, differ)| differ.then_some(name))
            .collect()
    }
}

/// Work at height of either; else the first that is known.
pub fn careful_job(one: Option<Job>, other: Option<Job>) -> Option<Job> {
    let at_height = |job: &Option<Job>| *job == Some(Job::ConstructionAtHeight);
    [one, other].into_iter().find(at_height).unwrap_or(one.or(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_careful_statement_counts_and_a_known_one_before_none() {
        let born = |year| NaiveDate::from_ymd_opt(year, 5, 1);
        let card = Stated { birth_date: born(1990), sex: Some(Sex::Male), job: Some(Job::Courier) };
        let said =
            Stated { birth_date: born(2014), sex: Some(Sex::Female), job: Some(Job::ConstructionAtHeight) };
        assert_eq!(card.with(said), said);
        assert_eq!(said.with(card), said);
        assert_eq!(card.contradictions(said), ["birth_date", "sex"]);
        assert_eq!(card.with(Stated::default()), card);
        assert_eq!(Stated::default().with(card), card);
        assert!(card.contradictions(Stated { job: said.job, ..Stated::default() }).is_empty());
    }
}
