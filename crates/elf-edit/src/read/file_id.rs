//! Identity of a file, whatever name it was opened by.

use super::read_at::FileReader;
use std::borrow::Borrow;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Identifies a file, whichever of its names opened it: device and inode number, as in fstat(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The file that `path` leads to, symbolic links followed.
    pub fn at(path: &Path) -> io::Result<FileId> {
        Ok(FileId::from(&fs::metadata(path)?))
    }

    /// The inode number, as `ls -i` and /proc/locks have it.
    pub fn inode(self) -> u64 {
        self.inode
    }
}

impl From<&Metadata> for FileId {
    fn from(metadata: &Metadata) -> FileId {
        FileId {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

impl<F: Borrow<File> + Sync> From<&FileReader<F>> for FileId {
    fn from(reader: &FileReader<F>) -> FileId {
        FileId::from(reader.metadata())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_file_have_one_id() {
        let dir = tempfile::tempdir().unwrap();
        let [file, hard, soft, copy] = ["file", "hard", "soft", "copy"].map(|n| dir.path().join(n));
        fs::write(&file, "x").unwrap();
        fs::hard_link(&file, &hard).unwrap();
        std::os::unix::fs::symlink(&file, &soft).unwrap();
        fs::copy(&file, &copy).unwrap();
        let id = FileId::at(&file).unwrap();
        assert_eq!(FileId::at(&hard).unwrap(), id);
        assert_eq!(FileId::at(&soft).unwrap(), id);
        assert_ne!(FileId::at(&copy).unwrap(), id);
        let reader = FileReader::new(File::open(&hard).unwrap()).unwrap();
        assert_eq!(FileId::from(&reader), id);
        assert_eq!(reader.stamp().file, id);
        assert!(FileId::at(&dir.path().join("none")).is_err());
    }
}
