//! Whoever comes without a card, a proved phone or a document is a new person at every visit, so
//! that no limit of a person binds them. All of them together get a few packs of one ingredient
//! at one station in a day. The sale holds the cabinet, so that two of them wait for each other.

use std::{borrow::Cow, collections::HashMap};

use super::{CounterLine, Person};
use crate::{Failure, Tx, network::identity};
use domain::{
    formulary::Product,
    ids::{OrderId, WorkerId},
    network::Identified,
    safety::{Finding, Severity},
    time::start_of_civil_day,
    words::Bilingual,
};
use storage::order::station_sales as store;

const RULE: &str = "strangers_amount";
const SOURCE: &str = "Our default: who is not known is limited together, by station, ingredient and day";

/// A block for each ingredient of which strangers got enough today. `except` is the order that
/// `lines` belong to.
///
/// # Errors
/// What the storage said.
pub(crate) fn findings(
    tx: &mut Tx<'_>,
    person: &Person,
    lines: &[CounterLine],
    except: Option<OrderId>,
) -> Result<Vec<Finding>, Failure> {
    if !is_stranger(tx, person)? {
        return Ok(Vec::new());
    }
    let sold = sold_to_strangers(tx, person, except)?;
    let book = tx.app.formulary();
    let mut packs: HashMap<&str, u32> = HashMap::new();
    let swallowed = |product: &&Product| !product.form.is_local();
    for product in sold.iter().filter_map(|code| book.find(code)).filter(swallowed) {
        for one in &product.ingredients {
            let count = packs.entry(one.code.as_str()).or_default();
            *count = count.saturating_add(1);
        }
    }
    let mut wanted: HashMap<&str, (u32, Vec<usize>)> = HashMap::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(product) = book.get(&line.product).filter(swallowed) else { continue };
        for one in &product.ingredients {
            let (count, of) = wanted.entry(one.code.as_str()).or_default();
            *count = count.saturating_add(line.packs);
            of.push(at);
        }
    }
    let most = tx.app.policy.vending.walk_in_packs;
    let mut findings: Vec<Finding> = wanted
        .into_iter()
        .filter(|(code, (count, _))| packs.get(code).copied().unwrap_or(0).saturating_add(*count) > most)
        .map(|(code, (_, of))| found(code, of))
        .collect();
    findings.sort_by(|one, other| one.message.en.cmp(&other.message.en));
    Ok(findings)
}

/// Nobody knows who they are, under any of their rows.
fn is_stranger(tx: &mut Tx<'_>, person: &Person) -> Result<bool, Failure> {
    for id in &person.rows {
        if let Some(row) = storage::network::worker::worker_fetch(tx.conn, *id)?
            && identity::standing(tx.conn, &row)? != Identified::Unchecked
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The products of today's packs at this station, one entry a pack.
fn sold_to_strangers(
    tx: &mut Tx<'_>,
    person: &Person,
    except: Option<OrderId>,
) -> Result<Vec<String>, Failure> {
    let packs = store::packs_without_card(tx.conn, person.station, start_of_civil_day(tx.now))?;
    let mut buyers: Vec<WorkerId> = packs.iter().map(|(_, who, _)| *who).collect();
    buyers.sort_unstable();
    buyers.dedup();
    let known = storage::network::identity::identities_checked(tx.conn, &buyers)?;
    let stranger = |who: &WorkerId| !known.iter().any(|(owner, ..)| owner == who);
    let counts = |(order, who, _): &(OrderId, WorkerId, String)| Some(*order) != except && stranger(who);
    Ok(packs.into_iter().filter(counts).map(|(.., product)| product).collect())
}

fn found(code: &str, lines: Vec<usize>) -> Finding {
    Finding {
        rule: Cow::Borrowed(RULE),
        severity: Severity::Block,
        lines,
        message: Bilingual::made(
            format!(
                "{code}：本站点今日售给未核实身份者的数量已满。请刷卡、用验证码核实手机或出示证件，或咨询医生。"
            ),
            format!(
                "{code}: this station has sold enough of it today to people whom it does not know. Use a card, \
                 prove a phone by a code or show a document, or ask a doctor."
            ),
        ),
        source: Cow::Borrowed(SOURCE),
    }
}
