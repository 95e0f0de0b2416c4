use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// How much older than its digest a change must be for the times of a file to prove that there was
/// no other since: a clock tick of any file system in use (FAT: 2 s), in nanoseconds.
const RACY: i64 = 2_100_000_000;

/// What the file system tells of a file; two contents with one stamp are not expected, except
/// within a tick of its clock. Times are nanoseconds since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    pub device: u64,
    pub inode: u64,
    pub size: u64,
    pub modified: i64,
    pub changed: i64,
}

impl Stamp {
    pub fn of(metadata: &Metadata) -> Self {
        let time = |seconds: i64, nanoseconds: i64| {
            seconds
                .saturating_mul(1_000_000_000)
                .saturating_add(nanoseconds)
        };
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: time(metadata.mtime(), metadata.mtime_nsec()),
            changed: time(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether a change after `now` would show in the times: git's rule for racily clean files.
    pub fn settled(&self, now: i64) -> bool {
        let last = self.modified.max(self.changed);
        last.saturating_add(RACY) < now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_settles_after_a_tick_and_never_in_the_future() {
        let stamp = |modified, changed| Stamp {
            device: 1,
            inode: 1,
            size: 1,
            modified,
            changed,
        };
        assert!(!stamp(0, 0).settled(RACY));
        assert!(stamp(0, 0).settled(RACY + 1));
        assert!(!stamp(0, 5).settled(RACY + 1));
        assert!(!stamp(i64::MAX, 0).settled(i64::MAX));
    }
}
