//! Codes of closed sets, written into the statement as literals instead of bound values.
//!
//! Two reasons, both measured. A partial index (`WHERE state = 'waiting'`) is only chosen for a
//! value that is known when the statement is prepared; with a bound one SQLite prepares the
//! statement again at every execution, to see whether the index fits. And a list of bound values
//! (`eq_any`) is a separate statement for every length, which diesel never caches.

use diesel::{
    backend::Backend,
    dsl,
    expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate},
    prelude::*,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::{Bool, Text},
};

use domain::text_enum::TextCode;

/// A code as an SQL literal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Literal(&'static str);

/// `column IN ('a', 'b')`
#[derive(Debug, Clone)]
pub struct OneOf<C> {
    column: C,
    codes: Vec<&'static str>,
}

/// Comparisons with codes of closed sets.
pub(crate) trait CodeDsl: Expression<SqlType = Text> + Sized {
    /// `column = 'code'`
    fn eq_code(self, code: impl TextCode) -> dsl::Eq<Self, Literal> {
        self.eq(Literal(code.word()))
    }
    /// `column <> 'code'`
    fn ne_code(self, code: impl TextCode) -> dsl::NotEq<Self, Literal> {
        self.ne(Literal(code.word()))
    }
    /// `column IN (..)`; false for an empty list.
    fn eq_any_code<W: TextCode>(self, codes: &[W]) -> OneOf<Self> {
        OneOf { column: self, codes: codes.iter().map(|code| code.word()).collect() }
    }
    /// `column IN (..)` of the codes for which `holds`, in the order of their declaration.
    fn of_code<W: TextCode>(self, holds: impl Fn(W) -> bool) -> OneOf<Self> {
        let codes = W::ALL.iter().filter(|code| holds(**code)).map(|code| code.word()).collect();
        OneOf { column: self, codes }
    }
}
impl<C: Expression<SqlType = Text>> CodeDsl for C {}

impl Expression for Literal {
    type SqlType = Text;
}
impl<Q> AppearsOnTable<Q> for Literal {}
impl<Q> SelectableExpression<Q> for Literal {}
impl<G> ValidGrouping<G> for Literal {
    type IsAggregate = is_aggregate::Never;
}
// The code is not part of the type, so the cache of prepared statements must use the text as its
// key.
impl QueryId for Literal {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
impl<DB: Backend> QueryFragment<DB> for Literal {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        push(&mut out, self.0);
        Ok(())
    }
}

impl<C: Expression> Expression for OneOf<C> {
    type SqlType = Bool;
}
impl<Q, C: AppearsOnTable<Q>> AppearsOnTable<Q> for OneOf<C> {}
impl<Q, C: SelectableExpression<Q>> SelectableExpression<Q> for OneOf<C> {}
impl<G, C: ValidGrouping<G>> ValidGrouping<G> for OneOf<C> {
    type IsAggregate = C::IsAggregate;
}
impl<C> QueryId for OneOf<C> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
impl<DB: Backend, C: QueryFragment<DB>> QueryFragment<DB> for OneOf<C> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        if self.codes.is_empty() {
            out.push_sql("1 = 0");
            return Ok(());
        }
        self.column.walk_ast(out.reborrow())?;
        out.push_sql(" IN (");
        for (at, code) in self.codes.iter().enumerate() {
            if at > 0 {
                out.push_sql(", ");
            }
            push(&mut out, code);
        }
        out.push_sql(")");
        Ok(())
    }
}

fn push<DB: Backend>(out: &mut AstPass<'_, '_, DB>, code: &'static str) {
    debug_assert!(
        code.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'.')),
        "{code}"
    );
    out.push_sql("'");
    out.push_sql(code);
    out.push_sql("'");
}
