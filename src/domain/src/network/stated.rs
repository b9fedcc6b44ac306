//! Personal facts from two sources: what an operator entered for the card and what the worker
//! stated at a screen. If they differ it is unknown which is right, so the more cautious one is
//! used until it is corrected: the younger age (children's doses and limits), female (pregnancy
//! is asked about), work at height. Our default.

use chrono::NaiveDate;

use super::people::{Job, Sex};

/// Personal facts as stated by one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stated {
    pub birth_date: Option<NaiveDate>,
    pub sex: Option<Sex>,
    pub job: Option<Job>,
}

impl Stated {
    /// Combines two statements; the more cautious value of each fact is used.
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

    /// The names of the facts that contradict each other, of those that cannot change. A job can.
    pub fn contradictions(self, other: Self) -> Vec<&'static str> {
        let dates = self.birth_date.zip(other.birth_date).is_some_and(|(one, other)| one != other);
        let sexes = self.sex.zip(other.sex).is_some_and(|(one, other)| one != other);
        [("birth_date", dates), ("sex", sexes)]
            .into_iter()
            .filter_map(|(name, differ)| differ.then_some(name))
            .collect()
    }
}

/// Work at height if either states it; else the first known job.
pub fn careful_job(one: Option<Job>, other: Option<Job>) -> Option<Job> {
    let at_height = |job: &Option<Job>| *job == Some(Job::ConstructionAtHeight);
    [one, other].into_iter().find(at_height).unwrap_or(one.or(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_cautious_statement_is_used_and_a_known_one_before_none() {
        let born = |year| NaiveDate::from_ymd_opt(year, 5, 1);
        let card = Stated { birth_date: born(1990), sex: Some(Sex::Male), job: Some(Job::Courier) };
        let screen =
            Stated { birth_date: born(2014), sex: Some(Sex::Female), job: Some(Job::ConstructionAtHeight) };
        assert_eq!(card.with(screen), screen);
        assert_eq!(screen.with(card), screen);
        assert_eq!(card.contradictions(screen), ["birth_date", "sex"]);
        assert_eq!(card.with(Stated::default()), card);
        assert_eq!(Stated::default().with(card), card);
        assert!(card.contradictions(Stated { job: screen.job, ..Stated::default() }).is_empty());
    }
}
