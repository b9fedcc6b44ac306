//! Whether a copy of the database can be trusted: the file is undamaged, its schema is known to
//! this program, its audit chain is unbroken, and the given master secret decrypts it.

use super::{Failure, audit, keys};
use crypto::{
    keys::MasterSecret,
    seal::{FieldPlace, FieldSealer, sealed_with},
};
use domain::words::Bilingual;
use storage::{Conn, backup as store};

/// What is needed to verify a copy.
pub struct BackupVerifier {
    network: String,
    master: MasterSecret,
}

/// A copy that can be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedBackup {
    pub events: i64,
    /// The newest position in the event log.
    pub position: i64,
    /// The last position that the audit chain covers.
    pub sealed_to: i64,
    /// Migrations that the next start will apply.
    pub pending: usize,
}

/// The result of verifying a copy: its contents, or why it cannot be trusted.
pub type Verdict = Result<VerifiedBackup, Bilingual>;

impl BackupVerifier {
    pub fn new(network: &str, master: MasterSecret) -> Self {
        Self { network: network.to_owned(), master }
    }

    /// Verifies the whole copy.
    ///
    /// # Errors
    /// Faults while reading. A defect of the copy is a [`Verdict`], not an error.
    pub fn look(&self, conn: &mut Conn) -> Result<Verdict, Failure> {
        let found = store::database_inspect(conn)?;
        if let Some(first) = found.damage.first() {
            return no(format!("数据库文件已损坏：{first}"), format!("the file is damaged: {first}"));
        }
        if found.dangling > 0 {
            let count = found.dangling;
            return no(
                format!("{count} 行引用了不存在的行"),
                format!("{count} rows point to rows that are gone"),
            );
        }
        if found.schema.unknown > 0 {
            return no(
                "数据库来自更新的程序版本".to_owned(),
                "the database is of a newer version of this program".to_owned(),
            );
        }
        let opens = |row: &storage::keys::server::ServerKeyRow| {
            let place = FieldPlace::of_text(&self.network, "server_key", "private_sealed", &row.kid);
            // All sealing keys are derived from the master secret.
            sealed_with(&row.private_sealed)
                .and_then(|id| FieldSealer::new(&self.master, &[id])?.open(&place, &row.private_sealed))
                .is_ok()
        };
        if !found.token_keys.iter().all(opens) {
            return no(
                "主密钥不对：它打不开这份数据".to_owned(),
                "the wrong master secret: it does not open this data".to_owned(),
            );
        }
        let keys = keys::audit_keys(conn, &self.master)?;
        let chain = audit::verify_signed_by(conn, &keys)?;
        if !chain.unbroken {
            let at = chain.broken_at.unwrap_or(0);
            return no(
                format!("审计链在位置 {at} 断裂"),
                format!("the audit chain is broken at position {at}"),
            );
        }
        Ok(Ok(VerifiedBackup {
            events: found.events,
            position: found.position,
            sealed_to: chain.sealed_to,
            pending: found.schema.pending,
        }))
    }
}

fn no(zh: String, en: String) -> Result<Verdict, Failure> {
    Ok(Err(Bilingual::made(zh, en)))
}
