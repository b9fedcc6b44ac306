//! Small sets of drug classes. The classes themselves are rows of `rules/classes.csv`.

/// The number of a class in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ClassId(u8);

impl ClassId {
    /// How many classes a table may have.
    pub(super) const MOST: usize = 128;

    /// The class of row `at`; `None` beyond [`Self::MOST`].
    pub(super) fn of_row(at: usize) -> Option<Self> {
        u8::try_from(at).ok().filter(|_| at < Self::MOST).map(Self)
    }

    pub(super) const fn row(self) -> usize {
        self.0 as usize
    }
}

/// A set of classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Classes(u128);

impl Classes {
    pub(super) const NONE: Classes = Classes(0);

    pub(super) fn add(&mut self, class: ClassId) {
        self.0 |= 1 << class.0;
    }

    pub(super) const fn has(self, class: ClassId) -> bool {
        self.0 & (1 << class.0) != 0
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether both sets share a class.
    pub(super) const fn meets(self, other: Classes) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) const fn or(self, other: Classes) -> Classes {
        Classes(self.0 | other.0)
    }

    pub(super) const fn and(self, other: Classes) -> Classes {
        Classes(self.0 & other.0)
    }

    /// The classes in the order of the table.
    pub(super) fn iter(self) -> impl Iterator<Item = ClassId> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let next = u8::try_from(rest.trailing_zeros()).ok().filter(|_| rest != 0)?;
            rest &= rest - 1;
            Some(ClassId(next))
        })
    }
}
