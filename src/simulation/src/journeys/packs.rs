//! From the order to the dispensed packs, or to the refund.

use std::collections::HashSet;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    JourneyError,
    event_listener::EventListener,
    walk::{Walk, must},
};
use crate::{
    api::{ConsultationView, OrderView, PrescriptionView},
    client::{As, Call},
    hatch::KeypadAnswer,
};
use domain::{
    ids::AttemptId,
    money::Fen,
    order::{OrderEventKind, OrderState, UnitState},
    vend::AttemptState,
};

/// Events after which an order may have ended.
const ORDER_KINDS: &[&str] = &[
    OrderEventKind::Completed.as_str(),
    OrderEventKind::Cancelled.as_str(),
    OrderEventKind::Expired.as_str(),
];
/// Events after which a pack may be assigned to another slot.
const MOVED_KINDS: &[&str] = &[
    OrderEventKind::Completed.as_str(),
    OrderEventKind::Cancelled.as_str(),
    OrderEventKind::UnitRelocated.as_str(),
];
/// Slots that a pack is tried from, plus one try to see the end.
const MOST_TRIES: usize = 8;

impl Walk<'_> {
    /// Orders all packs of the prescription; `None` if the cabinet does not have enough.
    pub(super) async fn order(
        &mut self,
        worker: As<'_>,
        prescription: &PrescriptionView,
    ) -> Result<Option<OrderView>, JourneyError> {
        let call = Call::post("/api/v1/orders", &json!({"prescription_id": prescription.id}));
        let began = Instant::now();
        let order: OrderView = match self.api.call(worker, call.may_conflict()).await {
            Err(error) if error.code() == "out_of_stock" => return Ok(None),
            answer => answer?,
        };
        self.took("order", began.elapsed());
        self.acknowledge("order", order.id, order.state)?;
        must(order.state == OrderState::Reserved, "order_reserved", || {
            format!("a fresh order is {}", order.state)
        })?;
        must(order.pickup_code.is_none(), "no_early_code", || "an unpaid order shows a pickup code".into())?;
        let total: Fen = order.units.iter().map(|unit| unit.price_fen).sum();
        must(total == order.total_fen && total > Fen::ZERO, "order_total", || {
            format!("the total is {}, not {}", order.total_fen.0, total.0)
        })?;
        for line in &prescription.lines {
            let units = order.units.iter().filter(|unit| unit.product_code == line.product_code).count();
            must(i64::try_from(units) == Ok(line.packs), "order_units", || {
                format!("{} packs of {} prescribed, {units} ordered", line.packs, line.product_code)
            })?;
        }
        let prescribed: i64 = prescription.lines.iter().map(|line| line.packs).sum();
        must(i64::try_from(order.units.len()) == Ok(prescribed), "order_units", || {
            "the order holds more than prescribed".into()
        })?;
        Ok(Some(order))
    }

    pub(super) async fn pay(&mut self, worker: As<'_>, order: &OrderView) -> Result<OrderView, JourneyError> {
        let call = Call::post(format!("/api/v1/orders/{}/pay", order.id), &json!({"method": "subsidy"}));
        let paid: OrderView = self.timed("pay", self.api.call(worker, call)).await?;
        self.acknowledge("order", paid.id, paid.state)?;
        must(paid.state == OrderState::Paid, "order_paid", || format!("a paid order is {}", paid.state))?;
        must(paid.total_fen == order.total_fen, "paid_total", || {
            "the total changed with the payment".into()
        })?;
        let attempts = attempts_of(&paid);
        let distinct: HashSet<_> = attempts.iter().collect();
        must(attempts.len() == paid.units.len() && distinct.len() == attempts.len(), "attempts", || {
            format!("{} attempts for {} paid packs", attempts.len(), paid.units.len())
        })?;
        Ok(paid)
    }

    /// Cancels a paid order: all of it is refunded.
    pub(super) async fn cancel_order(
        &mut self,
        worker: As<'_>,
        paid: &OrderView,
    ) -> Result<OrderView, JourneyError> {
        let call = Call::post(format!("/api/v1/orders/{}/cancel", paid.id), &json!({}));
        let ended: OrderView = self.timed("cancel", self.api.call(worker, call)).await?;
        self.acknowledge_end(&ended)?;
        must(!ended.state.is_live() && all_are(&ended, UnitState::Refunded), "refund", || {
            format!("a cancelled order is {}, its packs {:?}", ended.state, states_of(&ended))
        })?;
        Ok(ended)
    }

    /// Types the code, takes the packs, and checks that all are recorded.
    pub(super) async fn take_packs(
        &mut self,
        worker: As<'_>,
        events: &EventListener,
        paid: &OrderView,
    ) -> Result<OrderView, JourneyError> {
        let own = attempts_of(paid);
        self.wait_for_cabinet(&own).await?;
        let began = Instant::now();
        let shown = self.type_code(paid, false).await?;
        let (fell, due): (HashSet<_>, HashSet<_>) = (shown.fell.iter().collect(), own.iter().collect());
        must(fell == due && shown.fell.len() == own.len() && shown.failed == 0, "packs_granted", || {
            format!("{} of {} packs came out ({:?})", shown.fell.len(), own.len(), shown.refused)
        })?;
        let ended = self.order_end(worker, events, paid).await?;
        self.took("vend", began.elapsed());
        self.acknowledge_end(&ended)?;
        must(ended.state == OrderState::Completed, "order_completed", || {
            format!("the order ended as {}", ended.state)
        })?;
        let recorded = ended.units.iter().all(|unit| {
            unit.attempt.as_ref().is_some_and(|attempt| attempt.state == AttemptState::Dispensed)
        });
        must(all_are(&ended, UnitState::Dispensed) && recorded, "packs_recorded", || {
            format!("the packs that came out are {:?}", states_of(&ended))
        })?;
        Ok(ended)
    }

    /// Every motor jams; each pack is retried from another slot, then refunded.
    pub(super) async fn meet_jam(
        &mut self,
        worker: As<'_>,
        events: &EventListener,
        paid: &OrderView,
    ) -> Result<OrderView, JourneyError> {
        let (api, path) = (self.api, format!("/api/v1/orders/{}", paid.id));
        let began = Instant::now();
        let mut now = paid.clone();
        let mut tried: HashSet<AttemptId> = HashSet::new();
        for _ in 0..MOST_TRIES {
            let open = now.units.iter().filter(|unit| unit.state == UnitState::Authorised);
            let due: Vec<AttemptId> =
                open.filter_map(|unit| unit.attempt.as_ref()).map(|attempt| attempt.id).collect();
            self.wait_for_cabinet(&due).await?;
            let shown = self.type_code(paid, true).await?;
            must(shown.fell.is_empty(), "jam", || "a pack came out of a motor that jammed".into())?;
            tried.extend(&shown.jammed);
            // A second pack behind the first in a jammed slot is relocated as well.
            must(shown.refused.is_none(), "jam_refused", || format!("{:?}", shown.refused))?;
            now = self
                .wait("relocated", events, MOVED_KINDS, async || {
                    let now: OrderView = api.call(worker, Call::get(&path)).await?;
                    let fresh = attempts_of(&now).iter().any(|attempt| !tried.contains(attempt));
                    let settled = now.units.iter().all(|unit| {
                        let old = unit.attempt.as_ref().is_some_and(|attempt| tried.contains(&attempt.id));
                        !(unit.state == UnitState::Authorised && old)
                    });
                    Ok((!now.state.is_live() || (fresh && settled)).then_some(now))
                })
                .await?;
            if !now.state.is_live() {
                break;
            }
        }
        self.took("refund", began.elapsed());
        self.acknowledge_end(&now)?;
        must(!now.state.is_live() && all_are(&now, UnitState::Refunded), "refund", || {
            format!("after a jam the order is {}, its packs {:?}", now.state, states_of(&now))
        })?;
        Ok(now)
    }

    /// Checks that the worker's report matches what happened.
    pub(super) async fn report(
        &mut self,
        worker: As<'_>,
        consultation: &ConsultationView,
        order: &OrderView,
    ) -> Result<(), JourneyError> {
        let report: Value = self.timed("report", self.api.call(worker, Call::get("/api/v1/report"))).await?;
        let find = |list: &Value, inner: Option<&str>, id: Value| -> Option<Value> {
            let items = list.as_array()?.iter();
            let mut items = items.map(|item| inner.map_or(item, |name| &item[name]));
            items.find(|item| item["id"] == id).cloned()
        };
        let seen = find(&report["consultations"], Some("consultation"), json!(consultation.id));
        must(seen.is_some_and(|seen| seen["state"] == "completed"), "report_consultation", || {
            "the report does not show the consultation as completed".into()
        })?;
        let shown = find(&report["orders"], None, json!(order.id)).unwrap_or_default();
        must(shown["state"] == json!(order.state), "report_order", || {
            format!("the report shows the order as {}, not {}", shown["state"], order.state)
        })?;
        let units = shown["units"].as_array().map(Vec::as_slice).unwrap_or_default();
        let same = order.units.iter().all(|unit| {
            units.iter().any(|seen| seen["id"] == json!(unit.id) && seen["state"] == json!(unit.state))
        });
        must(same && units.len() == order.units.len(), "report_packs", || {
            "the report shows other packs than the order".into()
        })
    }

    /// Waits until the cabinet expects `packs`. Packs of another worker may be pending
    /// there too; a code is wrong for those.
    async fn wait_for_cabinet(&mut self, packs: &[AttemptId]) -> Result<(), JourneyError> {
        let began = Instant::now();
        let pending = self.world.hatches.wait_until_pending(&self.place.code, packs);
        match tokio::time::timeout(super::LONGEST_AT_HATCH, pending).await {
            Ok(Some(())) => {
                self.took("cabinet", began.elapsed());
                Ok(())
            }
            Ok(None) => Err(dead_keypad()),
            Err(_) => Err(JourneyError::TooLong),
        }
    }

    async fn type_code(&self, paid: &OrderView, jams: bool) -> Result<KeypadAnswer, JourneyError> {
        let code = paid.pickup_code.as_deref();
        let code = code
            .ok_or(JourneyError::Wrong { name: "pickup_code", detail: "a paid order shows none".into() })?;
        let shown = self.world.hatches.type_code(&self.place.code, code, jams).await;
        let shown = shown.ok_or_else(dead_keypad)?;
        let mut fallen = self.world.fallen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let fresh = shown.fell.iter().filter(|attempt| fallen.insert(**attempt)).count();
        must(fresh == shown.fell.len(), "vended_twice", || "an attempt came out a second time".into())?;
        drop(fallen);
        Ok(shown)
    }

    async fn order_end(
        &mut self,
        worker: As<'_>,
        events: &EventListener,
        paid: &OrderView,
    ) -> Result<OrderView, JourneyError> {
        let (api, path) = (self.api, format!("/api/v1/orders/{}", paid.id));
        self.wait("order_end", events, ORDER_KINDS, async || {
            let now: OrderView = api.call(worker, Call::get(&path)).await?;
            Ok((!now.state.is_live()).then_some(now))
        })
        .await
    }

    fn acknowledge_end(&self, ended: &OrderView) -> Result<(), JourneyError> {
        self.acknowledge("order", ended.id, ended.state)?;
        ended.units.iter().try_for_each(|unit| self.acknowledge("unit", unit.id, unit.state))
    }
}

fn dead_keypad() -> JourneyError {
    JourneyError::Wrong { name: "keypad", detail: "the cabinet's keypad is dead".into() }
}

fn attempts_of(order: &OrderView) -> Vec<AttemptId> {
    order.units.iter().filter_map(|unit| unit.attempt.as_ref()).map(|attempt| attempt.id).collect()
}

fn all_are(order: &OrderView, state: UnitState) -> bool {
    order.units.iter().all(|unit| unit.state == state)
}

fn states_of(order: &OrderView) -> Vec<&'static str> {
    order.units.iter().map(|unit| unit.state.as_str()).collect()
}
