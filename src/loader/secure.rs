//! Secure-execution mode (AT_SECURE): the kernel asks for it when a program gets rights that its
//! user lacks, and the loader then ignores the environment (ld.so(8), capabilities(7)).

use rustix::fs::StatVfsMountFlags;
use std::fmt;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;

const SET_UID: u32 = 0o4000;
const SET_GID: u32 = 0o2000;
/// Without it the set-gid bit asks for mandatory locks (stat(2) of old kernels).
const GROUP_EXECUTE: u32 = 0o010;
/// `struct vfs_cap_data` of <linux/capability.h>, its longest revision.
const LONGEST_CAPABILITIES: usize = 24;
/// `VFS_CAP_FLAGS_EFFECTIVE`
const EFFECTIVE: u32 = 1;

/// The user who runs a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum User {
    /// Neither root nor the owner of any file: most users.
    #[default]
    Ordinary,
    Ids {
        /// Real user ID.
        uid: u32,
        /// Real group ID.
        gid: u32,
    },
}

impl User {
    /// The user of this process.
    pub fn current() -> User {
        User::Ids {
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
        }
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            User::Ordinary => f.write_str("an ordinary user"),
            User::Ids { uid: 0, .. } => f.write_str("root"),
            User::Ids { uid, .. } => write!(f, "the user with ID {uid}"),
        }
    }
}

/// Privileges that a program file grants to its caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Privileges {
    /// The owner, of a set-uid file.
    pub set_uid: Option<u32>,
    /// The group, of a set-gid file.
    pub set_gid: Option<u32>,
    /// It has file capabilities.
    pub capabilities: bool,
}

impl Privileges {
    /// Those of an open file. A file system that is mounted `nosuid` gives none.
    pub fn of(file: &File, metadata: &Metadata) -> Privileges {
        let mode = metadata.mode();
        let by_group = SET_GID | GROUP_EXECUTE;
        let mut found = Privileges {
            set_uid: (mode & SET_UID != 0).then(|| metadata.uid()),
            set_gid: (mode & by_group == by_group).then(|| metadata.gid()),
            capabilities: has_capabilities(file),
        };
        let nosuid = || {
            rustix::fs::fstatvfs(file).is_ok_and(|v| v.f_flag.contains(StatVfsMountFlags::NOSUID))
        };
        if found.any() && nosuid() {
            found = Privileges::default();
        }
        found
    }

    /// Whether there are any.
    pub fn any(self) -> bool {
        self.set_uid.is_some() || self.set_gid.is_some() || self.capabilities
    }

    /// Whether the loader is in secure-execution mode when this user runs the file.
    pub fn secure_for(self, user: User) -> bool {
        match user {
            User::Ordinary => self.any(),
            User::Ids { uid, gid } => {
                self.set_uid.is_some_and(|owner| owner != uid)
                    || self.set_gid.is_some_and(|group| group != gid)
                    || (self.capabilities && uid != 0)
            }
        }
    }
}

impl fmt::Display for Privileges {
    /// `set-uid`, `set-gid and file capabilities`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            (self.set_uid.is_some(), "set-uid"),
            (self.set_gid.is_some(), "set-gid"),
            (self.capabilities, "file capabilities"),
        ];
        let words: Vec<&str> = words.iter().filter(|w| w.0).map(|w| w.1).collect();
        f.write_str(&words.join(" and "))
    }
}

/// Whether the kernel would give capabilities: some are permitted, or the effective bit is set.
fn has_capabilities(file: &File) -> bool {
    let mut buf = [0_u8; LONGEST_CAPABILITIES];
    let Ok(len) = rustix::fs::fgetxattr(file, "security.capability", &mut buf) else {
        return false;
    };
    // magic_etc, then pairs of permitted and inheritable, all little-endian.
    let word = |at: usize| {
        let bytes = buf[..len.min(LONGEST_CAPABILITIES)].get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let permitted = [4, 12].into_iter().filter_map(word).any(|bits| bits != 0);
    permitted || word(0).is_some_and(|magic| magic & EFFECTIVE != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secure_mode_depends_on_who_runs_the_program() {
        let root = User::Ids { uid: 0, gid: 0 };
        let other = User::Ids { uid: 7, gid: 8 };
        let set_uid = Privileges {
            set_uid: Some(7),
            ..Privileges::default()
        };
        assert!(set_uid.secure_for(root) && set_uid.secure_for(User::Ordinary));
        assert!(!set_uid.secure_for(other));
        let set_gid = Privileges {
            set_gid: Some(8),
            ..Privileges::default()
        };
        assert!(set_gid.secure_for(root) && !set_gid.secure_for(other));
        let capable = Privileges {
            capabilities: true,
            ..Privileges::default()
        };
        assert!(capable.secure_for(other) && !capable.secure_for(root));
        assert!(!Privileges::default().secure_for(User::Ordinary));
        assert_eq!(capable.to_string(), "file capabilities");
    }
}
