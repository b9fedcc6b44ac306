//! The operator's part: signing in, finding stations, and enrolling their screens
//! and cabinets. Each trial enrols them again: a cabinet's journal must continue
//! from its last entry, and this process stores none; with a new epoch it starts
//! empty, like that of a replaced cabinet.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use data_encoding::BASE64URL_NOPAD;
use futures_util::{StreamExt, TryStreamExt};
use serde::Deserialize;
use serde_json::{Value, json};

use super::progress::Progress;
use crate::{
    cabinets::CabinetPlan,
    client::{Api, As, Call, CallError},
    journeys::StationPlan,
    sample::{SAMPLE_PASSWORD, SampleNetwork},
    sessions::Staff,
};
use crypto::{device::DeviceKey, totp::step_of};
use domain::{
    ids::{CabinetId, DeviceId, StaffId, StationId},
    stock::SlotNo,
    vend::messages::SlotReport,
};

/// Sites that are enrolled at the same time.
const AT_ONCE: usize = 8;
/// Rows of a page.
const PAGE: usize = 100;

/// The signed-in operator.
pub struct Office {
    api: Api,
    operator: Staff,
    base_step: u64,
    issuer: String,
}

#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
    next_after: Option<String>,
}

#[derive(Deserialize)]
struct Station {
    id: StationId,
    code: String,
    cabinet_id: Option<CabinetId>,
}

#[derive(Deserialize)]
struct StaffRow {
    staff: StaffName,
}

#[derive(Deserialize)]
struct StaffName {
    id: StaffId,
}

#[derive(Deserialize)]
struct Cabinet {
    door_open: bool,
    slots: Vec<Slot>,
}

#[derive(Deserialize)]
struct Slot {
    slot_no: i32,
    product_code: Option<String>,
    lot_no: Option<String>,
    expires_on: Option<chrono::NaiveDate>,
    on_hand: i64,
    reserved: i64,
    in_doubt: i64,
}

#[derive(Deserialize)]
struct Enrolled {
    device_id: DeviceId,
    epoch: i64,
}

impl Office {
    /// Signs in. Each one-time code is accepted once, so a trial that follows another
    /// one must wait for unused codes: the operator's code of the current step, which
    /// every trial uses first, shows whether it must.
    ///
    /// # Errors
    /// When no server responds, or its network has another seed.
    pub async fn open(api: &Api, network: &SampleNetwork, progress: &Progress) -> anyhow::Result<Self> {
        progress.stage("登录 / signing in");
        let reached: Result<Value, CallError> = api.call(As::Nobody, Call::get("/healthz").once()).await;
        reached.with_context(|| format!("--url {}: no server answers there", api.base()))?;
        let email = &network.operators.first().context("the sample has no operator")?.email;
        let secret = network.totp_secret(email);
        let operator = Staff::new(api.clone(), email, SAMPLE_PASSWORD, &secret, String::new())?;
        let mut base_step = step_of(api.clock.now());
        match operator.sign_in_at(base_step).await {
            Ok(()) => {}
            Err(error) if error.code() == "credentials_wrong" => {
                base_step += 2;
                progress.stage(
                    "动态码已被刚才的测试用过（或种子不符），等待新的动态码 / a trial a moment ago used these \
                     one-time codes (or the seed is another one); waiting up to a minute for fresh ones",
                );
                wait_for_step(api, base_step).await;
                operator.sign_in_at(base_step).await.map_err(|error| match error.code() {
                    "credentials_wrong" => anyhow::anyhow!(
                        "--seed {}: the sample operator of this seed cannot sign in; was the server's database \
                         filled by `waystation sample` (or `demo`) with it?",
                        network.seed
                    ),
                    _ => anyhow::Error::from(error),
                })?;
            }
            Err(error) => return Err(error).context("signing the operator in"),
        }
        // Uses up the next step as well: it is the latest that the staff use at the start.
        operator.sign_in_at(base_step + 1).await.context("signing the operator in")?;
        let issuer = issuer_of(&operator.token().await?).context("the operator's token names no issuer")?;
        Ok(Self { api: api.clone(), operator, base_step, issuer })
    }

    /// The first unused step of one-time codes.
    pub(crate) fn base_step(&self) -> u64 {
        self.base_step
    }

    /// The network's name, which a real cabinet has in its settings.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Enrols the screens and cabinets of `count` stations.
    ///
    /// # Errors
    /// When there are fewer stations, or the server refuses.
    pub async fn enrol(
        &self,
        network: &Arc<SampleNetwork>,
        count: usize,
        progress: &Progress,
    ) -> anyhow::Result<Vec<(StationPlan, CabinetPlan)>> {
        let mut stations: Vec<Station> = self.all("/api/v1/stations").await?;
        stations.retain(|one| {
            one.cabinet_id.is_some() && network.stations.iter().any(|known| known.code == one.code)
        });
        stations.sort_by(|a, b| a.code.cmp(&b.code));
        let there = stations.len();
        ensure!(there >= count, "--stations {count}: the server has {there} sample stations with a cabinet");
        stations.truncate(count);
        let restockers: Page<StaffRow> = self.get("/api/v1/staff?role=restocker&limit=1").await?;
        let restocker = restockers.items.first().map(|row| row.staff.id);
        let (mut sites, mut done) = (Vec::with_capacity(count), 0);
        let enrolling = futures_util::stream::iter(stations).map(|one| self.site(one, restocker));
        let mut enrolled = enrolling.buffer_unordered(AT_ONCE);
        while let Some(site) = enrolled.try_next().await? {
            sites.push(site);
            done += 1;
            progress.figures(&format!("登记设备 enrolling stations {done}/{count}"));
        }
        Ok(sites)
    }

    async fn site(
        &self,
        station: Station,
        restocker: Option<StaffId>,
    ) -> anyhow::Result<(StationPlan, CabinetPlan)> {
        let cabinet_id = station.cabinet_id.context("a station without a cabinet")?;
        let (screen, key) = self.device(&station, "station", "/api/v1/tokens/enrol").await?;
        let plan = StationPlan { code: station.code.clone(), device: screen.device_id, key };
        let (machine, key) = self.device(&station, "cabinet", "/cabinet/v1/enrol").await?;
        let cabinet: Cabinet = self.get(&format!("/api/v1/cabinets/{cabinet_id}")).await?;
        let slots = cabinet.slots.into_iter().map(slot_report).collect::<anyhow::Result<Vec<_>>>()?;
        let cabinet = CabinetPlan {
            station_code: station.code,
            device: machine.device_id,
            key,
            epoch: machine.epoch,
            slots,
            door_open: cabinet.door_open,
            restocker,
        };
        Ok((plan, cabinet))
    }

    async fn device(
        &self,
        station: &Station,
        kind: &str,
        path: &str,
    ) -> anyhow::Result<(Enrolled, DeviceKey)> {
        let wanted = json!({"kind": kind, "station_id": station.id});
        let code: Value = self
            .api
            .call(As::Staff(&self.operator), Call::post("/api/v1/enrolment-codes", &wanted))
            .await
            .context("asking for an enrolment code")?;
        let key = DeviceKey::generate()?;
        let body = json!({"code": code["code"], "public_key": key.public_key().to_string()});
        let enrolled = self.api.call(As::Nobody, Call::post_plain(path, &body)).await;
        Ok((enrolled.with_context(|| format!("enrolling the {kind} of {}", station.code))?, key))
    }

    /// The violations that the server's audit finds.
    ///
    /// # Errors
    /// When it does not respond.
    pub(crate) async fn invariant_violations(&self, progress: &Progress) -> anyhow::Result<Vec<String>> {
        progress.stage("核对账目 / asking the server to check its ledger");
        let audit: Value = self.get("/api/v1/audit/invariants").await?;
        let violations = audit["violations"].as_array().context("the audit lists no violations")?;
        Ok(violations.iter().filter_map(|line| line.as_str()).map(str::to_owned).collect())
    }

    async fn all<T: serde::de::DeserializeOwned>(&self, path: &str) -> anyhow::Result<Vec<T>> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let page: Page<T> = self.get(&format!("{path}?limit={PAGE}{after}")).await?;
            all.extend(page.items);
            let Some(next) = page.next_after else { return Ok(all) };
            after = format!("&after={next}");
        }
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        Ok(self.api.call(As::Staff(&self.operator), Call::get(path)).await?)
    }
}

fn slot_report(slot: Slot) -> anyhow::Result<SlotReport> {
    let Some(number) = SlotNo::new(slot.slot_no) else { bail!("a slot number below 1") };
    Ok(SlotReport {
        slot: number,
        product_code: slot.product_code,
        lot_no: slot.lot_no,
        expires_on: slot.expires_on,
        count: u32::try_from(slot.on_hand + slot.reserved + slot.in_doubt).unwrap_or(0),
    })
}

/// The issuer of an access token, without verification.
fn issuer_of(token: &str) -> Option<String> {
    let payload = BASE64URL_NOPAD.decode(token.split('.').nth(1)?.as_bytes()).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    Some(claims["iss"].as_str()?.to_owned())
}

/// Waits until `step` is the current step.
async fn wait_for_step(api: &Api, step: u64) {
    while step_of(api.clock.now()) < step {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issuer_is_read_out_of_a_token() {
        let payload = BASE64URL_NOPAD.encode(br#"{"iss":"yantai","sub":"x"}"#);
        assert_eq!(issuer_of(&format!("header.{payload}.signature")).as_deref(), Some("yantai"));
        assert_eq!(issuer_of("nothing"), None);
    }
}
