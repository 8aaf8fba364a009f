//! CUDA's own facts: versions, architectures, host compilers, and a toolkit laid out as one.

pub mod capability;
pub mod host_compilers;
pub mod selection;
pub mod table;
pub mod version;

pub use capability::Capability;
pub use version::CudaVersion;
