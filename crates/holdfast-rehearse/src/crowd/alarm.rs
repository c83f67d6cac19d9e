//! A clock that wakes a runtime to the microsecond; its own timers have a grain of a millisecond.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

pub(super) struct Alarm(AsyncFd<OwnedFd>);

impl Alarm {
    /// Needs a runtime.
    #[expect(deprecated, reason = "its successor is unsafe; an owned descriptor is what it asks")]
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Ok(Self(AsyncFd::new(timerfd_create(TimerfdClockId::Monotonic, flags)?)?))
    }

    /// Returns when this time has passed; none is as one nanosecond.
    pub(super) async fn after(&self, wait: Duration) -> io::Result<()> {
        let wait = wait.max(Duration::from_nanos(1));
        let it_value = Timespec::try_from(wait).map_err(|_| io::ErrorKind::InvalidInput)?;
        let it_interval = Timespec::default();
        let once = Itimerspec { it_interval, it_value };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
        loop {
            let mut ready = self.0.readable().await?;
            let read = |fd: &AsyncFd<OwnedFd>| Ok(rustix::io::read(fd.get_ref(), &mut [0_u8; 8])?);
            // Otherwise it woke too early.
            if let Ok(done) = ready.try_io(read) {
                return done.map(|_| ());
            }
        }
    }
}
