//! The control row. Whoever sets it has it locked before they look at it; whoever begins a reign over
//! a sale shares that lock, so that no sale gets past a new epoch unseen. Who only writes for a sale
//! does not come here: the sale's own row, which rises with the epoch, is their fence.
//!
//! Who asks has a runtime that stands still between two questions: nothing may be left for later.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::pool::Pool;
use super::row::{broken, signed};
use super::session::{SILENCE, Session, Value};
use crate::{Control, Fence, LedgerError, Result};

/// How long all of it may take in PostgreSQL, with some time left of the second in which it is
/// promised.
pub(super) const PATIENCE: Duration = Duration::from_millis(900);

/// The row, or `None` while nobody has set it.
pub(super) async fn read(pool: &Pool) -> Result<Option<Control>> {
    const SQL: &str = "SELECT version, epoch, document FROM control";
    let row = async {
        let mut session = pool.look_at_control().await?;
        let row = session.fetch_one(SQL, &[]).await;
        session.roll_back().await;
        row
    };
    let row = timeout_at(deadline(pool), row).await;
    let row = row.unwrap_or_else(|_| Err(LedgerError::Unavailable(silence())))?;
    let row = row.ok_or_else(no_row)?;
    let control =
        Control { version: row.number(0)?, epoch: row.number(1)?, document: row.text(2)? };
    Ok((control.version > 0).then_some(control))
}

/// Replaces the row, if it is the expected one; says whether it was.
pub(super) async fn set(pool: &Pool, expected: u64, epoch: u32, document: &str) -> Result<bool> {
    let deadline = deadline(pool);
    let prepared = async {
        let mut session = pool.begin_control().await?;
        match replace(&mut session, expected, epoch, document).await {
            Ok(true) => Ok(Some(session)),
            refused => {
                session.roll_back().await;
                refused.map(|_| None)
            }
        }
    };
    let prepared = timeout_at(deadline, prepared).await;
    let prepared = prepared.unwrap_or_else(|_| Err(LedgerError::Unavailable(silence())))?;
    let Some(session) = prepared else { return Ok(false) };
    let committed = timeout_at(deadline, session.commit()).await;
    committed.unwrap_or_else(|_| Err(LedgerError::Unknown(silence())))?;
    Ok(true)
}

fn deadline(pool: &Pool) -> Instant {
    Instant::now() + if pool.is_shared() { PATIENCE } else { SILENCE }
}

pub(super) async fn replace(
    session: &mut Session,
    expected: u64,
    epoch: u32,
    document: &str,
) -> Result<bool> {
    const REPLACE: &str = "UPDATE control SET version = $1, epoch = $2, document = $3";
    const LOOK: &str = "SELECT version, epoch FROM control";
    lock(session, "LOCK TABLE control IN EXCLUSIVE MODE").await?;
    let row = session.fetch_one(LOOK, &[]).await?.ok_or_else(no_row)?;
    let (version, reigning): (u64, u32) = (row.number(0)?, row.number(1)?);
    if version != expected {
        return Ok(false);
    }
    if version == 0 || epoch != reigning {
        raise(session, reigning, epoch).await?;
    }
    let version = Value::Number(signed(version + 1)?);
    let values = [version, Value::Number(epoch.into()), Value::Text(document)];
    session.execute(REPLACE, &values).await?;
    Ok(true)
}

/// Raises every sale's fence to a new epoch. A sale with a later one has had another store: its
/// epochs must be passed, or nobody could write for it.
async fn raise(session: &mut Session, reigning: u32, epoch: u32) -> Result<()> {
    const HIGHEST: &str = "SELECT COALESCE(MAX(epoch), 0) FROM sales";
    const RAISE: &str = "UPDATE sales SET epoch = $1 WHERE epoch < $1";
    let highest = session.fetch_one(HIGHEST, &[]).await?;
    let highest: u32 = highest.ok_or_else(no_row)?.number(0)?;
    let reigning = reigning.max(highest);
    if epoch < reigning {
        return Err(LedgerError::Fenced { reigning });
    }
    session.execute(RAISE, &[Value::Number(epoch.into())]).await.map(drop)
}

/// Refuses whoever would begin a reign over a sale under an epoch that is over, and keeps the epoch as it
/// is until the transaction has ended.
pub(super) async fn share(session: &mut Session, fence: Fence) -> Result<()> {
    const LOOK: &str = "SELECT epoch FROM control";
    lock(session, "LOCK TABLE control IN SHARE MODE").await?;
    let reigning = session.fetch_one(LOOK, &[]).await?.ok_or_else(no_row)?.number(0)?;
    if fence.epoch < reigning { Err(LedgerError::Fenced { reigning }) } else { Ok(()) }
}

/// Locks the row's table: who waits for that is not passed by those who share it, as they would be
/// with the row itself. Whoever writes in SQLite has the whole file.
async fn lock(session: &mut Session, sql: &'static str) -> Result<()> {
    match session {
        Session::Sqlite(_) => Ok(()),
        Session::Postgres(_) => session.execute(sql, &[]).await.map(drop),
    }
}

fn no_row() -> LedgerError {
    broken("the control row is not there")
}

fn silence() -> String {
    "it took too long over the control row".to_owned()
}
