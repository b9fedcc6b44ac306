//! Pages of lists. A list reads one row more than a page takes: only that row tells that there is
//! another page, so the last page promises none even when it is exactly full.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Failure;
use domain::ids::Id;

/// A page of a list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The entries, by id.
    pub items: Vec<T>,
    /// The `after` of the next page; null on the last.
    pub next_after: Option<Uuid>,
}

/// A page that knows where the next one begins.
pub trait NextPage {
    /// The `after` of the next page; `None` on the last.
    fn next_after(&self) -> Option<String>;
}

impl<T> NextPage for Page<T> {
    fn next_after(&self) -> Option<String> {
        self.next_after.map(|id| id.to_string())
    }
}

impl<T, K> From<Rows<T, Id<K>>> for Page<T> {
    fn from(page: Rows<T, Id<K>>) -> Self {
        Self { items: page.rows, next_after: page.next_after.map(|id| id.uuid()) }
    }
}

/// Declares a page that has a name of its own in the API document.
macro_rules! page {
    ($(#[$doc:meta])* $name:ident of $item:ident, $order:literal, after $key:ident) => {
        $(#[$doc])*
        #[derive(Debug, Default, serde::Serialize, utoipa::ToSchema)]
        pub struct $name {
            #[doc = $order]
            pub items: Vec<$item>,
            /// The `after` of the next page; null on the last.
            pub next_after: Option<$key>,
        }
        impl $crate::page::NextPage for $name {
            fn next_after(&self) -> Option<String> {
                self.next_after.as_ref().map(ToString::to_string)
            }
        }
        impl From<$crate::page::Rows<$item, $key>> for $name {
            fn from(page: $crate::page::Rows<$item, $key>) -> Self {
                Self { items: page.rows, next_after: page.next_after }
            }
        }
    };
}
pub(crate) use page;

/// The rows of one page, and the key of the last one when there are more.
pub(crate) struct Rows<R, K> {
    pub rows: Vec<R>,
    pub next_after: Option<K>,
}

impl<R, K> Rows<R, K> {
    /// Reads a page of at most `limit` rows. `read` gets the number of rows to read.
    pub fn read<E>(
        limit: u32,
        read: impl FnOnce(i64) -> Result<Vec<R>, E>,
        key: impl Fn(&R) -> K,
    ) -> Result<Self, E> {
        let mut rows = read(i64::from(limit) + 1)?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        Ok(Self { next_after: rows.last().filter(|_| more).map(key), rows })
    }

    /// What the caller sees of all rows. They are passed together, so that whatever belongs to them
    /// is read as a set; an empty page reads nothing.
    pub fn show<T>(
        self,
        show: impl FnOnce(Vec<R>) -> Result<Vec<T>, Failure>,
    ) -> Result<Rows<T, K>, Failure> {
        let rows = if self.rows.is_empty() { Vec::new() } else { show(self.rows)? };
        Ok(Rows { rows, next_after: self.next_after })
    }

    /// As [`show`](Self::show), where nothing else is read.
    pub fn map<T>(self, show: impl FnMut(R) -> T) -> Rows<T, K> {
        Rows { rows: self.rows.into_iter().map(show).collect(), next_after: self.next_after }
    }
}
