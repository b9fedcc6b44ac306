//! Words of closed sets, written into the statement instead of bound to it.
//!
//! Two reasons, both measured. A partial index (`WHERE state = 'waiting'`) is
//! only chosen for a value that is known when the statement is prepared; with a
//! bound one SQLite prepares the statement anew at every execution, to see
//! whether the index fits. And a list of bound values (`eq_any`) is a statement
//! of its own for every length, which diesel never keeps.

use diesel::{
    backend::Backend,
    dsl,
    expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate},
    prelude::*,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::{Bool, Text},
};

use domain::text_enum::Coded;

/// One word as a literal.
#[derive(Debug, Clone, Copy)]
pub struct Literal(&'static str);

/// `column IN ('a', 'b')`
#[derive(Debug, Clone)]
pub struct OneOf<C> {
    column: C,
    words: Vec<&'static str>,
}

/// Comparisons with words of closed sets.
pub trait WordDsl: Expression<SqlType = Text> + Sized {
    /// Is this word.
    fn eq_word(self, word: impl Coded) -> dsl::Eq<Self, Literal> {
        self.eq(Literal(word.word()))
    }
    /// Is another word.
    fn ne_word(self, word: impl Coded) -> dsl::NotEq<Self, Literal> {
        self.ne(Literal(word.word()))
    }
    /// Is one of these words; false for none at all.
    fn eq_any_word<W: Coded>(self, words: &[W]) -> OneOf<Self> {
        OneOf { column: self, words: words.iter().map(|word| word.word()).collect() }
    }
}
impl<C: Expression<SqlType = Text>> WordDsl for C {}

impl Expression for Literal {
    type SqlType = Text;
}
impl<Q> AppearsOnTable<Q> for Literal {}
impl<Q> SelectableExpression<Q> for Literal {}
impl<G> ValidGrouping<G> for Literal {
    type IsAggregate = is_aggregate::Never;
}
// The word is no part of the type, so the statement's text is its key.
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
        if self.words.is_empty() {
            out.push_sql("1 = 0");
            return Ok(());
        }
        self.column.walk_ast(out.reborrow())?;
        out.push_sql(" IN (");
        for (at, word) in self.words.iter().enumerate() {
            if at > 0 {
                out.push_sql(", ");
            }
            push(&mut out, word);
        }
        out.push_sql(")");
        Ok(())
    }
}

fn push<DB: Backend>(out: &mut AstPass<'_, '_, DB>, word: &'static str) {
    debug_assert!(word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{word}");
    out.push_sql("'");
    out.push_sql(word);
    out.push_sql("'");
}
