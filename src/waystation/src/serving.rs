//! Only one process serves an embedded database at a time; checks for commands that run
//! at the same time.

use secrecy::ExposeSecret;

use base::{
    clock::{Clock, SystemClock},
    config::Config,
};
use storage::{
    DatabaseUrl,
    serving::{Holder, Serving},
};

/// The database URL from the settings.
///
/// # Errors
/// It is not a valid database URL.
pub(super) fn database_url(config: &Config) -> anyhow::Result<DatabaseUrl> {
    DatabaseUrl::parse(config.database_url.expose_secret())
        .map_err(|why| anyhow::anyhow!("setting `database_url`: {why}"))
}

/// Takes the lock for serving an embedded database, which one process has at a time. Must come
/// before any other access to the database: the process that has the lock may be of another
/// version.
///
/// # Errors
/// Another process serves it.
pub(super) fn acquire(config: &Config) -> anyhow::Result<Option<Serving>> {
    let url = database_url(config)?;
    url.file().map(|path| Serving::hold(path, SystemClock.now())).transpose().map_err(Into::into)
}

/// Checks that no process serves the database under another name of its file.
///
/// # Errors
/// Another process does: its journal then has another name as well.
pub(super) fn ensure_this_name(url: &DatabaseUrl) -> anyhow::Result<Option<Holder>> {
    let Some(path) = url.file() else { return Ok(None) };
    let holder = Serving::holder(path)?;
    if let Some(holder) = holder.as_ref().filter(|holder| holder.by_another_name) {
        anyhow::bail!(
            "{}: 正由另一进程以此文件的另一名称使用；请用同一名称 / a server runs on it by another name of this file ({}): use that name",
            path.display(),
            holder.description
        );
    }
    Ok(holder)
}

/// A command that runs at the same time as a server must use the same schema version, and must
/// not migrate the database while that server uses it.
///
/// # Errors
/// A server is running and migrations are pending, or it uses another name of the file.
pub(super) fn ensure_unchanged(config: &Config) -> anyhow::Result<()> {
    let url = database_url(config)?;
    let (Some(holder), Some(path)) = (ensure_this_name(&url)?, url.file()) else { return Ok(()) };
    anyhow::ensure!(
        storage::is_up_to_date(&url)?,
        "{}: 正在使用；请先停止服务，再升级 / a server of another version runs on it ({}): stop it before this version changes the database",
        path.display(),
        holder.description
    );
    Ok(())
}
