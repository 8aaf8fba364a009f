//! Facts about CUDA: versions, architectures, drivers, host compilers, names of libraries, and its
//! traces in files.

pub(crate) mod capability;
pub(crate) mod cubin;
pub(crate) mod cudart;
pub(crate) mod device_code;
pub(crate) mod driver;
pub(crate) mod driver_versions;
pub(crate) mod fatbin;
pub(crate) mod host_compilers;
pub(crate) mod libraries;
pub(crate) mod linkage;
pub(crate) mod reach;
pub(crate) mod selection;
pub(crate) mod soname;
pub(crate) mod symbols;
pub(crate) mod table;
pub(crate) mod version;

pub use capability::Capability;
pub(crate) use soname::{RuntimeVersion, Soname};
pub use version::CudaVersion;
