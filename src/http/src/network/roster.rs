//! The roster, for operators and the coordinators of hospitals: shifts, rules by which they repeat,
//! leave, and who is on it.

use std::sync::Arc;

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi};

use crate::{
    auth::RosterKeeper,
    body::{Body, IdempotencyKey, IfMatch, Path, Query},
    page::DEFAULT_LIMIT,
    reply::{self, Reply},
    routes::Routes,
};
use domain::ids::{LeaveId, ShiftId, ShiftRuleId, StaffId};
use service::{
    AppState,
    network::{
        self, LeaveInput, LeaveView, RosteredView, ShiftCancelled, ShiftChange, ShiftInput, ShiftRuleChange,
        ShiftRuleInput, ShiftRuleView, ShiftView,
    },
    page::Page,
};

pub fn add(routes: &mut Routes) {
    routes
        .post("/api/v1/shifts", shift_add)
        .get("/api/v1/shifts", shift_list)
        .get("/api/v1/shifts/{id}", shift_fetch)
        .put("/api/v1/shifts/{id}", shift_change)
        .post("/api/v1/shifts/{id}/cancel", shift_cancel)
        .post("/api/v1/shift-rules", rule_add)
        .get("/api/v1/shift-rules", rule_list)
        .get("/api/v1/shift-rules/{id}", rule_fetch)
        .put("/api/v1/shift-rules/{id}", rule_change)
        .post("/api/v1/shift-rules/{id}/end", rule_end)
        .post("/api/v1/leaves", leave_add)
        .get("/api/v1/leaves", leave_list)
        .post("/api/v1/leaves/{id}/end", leave_end)
        .get("/api/v1/rostered-staff", rostered_list);
}

#[derive(OpenApi)]
#[openapi(paths(
    shift_add,
    shift_list,
    shift_fetch,
    shift_change,
    shift_cancel,
    rule_add,
    rule_list,
    rule_fetch,
    rule_change,
    rule_end,
    leave_add,
    leave_list,
    leave_end,
    rostered_list
))]
pub(crate) struct Doc;

/// Declares the query of a page: one member of staff's, or everybody's.
macro_rules! page_of_person {
    ($(#[$doc:meta])* $name:ident after $id:ty) => {
        $(#[$doc])*
        #[derive(Debug, Deserialize, IntoParams)]
        #[serde(deny_unknown_fields)]
        #[into_params(parameter_in = Query)]
        struct $name {
            /// The last id of the page before.
            #[param(inline)]
            after: Option<$id>,
            /// 1 to 100; 50 if left out.
            #[param(minimum = 1, maximum = 100)]
            limit: Option<u32>,
            /// Those of this member of staff only.
            #[param(inline)]
            staff_id: Option<StaffId>,
        }
    };
}
page_of_person!(
    /// A page of shifts.
    ShiftPage after ShiftId);
page_of_person!(
    /// A page of rules.
    RulePage after ShiftRuleId);
page_of_person!(
    /// A page of leaves.
    LeavePage after LeaveId);

/// Declares a POST handler that creates something from a body.
macro_rules! added {
    ($(#[$doc:meta])* $name:ident($input:ty) -> $view:ty, $operation:literal, $path:literal, $verb:path) => {
        $(#[$doc])*
        #[utoipa::path(post, path = $path, operation_id = $operation, tag = "network", request_body = $input,
            responses((status = 201, body = $view)))]
        async fn $name(
            caller: RosterKeeper,
            request: HttpRequest,
            app: Data<Arc<AppState>>,
            key: IdempotencyKey,
            body: Body<$input>,
        ) -> Reply {
            reply::idempotent(&request, &app, caller.actor(), key, StatusCode::CREATED, move |tx| {
                $verb(tx, caller.0, &body.0)
            })
            .await
        }
    };
}

/// Declares a GET handler of a page.
macro_rules! listed {
    ($(#[$doc:meta])* $name:ident($page:ty) -> $view:ty, $operation:literal, $path:literal, $verb:path) => {
        $(#[$doc])*
        #[utoipa::path(get, path = $path, operation_id = $operation, tag = "network", params($page),
            responses((status = 200, body = Page<$view>)))]
        async fn $name(
            caller: RosterKeeper,
            request: HttpRequest,
            app: Data<Arc<AppState>>,
            page: Query<$page>,
        ) -> Reply {
            let outcome = app
                .read_snapshot(caller.actor(), move |conn, app| {
                    let limit = page.0.limit.unwrap_or(DEFAULT_LIMIT);
                    $verb(conn, caller.0, app, page.0.staff_id, page.0.after, limit)
                })
                .await;
            reply::page(&request, outcome)
        }
    };
}

/// Declares a GET handler of a document that people edit.
macro_rules! fetched {
    ($(#[$doc:meta])* $name:ident($id:ty) -> $view:ty, $operation:literal, $path:literal, $verb:path) => {
        $(#[$doc])*
        #[utoipa::path(get, path = $path, operation_id = $operation, tag = "network",
            params(("id" = $id, Path)), responses((status = 200, body = $view)))]
        async fn $name(
            caller: RosterKeeper,
            request: HttpRequest,
            app: Data<Arc<AppState>>,
            id: Path<$id>,
        ) -> Reply {
            let outcome =
                app.read_snapshot(caller.actor(), move |conn, _| $verb(conn, caller.0, id.0)).await;
            reply::versioned(&request, outcome)
        }
    };
}

/// Declares a PUT handler of a document that people edit.
macro_rules! replaced {
    ($(#[$doc:meta])* $name:ident($id:ty, $input:ty) -> $view:ty, $operation:literal, $path:literal, $verb:path) => {
        $(#[$doc])*
        #[utoipa::path(put, path = $path, operation_id = $operation, tag = "network",
            params(("id" = $id, Path)), request_body = $input, responses((status = 200, body = $view)))]
        async fn $name(
            caller: RosterKeeper,
            request: HttpRequest,
            app: Data<Arc<AppState>>,
            id: Path<$id>,
            version: IfMatch,
            body: Body<$input>,
        ) -> Reply {
            let outcome = app
                .write(caller.actor(), move |tx| $verb(tx, caller.0, id.0, &version.0, &body.0))
                .await;
            reply::versioned(&request, outcome)
        }
    };
}

/// Declares a POST handler about one id, without a body.
macro_rules! done {
    ($(#[$doc:meta])* $name:ident($id:ty) -> $view:ty, $operation:literal, $path:literal, $verb:path) => {
        $(#[$doc])*
        #[utoipa::path(post, path = $path, operation_id = $operation, tag = "network",
            params(("id" = $id, Path)), responses((status = 200, body = $view)))]
        async fn $name(
            caller: RosterKeeper,
            request: HttpRequest,
            app: Data<Arc<AppState>>,
            key: IdempotencyKey,
            id: Path<$id>,
        ) -> Reply {
            reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
                $verb(tx, caller.0, id.0)
            })
            .await
        }
    };
}

added!(
    /// Add a shift
    shift_add(ShiftInput) -> ShiftView, "addShift", "/api/v1/shifts", network::shift_add);
listed!(
    /// Shifts that have not ended
    shift_list(ShiftPage) -> ShiftView, "listShifts", "/api/v1/shifts", network::shift_list);
fetched!(
    /// One shift; the version is the ETag
    shift_fetch(ShiftId) -> ShiftView, "getShift", "/api/v1/shifts/{id}", network::shift_fetch);
replaced!(
    /// Change a shift's hours; somebody who is then on no shift is off duty at once
    ///
    /// A shift of a rule becomes a single one, and its date an exception of the rule.
    shift_change(ShiftId, ShiftChange) -> ShiftView, "changeShift", "/api/v1/shifts/{id}",
    network::shift_change);
done!(
    /// Cancel a shift; whoever is on it is off duty at once
    ///
    /// The date of a shift of a rule becomes an exception of the rule: it does not come back.
    shift_cancel(ShiftId) -> ShiftCancelled, "cancelShift", "/api/v1/shifts/{id}/cancel",
    network::shift_cancel);
added!(
    /// Add a rule by which somebody's shifts repeat
    ///
    /// Its shifts are added two weeks ahead at once, and every day one day more. Leave and other shifts
    /// are cut out of them.
    rule_add(ShiftRuleInput) -> ShiftRuleView, "addShiftRule", "/api/v1/shift-rules", network::rule_add);
listed!(
    /// Rules that have not ended
    rule_list(RulePage) -> ShiftRuleView, "listShiftRules", "/api/v1/shift-rules", network::rule_list);
fetched!(
    /// One rule; the version is the ETag
    rule_fetch(ShiftRuleId) -> ShiftRuleView, "getShiftRule", "/api/v1/shift-rules/{id}",
    network::rule_fetch);
replaced!(
    /// Change a rule
    ///
    /// Its shifts that have not begun are planned anew; one that has begun stays as it is.
    rule_change(ShiftRuleId, ShiftRuleChange) -> ShiftRuleView, "changeShiftRule",
    "/api/v1/shift-rules/{id}", network::rule_change);
done!(
    /// End a rule; its shifts that have not begun are removed
    rule_end(ShiftRuleId) -> ShiftRuleView, "endShiftRule", "/api/v1/shift-rules/{id}/end",
    network::rule_end);
added!(
    /// Add a leave; shifts are cut out of it, and somebody who is then on no shift is off duty at once
    leave_add(LeaveInput) -> LeaveView, "addLeave", "/api/v1/leaves", network::leave_add);
listed!(
    /// Leaves that have not ended
    leave_list(LeavePage) -> LeaveView, "listLeaves", "/api/v1/leaves", network::leave_list);
done!(
    /// End a leave now, or call it off before it begins; the shifts of rules come back
    leave_end(LeaveId) -> LeaveView, "endLeave", "/api/v1/leaves/{id}/end", network::leave_end);

/// A page of staff.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RosteredPage {
    /// The last id of the page before.
    #[param(inline)]
    after: Option<StaffId>,
    /// 1 to 100; 50 if left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// The doctors and pharmacists whose roster the caller keeps
#[utoipa::path(get, path = "/api/v1/rostered-staff", operation_id = "listRosteredStaff", tag = "network",
    params(RosteredPage), responses((status = 200, body = Page<RosteredView>)))]
async fn rostered_list(
    caller: RosterKeeper,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    page: Query<RosteredPage>,
) -> Reply {
    let outcome = app
        .read_snapshot(caller.actor(), move |conn, _| {
            network::rostered_list(conn, caller.0, page.0.after, page.0.limit.unwrap_or(DEFAULT_LIMIT))
        })
        .await;
    reply::page(&request, outcome)
}
