//! One process serves an embedded database; what others may do beside it.

use secrecy::ExposeSecret;

use base::{
    clock::{Clock, SystemClock},
    config::Config,
};
use storage::{
    DatabaseUrl,
    serving::{Holder, Serving},
};

/// The database that the settings name.
///
/// # Errors
/// It is no URL of a database.
pub(super) fn database_url(config: &Config) -> anyhow::Result<DatabaseUrl> {
    DatabaseUrl::parse(config.database_url.expose_secret())
        .map_err(|why| anyhow::anyhow!("setting `database_url`: {why}"))
}

/// Takes the right to serve an embedded database, which one process has at a
/// time. Before anything else is done to it: the other may be of another version.
///
/// # Errors
/// Another process serves it.
pub(super) fn hold(config: &Config) -> anyhow::Result<Option<Serving>> {
    let url = database_url(config)?;
    url.file().map(|path| Serving::hold(path, SystemClock.now())).transpose().map_err(Into::into)
}

/// Nobody serves the database by another name of its file.
///
/// # Errors
/// Somebody does: its journal has another name as well.
pub(super) fn ensure_this_name(url: &DatabaseUrl) -> anyhow::Result<Option<Holder>> {
    let Some(path) = url.file() else { return Ok(None) };
    let holder = Serving::holder(path)?;
    if let Some(holder) = holder.as_ref().filter(|holder| holder.by_another_name) {
        anyhow::bail!(
            "{}: 正由另一进程以此文件的另一名称使用；请用同一名称 / a server runs on it by another name of this file ({}): use that name",
            path.display(),
            holder.told
        );
    }
    Ok(holder)
}

/// A command beside a running server reads and writes what that one knows, and
/// never brings the database up to another version under it.
///
/// # Errors
/// A server runs, and migrations would be carried out, or it runs by another name.
pub(super) fn ensure_unchanged(config: &Config) -> anyhow::Result<()> {
    let url = database_url(config)?;
    let (Some(holder), Some(path)) = (ensure_this_name(&url)?, url.file()) else { return Ok(()) };
    anyhow::ensure!(
        storage::is_up_to_date(&url)?,
        "{}: 正在使用；请先停止服务，再升级 / a server of another version runs on it ({}): stop it before this version changes the database",
        path.display(),
        holder.told
    );
    Ok(())
}
