//! Attributes of a file: owner, mode and extended attributes.

use crate::rewrite::error::RewriteError;
use crate::rewrite::write::failed;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

/// Owner, mode and extended attributes.
pub(super) fn copy_metadata(from: &File, to: &File) -> Result<(), RewriteError> {
    let metadata = from.metadata()?;
    let now = to.metadata()?;
    if (now.uid(), now.gid()) != (metadata.uid(), metadata.gid()) {
        std::os::unix::fs::fchown(to, Some(metadata.uid()), Some(metadata.gid()))
            .map_err(failed("give the copy the same owner"))?;
    }
    to.set_permissions(metadata.permissions())
        .map_err(failed("give the copy the same mode"))?;
    for name in attribute_names(from)? {
        if let Some(value) = attribute(from, name.as_str())? {
            set_attribute(to, name.as_str(), &value)
                .map_err(failed(format!("give the copy the attribute {name}")))?;
        }
    }
    Ok(())
}

/// Longest list and value of extended attributes that Linux has (`XATTR_LIST_MAX`,
/// `XATTR_SIZE_MAX`, both 64 KiB).
const ATTRIBUTE_MAX: usize = 65_536;

fn attribute_names(file: &File) -> Result<Vec<String>, RewriteError> {
    let mut list = vec![0u8; ATTRIBUTE_MAX];
    match rustix::fs::flistxattr(file, &mut list) {
        Ok(len) => Ok(list[..len]
            .split(|&b| b == 0)
            .filter(|name| !name.is_empty())
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect()),
        Err(rustix::io::Errno::NOTSUP) => Ok(Vec::new()),
        Err(e) => Err(io::Error::from(e).into()),
    }
}

pub(super) fn attribute(file: &File, name: &str) -> Result<Option<Vec<u8>>, RewriteError> {
    // Few files have one, so query before any allocation.
    match rustix::fs::fgetxattr_query(file, name) {
        Ok(_) => {}
        Err(rustix::io::Errno::NODATA | rustix::io::Errno::NOTSUP) => return Ok(None),
        Err(e) => return Err(io::Error::from(e).into()),
    }
    let mut value = vec![0u8; ATTRIBUTE_MAX];
    match rustix::fs::fgetxattr(file, name, &mut value) {
        Ok(len) => {
            value.truncate(len);
            Ok(Some(value))
        }
        Err(rustix::io::Errno::NODATA | rustix::io::Errno::NOTSUP) => Ok(None),
        Err(e) => Err(io::Error::from(e).into()),
    }
}

pub(super) fn set_attribute(file: &File, name: &str, value: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::fsetxattr(
        file,
        name,
        value,
        rustix::fs::XattrFlags::empty(),
    )?)
}
