//! An open file of the simulated disk.

use std::io;

use holdfast_store::DiskFile;

use super::disk::{SimDisk, State};
use super::fault::{Op, Stop};
use super::file::SECTOR;

/// An open file.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) disk: SimDisk,
    pub(super) file: usize,
}

impl DiskFile for Handle {
    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        self.disk.enter(&mut state, Op::Read)?;
        Ok(state.files[self.file].bytes.len() as u64)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        self.disk.enter(&mut state, Op::Read)?;
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = at.saturating_add(into.len());
        let bytes = state.files[self.file].bytes.get(at..end);
        into.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.let_others_act(Op::Write, self.file);
        let mut state = self.disk.state();
        let entered = self.disk.enter(&mut state, Op::Write);
        if entered == Err(Stop::Dead) {
            return Err(Stop::Dead.into());
        }
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        let mut count = state.allot(self.file, at, bytes.len());
        let full = count < bytes.len();
        if entered.is_err() {
            // What was cut short ends with a sector.
            let end = at + state.rng.index(count + 1);
            count = (end - end % SECTOR).saturating_sub(at);
        }
        state.watch_write(self.file, at, &bytes[..count]);
        state.files[self.file].write(&bytes[..count], at);
        entered?;
        if full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.let_others_act(Op::Sync, self.file);
        let mut state = self.disk.state();
        let entered = self.disk.enter(&mut state, Op::Sync);
        let State { files, rng, .. } = &mut *state;
        match entered {
            Ok(()) => files[self.file].flush(),
            Err(Stop::Crash) if rng.percent(25) => files[self.file].flush(),
            Err(Stop::Error) => files[self.file].fail_flush(rng),
            Err(_) => {}
        }
        Ok(entered?)
    }
}
