//! `backup FILE` and `restore FILE` of the embedded database. A file gets its
//! final name only when it is complete, synced to the disk and verified.

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use secrecy::ExposeSecret;

use super::settings;
use base::{
    clock::{Clock, SystemClock},
    config::{Config, ConfigError},
    private_files,
};
use crypto::{
    digest::{self, Sha256},
    keys::MasterSecret,
};
use service::backup::{BackupVerifier, VerifiedBackup};
use storage::{
    DatabaseUrl,
    backup::{self as store, InUse, beside},
};

/// Bytes per read and write.
const PART: usize = 1 << 20;

/// Copies the database into `file` while it is in use, and verifies the copy.
///
/// # Errors
/// Why it failed; then `file` was not created.
pub(super) async fn backup(config: &Config, file: PathBuf) -> anyhow::Result<ExitCode> {
    let (url, _) = embedded(config)?;
    let judge = judge(config)?;
    tokio::task::spawn_blocking(move || copy_out(&url, &judge, &file)).await??;
    Ok(ExitCode::SUCCESS)
}

/// Verifies `file` and makes it the database.
///
/// # Errors
/// Why it failed; then the database is unchanged.
pub(super) async fn restore(config: &Config, file: PathBuf, replace: bool) -> anyhow::Result<ExitCode> {
    let (url, target) = embedded(config)?;
    let judge = judge(config)?;
    let sealed_to =
        tokio::task::spawn_blocking(move || copy_in(&url, &target, &judge, &file, replace)).await??;
    // Otherwise every later check against the witness would report that the log was cut off.
    super::audit::mark_restored(config, sealed_to)?;
    Ok(ExitCode::SUCCESS)
}

fn embedded(config: &Config) -> anyhow::Result<(DatabaseUrl, PathBuf)> {
    let url = DatabaseUrl::parse(config.database_url.expose_secret())
        .map_err(|why| anyhow::anyhow!("setting `database_url`: {why}"))?;
    let Some(path) = url.file().map(Path::to_owned) else {
        bail!(
            "此命令只用于嵌入式数据库；PostgreSQL 请用 pg_dump 或 pg_basebackup / \
             this is for the embedded database; on PostgreSQL use pg_basebackup, or pg_dump: \
             after a dump is loaded into another cluster, whose transactions have other numbers, let \
             `waystation migrate` settle the event log before any instance starts"
        )
    };
    if path.exists() {
        // The newest transactions would be missing from such a copy.
        super::serving::ensure_this_name(&url)?;
    }
    Ok((url, path))
}

fn judge(config: &Config) -> anyhow::Result<BackupVerifier> {
    let secret = config.master_secret.as_ref().context("setting `master_secret` is missing")?;
    let master = MasterSecret::from_base64(secret.expose_secret()).context("setting `master_secret`")?;
    let policy = settings::policy(config).map_err(ConfigError::Refused)?;
    Ok(BackupVerifier::new(&policy.network, master))
}

fn copy_out(url: &DatabaseUrl, judge: &BackupVerifier, file: &Path) -> anyhow::Result<()> {
    let source = url.file().context("an embedded database")?;
    ensure!(source.exists(), "{}: 没有数据库 / there is no database", source.display());
    let manifest = beside(file, ".sha256");
    for path in [file, &manifest] {
        ensure!(
            !path.exists(),
            "{}: 已存在，不覆盖 / is there already and is not overwritten",
            path.display()
        );
    }
    let _in_use = InUse::shared(source)?;
    let began = Instant::now();
    let partial = Partial::new(beside(file, ".partial"))?;
    with_progress(store::database_size(url)?, partial.path(), "复制 copying", || {
        store::database_copy(url, partial.path())
    })?;
    File::open(partial.path())?.sync_all()?;
    let took = began.elapsed();
    let sound = verified(judge, partial.path())?;
    let sum = digest_of(partial.path(), "校验 digesting")?;
    let name = file.file_name().context("a file name")?.to_string_lossy();
    let listed = Partial::new(beside(&manifest, ".partial"))?;
    fs::write(listed.path(), format!("{sum}  {name}\n"))?;
    File::open(listed.path())?.sync_all()?;
    // The digest first: if FILE exists, its digest exists too.
    listed.rename_to(&manifest)?;
    partial.rename_to(file)?;
    let bytes = fs::metadata(file)?.len();
    println!("已备份 / backed up: {} ({bytes} bytes, {:.1} s)", file.display(), took.as_secs_f64());
    println!("SHA-256: {sum} ({})", manifest.display());
    print_summary(&sound);
    println!("注意：主密钥不在备份里。没有它，备份无法读取；请另处妥善保存。");
    println!(
        "NOTE: the master secret is NOT in it, and without it nothing in it can be read: keep it elsewhere."
    );
    println!(
        "`data_dir`（信件等文件）须另行备份 / `data_dir` (letters and other files) is backed up by itself"
    );
    Ok(())
}

fn copy_in(
    url: &DatabaseUrl,
    target: &Path,
    judge: &BackupVerifier,
    file: &Path,
    replace: bool,
) -> anyhow::Result<i64> {
    ensure!(file.exists(), "{}: 没有此文件 / there is no such file", file.display());
    let known = listed_digest(file)?;
    let sum = digest_of(file, "校验 digesting")?;
    ensure!(
        sum == known,
        "{}: SHA-256 与 .sha256 不符：文件已被改动或不完整 / is not what was backed up: its digest differs",
        file.display()
    );
    let sound = verified(judge, file)?;
    let Some(_alone) = InUse::exclusive(target)? else {
        bail!("{}: 正在使用；请先停止服务 / is in use: stop the server first", target.display());
    };
    ensure!(
        replace || !target.exists(),
        "{}: 已有数据库；--replace 会把它移到一旁 / there is a database; --replace moves it aside",
        target.display()
    );
    let restoring = Partial::new(beside(target, ".restoring"))?;
    ensure!(copy(file, restoring.path())? == known, "the copy differs from the file: is the disk sound?");
    let aside = if target.exists() { Some(put_aside(url, target)?) } else { None };
    // A leftover WAL of the old database must never be applied to the new one.
    for ending in ["-wal", "-shm"] {
        match fs::remove_file(beside(target, ending)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _gone => {}
        }
    }
    sync_folder(target)?;
    restoring.rename_to(target)?;
    println!("已恢复 / restored: {}", target.display());
    if let Some(aside) = aside {
        println!("原数据库 / the former database: {}", aside.display());
    }
    print_summary(&sound);
    if sound.pending > 0 {
        println!("{} 个迁移将在下次启动时执行 / migrations run at the next start", sound.pending);
    }
    Ok(sound.sealed_to)
}

fn print_summary(sound: &VerifiedBackup) {
    let VerifiedBackup { events, position, sealed_to, .. } = sound;
    println!("事件 {events} 条，位置 {position}；审计链完好，至 {sealed_to}");
    println!("{events} events, position {position}; the audit chain is unbroken, up to {sealed_to}");
}

fn verified(judge: &BackupVerifier, path: &Path) -> anyhow::Result<VerifiedBackup> {
    let shown = path.display();
    let inspected =
        store::database_open_immutable(path).map_err(Into::into).and_then(|mut conn| judge.look(&mut conn));
    match inspected.with_context(|| format!("{shown}: 不是可用的数据库 / is no usable database"))? {
        Ok(sound) => Ok(sound),
        Err(why) => bail!("{shown}: {} / {}", why.zh, why.en),
    }
}

/// Adds a second hard link to the present database, so that it stays complete whatever
/// happens next. If it is sound, its WAL is first checkpointed into the file.
fn put_aside(url: &DatabaseUrl, target: &Path) -> anyhow::Result<PathBuf> {
    if let Err(error) = store::database_checkpoint(url) {
        eprintln!("原数据库可能已损坏 / the former database may be damaged: {error}");
    }
    let stamp = SystemClock.now().format(".before-%Y%m%dT%H%M%SZ").to_string();
    let aside = beside(target, &stamp);
    fs::hard_link(target, &aside).with_context(|| format!("{}", aside.display()))?;
    let log = beside(target, "-wal");
    if log.exists() {
        fs::hard_link(&log, beside(&aside, "-wal"))?;
    }
    sync_folder(target)?;
    Ok(aside)
}

/// Reads the digest from the `.sha256` file next to `file`, in the format of `sha256sum`.
fn listed_digest(file: &Path) -> anyhow::Result<String> {
    let manifest = beside(file, ".sha256");
    let text = fs::read_to_string(&manifest).with_context(|| {
        format!("{}: 缺少校验文件 / the digest beside the backup is missing", manifest.display())
    })?;
    let sum = text.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    ensure!(sum.len() == 64, "{}: 无法读取 / cannot be read", manifest.display());
    Ok(sum)
}

fn bar(length: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40.green} {bytes}/{total_bytes} {msg}");
    ProgressBar::new(length)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(what)
}

/// Runs `work` with a progress bar that shows how the file at `path` grows.
fn with_progress<T>(length: u64, path: &Path, what: &'static str, work: impl FnOnce() -> T) -> T {
    let (bar, done) = (bar(length, what), Arc::new(AtomicBool::new(false)));
    let (shown, ended, path) = (bar.clone(), Arc::clone(&done), path.to_owned());
    let watcher = std::thread::spawn(move || {
        while !ended.load(Ordering::Relaxed) {
            shown.set_position(fs::metadata(&path).map_or(0, |file| file.len()));
            std::thread::park_timeout(Duration::from_millis(100));
        }
    });
    let outcome = work();
    done.store(true, Ordering::Relaxed);
    watcher.thread().unpark();
    let _ended = watcher.join();
    bar.finish_and_clear();
    outcome
}

/// Reads all of `file`, passes each part to `take` and returns the digest.
fn read_through(
    file: &Path,
    what: &'static str,
    mut take: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> anyhow::Result<String> {
    let mut source = File::open(file).with_context(|| file.display().to_string())?;
    let bar = bar(source.metadata()?.len(), what);
    let (mut sum, mut part) = (Sha256::default(), vec![0; PART]);
    loop {
        let read = source.read(&mut part)?;
        let Some(bytes) = part.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        sum.update(bytes);
        take(bytes)?;
        bar.inc(read as u64);
    }
    bar.finish_and_clear();
    Ok(digest::hex(&sum.finish()))
}

fn digest_of(file: &Path, what: &'static str) -> anyhow::Result<String> {
    read_through(file, what, |_| Ok(()))
}

/// Copies `from` to `to` and syncs it; returns the digest of the copy.
fn copy(from: &Path, to: &Path) -> anyhow::Result<String> {
    let mut target = File::options().write(true).open(to)?;
    read_through(from, "恢复 restoring", |bytes| target.write_all(bytes))?;
    target.sync_all()?;
    // Read the file back: only what is on the disk counts.
    digest_of(to, "校验 digesting")
}

fn sync_folder(of: &Path) -> std::io::Result<()> {
    let folder = of.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// A file under a temporary name until it is complete; if it never is, it is deleted on drop.
struct Partial(Option<PathBuf>);

impl Partial {
    /// Creates an empty file that only its owner can access. A leftover of a crash is replaced.
    fn new(path: PathBuf) -> anyhow::Result<Self> {
        if path.exists() {
            fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
        let made = private_files::options().write(true).create_new(true).open(&path);
        made.with_context(|| path.display().to_string())?;
        Ok(Self(Some(path)))
    }

    fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }

    /// Renames it to its final name.
    fn rename_to(mut self, name: &Path) -> anyhow::Result<()> {
        if let Some(path) = self.0.take() {
            fs::rename(&path, name).with_context(|| name.display().to_string())?;
        }
        Ok(sync_folder(name)?)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            let _gone = fs::remove_file(path);
        }
    }
}
