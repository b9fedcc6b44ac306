//! Writes the history of a network as rows: whole journeys that were really played are repeated
//! with fresh ids, other workers and earlier times. What is derived is derived again: sealed
//! fields, the journals of cabinets, stock, accounts and monthly allowances. Signatures of
//! prescriptions and vend authorizations are repeated as they are, and verify no more; history is
//! read, never dispensed.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, ensure};
use chrono::DateTime;
use diesel::connection::SimpleConnection;
use rand::{Rng, SeedableRng, rngs::StdRng};
use uuid::Uuid;

use super::{
    copy::Copy,
    network::{Engine, Network, SEED},
    played::{Played, Template, id, sealed_columns},
    rows::{Inserts, Row, Table, Value, execute, lines, write_value},
};
use base::clock::{Clock, SystemClock};
use crypto::blind::BlindField;
use domain::{
    time::{Timestamp, civil_day},
    vend::{
        BootId,
        journal::{Body, Journal},
    },
};
use service::AppState;
use simulation::sample::SampleNetwork;
use storage::{Conn, events::AnyId};

/// The load takes cards that have not been used for some time; so much of the year is played by
/// workers whom it does not take.
const RECENT: i64 = 35 * DAY;
const DAY: i64 = 86_400_000_000;
const YEAR: i64 = 365 * DAY;
/// Journeys that are committed at once.
const COMMIT_EVERY: usize = 2_000;

/// Writes a year of `count` journeys into `network`, like those that were played in `played`, which
/// is a copy of it; returns how many rows were written.
///
/// # Errors
/// When it cannot.
pub fn write(app: &AppState, network: &Network, played: &Network, count: usize) -> anyhow::Result<u64> {
    let template = Template::read(app, played)?;
    let mut conn = network.connection()?;
    conn.batch_execute(match network.engine {
        // A crash loses the whole database, which is made anew then.
        Engine::Sqlite => {
            "PRAGMA foreign_keys = OFF; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; \
             PRAGMA cache_size = -1000000; BEGIN;"
        }
        Engine::Postgres => "SET session_replication_role = replica; SET synchronous_commit = off; BEGIN;",
    })?;
    let workers = workers(app, network, &mut conn)?;
    let mut writer = Writer::new(app, network.engine, &template, last_position(network.engine, &mut conn)?)?;
    let now = SystemClock.now().timestamp_micros();
    let recent = usize::try_from(count as i64 * RECENT / YEAR)?;
    ensure!(recent + 1 < workers.len(), "too few workers for {count} journeys");
    for number in 0..count {
        let began = now - YEAR + (YEAR / count as i64) * number as i64;
        // Worker 0 is never taken by a load.
        let worker = match number.checked_sub(count - recent) {
            Some(late) => 1 + late,
            None => writer.random.random_range(1 + recent..workers.len()),
        };
        let journey = &template.journeys[number % template.journeys.len()];
        writer.repeat(&mut conn, journey, workers[worker], began)?;
        if number % COMMIT_EVERY == COMMIT_EVERY - 1 {
            writer.flush(&mut conn)?;
            conn.batch_execute("COMMIT; BEGIN;")?;
        }
    }
    let rows = writer.finish(&mut conn)?;
    conn.batch_execute("COMMIT")?;
    match network.engine {
        Engine::Sqlite => conn.batch_execute("PRAGMA journal_mode = WAL")?,
        Engine::Postgres => conn.batch_execute("VACUUM ANALYZE")?,
    }
    Ok(rows)
}

/// The position after which history begins. On PostgreSQL all positions of its own transactions
/// are far beyond the first ones.
fn last_position(engine: Engine, conn: &mut Conn) -> anyhow::Result<i64> {
    let lines = lines(conn, "SELECT CAST(coalesce(max(position), 0) AS TEXT) AS line FROM event")?;
    let last: i64 = lines.first().context("no position")?.parse()?;
    Ok(if engine == Engine::Sqlite { last } else { 0 })
}

/// The ids of the sample workers, by their number.
fn workers(app: &AppState, network: &Network, conn: &mut Conn) -> anyhow::Result<Vec<Uuid>> {
    let table = Table::of(network.engine, conn, "worker")?.only(&["id", "card_index"]);
    let mut by_card = HashMap::new();
    for row in table.read(conn, "id")? {
        if let [Value::Id(id), Value::Bytes(card)] = row.as_slice() {
            by_card.insert(card.clone(), *id);
        }
    }
    let sample = SampleNetwork::plan(SEED, by_card.len(), SystemClock.now());
    let id = |number| {
        let card = app.keys.blind.of(BlindField::CardNumber, &sample.worker(number).card_number);
        by_card.get(card.as_slice()).copied().context("a sample worker is not in the database")
    };
    (0..by_card.len()).map(id).collect()
}

/// What a worker has after earlier journeys.
#[derive(Default)]
struct Known {
    account: Option<Row>,
    balance: i64,
    /// Events in the stream of the worker.
    events: i64,
    visited: bool,
    /// The months whose allowance was granted.
    months: HashSet<String>,
}

/// Packs that were dispensed, by cabinet, slot, product and lot.
type Dispensed = HashMap<[String; 4], i64>;

struct Writer<'t> {
    app: &'t AppState,
    engine: Engine,
    template: &'t Template,
    inserts: Vec<Inserts>,
    random: StdRng,
    /// Of the last event.
    position: i64,
    known: HashMap<Uuid, Known>,
    /// The network's own accounts and their balances.
    balances: HashMap<Uuid, i64>,
    dispensed: Dispensed,
    /// The epoch and the journal of each cabinet.
    journals: HashMap<Uuid, (Value, Journal)>,
}

impl<'t> Writer<'t> {
    fn new(app: &'t AppState, engine: Engine, template: &'t Template, position: i64) -> anyhow::Result<Self> {
        let account = template.table("account")?.column("id")?;
        Ok(Self {
            app,
            engine,
            template,
            inserts: template.tables.iter().map(Inserts::into).collect(),
            random: StdRng::seed_from_u64(SEED),
            position,
            known: HashMap::new(),
            balances: template.accounts.iter().filter_map(|row| Some((id(&row[account])?, 0))).collect(),
            dispensed: HashMap::new(),
            journals: HashMap::new(),
        })
    }

    /// The journey once more, of another worker and at another time.
    fn repeat(&mut self, conn: &mut Conn, journey: &Played, worker: Uuid, began: i64) -> anyhow::Result<()> {
        let mut known = self.known.remove(&worker).unwrap_or_default();
        let old = journey.ids.iter().chain(&journey.account_id);
        let mut copy = Copy::of(old, began - journey.began, &mut self.random);
        copy.ids.insert(journey.worker, worker);
        if let Some(account) = &journey.account {
            let table = self.template.table("account")?;
            let key = table.column("id")?;
            let own =
                known.account.get_or_insert_with(|| account.iter().map(|value| copy.value(value)).collect());
            copy.ids.extend(id(&account[key]).zip(id(&own[key])));
        }
        let month = civil_day(timestamp(began)?).format("%Y-%m").to_string();
        let grants = known.months.insert(month.clone());
        let mut left_out = HashSet::new();
        for (at, row) in &journey.rows {
            let table = &self.template.tables[*at];
            let mut row: Row = row.iter().map(|value| copy.value(value)).collect();
            let column = |name| table.column(name);
            match table.name {
                "transfer" if is_text(&row[column("reason")?], "allowance_granted") => {
                    if !grants {
                        left_out.extend(id(&row[column("id")?]));
                        continue;
                    }
                    row[column("reference")?] = Value::Text(format!("{worker}/{month}"));
                }
                "posting" => {
                    if id(&row[column("transfer_id")?]).is_some_and(|id| left_out.contains(&id)) {
                        continue;
                    }
                    self.post(&mut known, id(&row[column("account_id")?]), &row[column("amount_fen")?])?;
                }
                "event" => {
                    let stream = id(&row[column("stream_id")?]);
                    let kind = column("kind")?;
                    if stream.is_some_and(|id| left_out.contains(&id))
                        || known.visited && is_text(&row[kind], "profile.updated")
                    {
                        continue;
                    }
                    if is_text(&row[kind], "ledger.allowance_granted")
                        && let Value::Text(payload) = &mut row[column("payload")?]
                    {
                        *payload = with_month(payload, worker, &month);
                    }
                    if stream == Some(worker) {
                        known.events += 1;
                        row[column("version")?] = Value::Plain(known.events.to_string());
                    }
                    self.position += 1;
                    row[column("position")?] = Value::Plain(self.position.to_string());
                    row[column("writer_xid")?] = Value::Plain("0".to_owned());
                }
                "order_unit" => {
                    let place = ["cabinet_id", "slot_no", "product_code", "lot_no"];
                    let mut literals = place.map(|_| String::new());
                    for (text, name) in literals.iter_mut().zip(place) {
                        write_value(text, self.engine, &row[column(name)?])?;
                    }
                    *self.dispensed.entry(literals).or_default() += 1;
                }
                "journal" => self.journal(table, &mut row, copy.shift)?,
                "health_profile" if known.visited => continue,
                _ => {}
            }
            self.seal(table, &mut row)?;
            self.inserts[*at].add(conn, &row)?;
        }
        known.visited = true;
        self.known.insert(worker, known);
        Ok(())
    }

    fn post(&mut self, known: &mut Known, account: Option<Uuid>, amount: &Value) -> anyhow::Result<()> {
        let Value::Plain(amount) = amount else { anyhow::bail!("an amount") };
        let amount: i64 = amount.parse()?;
        let key = self.template.table("account")?.column("id")?;
        if known.account.as_ref().and_then(|row| id(&row[key])) == account {
            known.balance += amount;
        } else if let Some(balance) = account.and_then(|account| self.balances.get_mut(&account)) {
            *balance += amount;
        }
        // The account of an order is empty in the end.
        Ok(())
    }

    /// Continues the cabinet's journal with an entry.
    fn journal(&mut self, table: &Table, row: &mut Row, shift: i64) -> anyhow::Result<()> {
        let column = |name| table.column(name);
        let cabinet = id(&row[column("cabinet_id")?]).context("a cabinet")?;
        let text = |value: &Value| match value {
            Value::Text(text) | Value::Plain(text) => Ok(text.clone()),
            _ => Err(anyhow::anyhow!("a text of a journal")),
        };
        let boot = BootId::parse(&text(&row[column("boot_id")?])?).context("a boot")?;
        let wall = DateTime::parse_from_rfc3339(&text(&row[column("wall")?])?)?.timestamp_micros() + shift;
        let fields = serde_json::from_str(&text(&row[column("body")?])?)?;
        let body = Body::from_parts(&text(&row[column("kind")?])?, fields)?;
        let epoch = &row[column("epoch")?];
        let (_, journal) =
            self.journals.entry(cabinet).or_insert_with(|| (epoch.clone(), Journal::default()));
        let mono = text(&row[column("mono_ms")?])?.parse()?;
        let entry = journal.append(boot, mono, timestamp(wall)?, body);
        row[column("seq")?] = Value::Plain(entry.seq.to_string());
        row[column("hash")?] = Value::Text(entry.hash.to_string());
        row[column("prev_hash")?] = Value::Text(entry.prev_hash.to_string());
        row[column("wall")?] = Value::Text(entry.wall.to_rfc3339());
        Ok(())
    }

    fn seal(&self, table: &Table, row: &mut Row) -> anyhow::Result<()> {
        for (at, name, key) in sealed_columns(table)? {
            if let (Value::Text(plain), Some(key)) = (&row[at], id(&row[key])) {
                let sealed = self.app.seal(table.name, name, AnyId::from_uuid(key), plain);
                row[at] =
                    Value::Bytes(sealed.map_err(|failure| anyhow::anyhow!("{}: {failure}", table.name))?);
            }
        }
        Ok(())
    }

    fn flush(&mut self, conn: &mut Conn) -> anyhow::Result<()> {
        self.inserts.iter_mut().try_for_each(|inserts| inserts.flush(conn))
    }

    /// Writes what all journeys changed together; returns how many rows there are.
    fn finish(mut self, conn: &mut Conn) -> anyhow::Result<u64> {
        let table = self.template.table("account")?;
        let (key, balance) = (table.column("id")?, table.column("balance_fen")?);
        let at = self.template.tables.iter().position(|table| table.name == "account").context("accounts")?;
        let with = |row: &Row, amount: i64| {
            let mut row = row.clone();
            row[balance] = Value::Plain(amount.to_string());
            row
        };
        for row in &self.template.accounts {
            let amount = id(&row[key]).and_then(|id| self.balances.get(&id)).copied().unwrap_or(0);
            self.inserts[at].add(conn, &with(row, amount))?;
        }
        for known in self.known.values() {
            if let Some(row) = &known.account {
                self.inserts[at].add(conn, &with(row, known.balance))?;
            }
        }
        self.flush(conn)?;
        for ([cabinet, slot, product, lot], packs) in &self.dispensed {
            let changed = execute(
                conn,
                &format!(
                    "UPDATE slot_stock SET received = received + {packs}, dispensed = dispensed + {packs} \
                     WHERE cabinet_id = {cabinet} AND slot_no = {slot} AND product_code = {product} \
                     AND lot_no = {lot}"
                ),
            )?;
            ensure!(changed == 1, "slot {slot} has no stock of lot {lot}");
        }
        for (cabinet, (epoch, journal)) in &self.journals {
            let (mut of, mut number) = (String::new(), String::new());
            write_value(&mut of, self.engine, &Value::Id(*cabinet))?;
            write_value(&mut number, self.engine, epoch)?;
            let head = journal.head();
            let (seq, hash) = (head.seq, head.hash);
            conn.batch_execute(&format!(
                "UPDATE cabinet SET epoch = {number}, acked_seq = {seq}, journal_head = '{hash}' WHERE id = {of}; \
                 UPDATE device SET epoch = {number} WHERE cabinet_id = {of};"
            ))?;
        }
        Ok(self.inserts.iter().map(|inserts| inserts.rows).sum())
    }
}

fn is_text(value: &Value, wanted: &str) -> bool {
    matches!(value, Value::Text(text) if text == wanted)
}

/// The payload of an allowance for another month.
fn with_month(payload: &str, worker: Uuid, month: &str) -> String {
    let worker = format!("{worker}/");
    let Some(at) = payload.find(&worker) else { return payload.to_owned() };
    let at = at + worker.len();
    format!("{}{month}{}", &payload[..at], &payload[at + month.len()..])
}

fn timestamp(micros: i64) -> anyhow::Result<Timestamp> {
    DateTime::from_timestamp_micros(micros).context("a time out of range")
}
