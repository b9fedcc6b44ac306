//! A buyer without a card, a verified phone or a document is a new person at every visit, so that
//! no limit per person applies to them. All of them together get a few packs of one ingredient at
//! one station per day. The sale has locked the cabinet, so that concurrent sales are serialised.

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

/// A block for each ingredient of which today's limit for unidentified buyers is reached. `except`
/// is the order that `lines` belong to.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn findings(
    tx: &mut Tx<'_>,
    person: &Person,
    lines: &[CounterLine],
    except: Option<OrderId>,
) -> Result<Vec<Finding>, Failure> {
    if !is_unidentified(tx, person)? {
        return Ok(Vec::new());
    }
    let sold = sold_to_unidentified(tx, person, except)?;
    let formulary = tx.app.formulary();
    let mut packs: HashMap<&str, u32> = HashMap::new();
    let systemic = |product: &&Product| !product.form.is_local();
    for product in sold.iter().filter_map(|code| formulary.find(code)).filter(systemic) {
        for one in &product.ingredients {
            let count = packs.entry(one.code.as_str()).or_default();
            *count = count.saturating_add(1);
        }
    }
    let mut wanted: HashMap<&str, (u32, Vec<usize>)> = HashMap::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(product) = formulary.get(&line.product).filter(systemic) else { continue };
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

/// Whether none of the person's rows is identified.
fn is_unidentified(tx: &mut Tx<'_>, person: &Person) -> Result<bool, Failure> {
    for id in &person.rows {
        if let Some(row) = storage::network::worker::worker_fetch(tx.conn, *id)?
            && identity::standing(tx.conn, &row)? != Identified::Unchecked
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The products sold to unidentified buyers at this station today, one entry per pack.
fn sold_to_unidentified(
    tx: &mut Tx<'_>,
    person: &Person,
    except: Option<OrderId>,
) -> Result<Vec<String>, Failure> {
    let packs = store::packs_without_card(tx.conn, person.station, start_of_civil_day(tx.now))?;
    let mut buyers: Vec<WorkerId> = packs.iter().map(|(_, who, _)| *who).collect();
    buyers.sort_unstable();
    buyers.dedup();
    let known = storage::network::identity::identities_checked(tx.conn, &buyers)?;
    let unidentified = |who: &WorkerId| !known.iter().any(|(owner, ..)| owner == who);
    let counts = |(order, who, _): &(OrderId, WorkerId, String)| Some(*order) != except && unidentified(who);
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
