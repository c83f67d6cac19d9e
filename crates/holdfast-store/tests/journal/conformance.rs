//! The embedded store does what every store must do.

use std::sync::Arc;
use std::time::Duration;

use holdfast_store::journal::{Journal, Options};
use holdfast_store::{Store, SystemClock, SystemDisk};

use crate::rig::Rig;
use crate::suite::{Backend, CHECKS};

struct OnDisk {
    folder: tempfile::TempDir,
}

impl Backend for OnDisk {
    fn open(&self) -> Box<dyn Store> {
        let disk = Arc::new(SystemDisk::open(self.folder.path()).unwrap());
        let options = Options { segment_bytes: 64 << 10 };
        Box::new(Journal::open(disk, Arc::new(SystemClock::new()), options).unwrap())
    }

    fn pass(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

#[test]
fn in_memory() {
    for segment_bytes in [4 << 10, 1 << 20] {
        for (name, check) in CHECKS {
            println!("{name} with segments of {segment_bytes} bytes");
            check(&Rig::new(segment_bytes));
        }
    }
}

#[test]
fn on_a_real_disk() {
    for (name, check) in CHECKS {
        println!("{name}");
        check(&OnDisk { folder: tempfile::tempdir().unwrap() });
    }
}
