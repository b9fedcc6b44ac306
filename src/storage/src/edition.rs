//! The statements that every kind of edition has: of the safety rules, and of the formulary.

/// Declares the statements on the editions in one table; `$content` is what is proposed.
macro_rules! edition_statements {
    ($table:ident, $row:ident, $id:ident, content $content:ident) => {
        /// Locks an edition's row for a change.
        pub fn edition_lock(conn: &mut Conn, id: $id) -> QueryResult<Option<$row>> {
            on_backend!(conn, c => $table::table
                .find(id)
                .select($row::as_select())
                .lock_for_no_key_update()
                .get_result(c))
            .optional()
        }

        /// Approves a proposed edition.
        pub fn edition_approve(
            conn: &mut Conn,
            id: $id,
            by: StaffId,
            effective_at: Timestamp,
            now: Timestamp,
        ) -> QueryResult<bool> {
            diesel::update($table::table.find(id))
                .filter($table::state.eq_code(EditionState::Proposed))
                .set((
                    $table::state.eq(EditionState::Approved),
                    $table::approved_by.eq(Some(by)),
                    $table::approved_at.eq(Some(At(now))),
                    $table::effective_at.eq(Some(At(effective_at))),
                ))
                .prepared()
                .execute(conn)
                .map(|rows| rows == 1)
        }

        /// Withdraws an edition that is proposed or approved.
        pub fn edition_withdraw(
            conn: &mut Conn,
            id: $id,
            by: Option<StaffId>,
            reason: &str,
            now: Timestamp,
        ) -> QueryResult<bool> {
            diesel::update($table::table.find(id))
                .filter($table::state.ne(EditionState::Withdrawn))
                .set((
                    $table::state.eq(EditionState::Withdrawn),
                    $table::withdrawn_by.eq(by),
                    $table::withdrawn_at.eq(Some(At(now))),
                    $table::reason.eq(Some(reason)),
                ))
                .prepared()
                .execute(conn)
                .map(|rows| rows == 1)
        }

        /// One edition with its content; none once an authority has ended.
        pub fn edition_fetch(conn: &mut Conn, live: Live, id: $id) -> QueryResult<Option<($row, String)>> {
            on_backend!(conn, c => $table::table
                .find(id)
                .filter(live)
                .select(($row::as_select(), $table::$content))
                .first(c))
            .optional()
        }

        /// Editions before `before`, the newest first.
        pub fn editions_list(conn: &mut Conn, before: Option<$id>, limit: i64) -> QueryResult<Vec<$row>> {
            macro_rules! all {
                () => {
                    $table::table.order($table::id.desc()).limit(limit).select($row::as_select())
                };
            }
            match before {
                Some(before) => on_backend!(conn, c => all!().filter($table::id.lt(before)).load(c)),
                None => on_backend!(conn, c => all!().load(c)),
            }
        }
    };
}
pub(crate) use edition_statements;
