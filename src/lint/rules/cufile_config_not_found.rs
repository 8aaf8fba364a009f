//! libcufile would not find its configuration, cufile.json.
//!
//! ## Why is this bad
//! GPUDirect Storage reads `/etc/cufile.json`, or the file in CUFILE_ENV_PATH_JSON. Without one it
//! runs with its defaults, which on most file systems means an error ("nvidia-fs driver is not
//! loaded. Set allow_compat_mode to true in cufile.json"), or slow copies through the host.
//!
//! ## Example
//! The wheel nvidia-cufile, which has the library and no cufile.json; a container without `/etc/cufile.json`.
//!
//! ## Fix
//! Install `gds/cufile.json` of the toolkit as `/etc/cufile.json`, or wrap the program:
//! `wrapProgram prog --set-default CUFILE_ENV_PATH_JSON FILE`.
//! No command of cuda-fixup can do it: the file is configuration of the system.

use crate::cuda::Soname;
use crate::lint::Subject;
use std::path::Path;

const CONFIG: &str = "/etc/cufile.json";

/// For libcufile itself; programs that use it have no finding.
pub(super) fn check(s: &Subject<'_>, say: &mut dyn FnMut(String)) {
    let stem = s.soname().and_then(Soname::parse).map(|soname| soname.stem);
    if stem != Some(b"libcufile") || s.options.here(Path::new(CONFIG)).exists() {
        return;
    }
    // The toolkit's own layout: lib/libcufile.so.0 and gds/cufile.json.
    let mut above = s.path.ancestors().skip(1).take(4);
    if !above.any(|directory| s.options.here(&directory.join("gds/cufile.json")).exists()) {
        say(format!(
            "reads {CONFIG}, which is not there; CUFILE_ENV_PATH_JSON may name another"
        ));
    }
}
