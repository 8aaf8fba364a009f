//! All rules, one per file. `--explain` prints the file's own documentation.

use super::{Check, Rule, Severity};

macro_rules! check {
    ($module:ident Tree) => {
        Check::Tree($module::check_tree)
    };
    ($module:ident Both) => {
        Check::Both($module::check, $module::check_tree)
    };
    ($module:ident $kind:ident) => {
        Check::$kind($module::check)
    };
}

macro_rules! rules {
    ($($module:ident $severity:ident $kind:ident,)*) => {
        $(mod $module;)*

        /// Every rule, in the order of reports.
        pub const RULES: &[Rule] = &[$(Rule {
            module: stringify!($module),
            severity: Severity::$severity,
            source: include_str!(concat!("rules/", stringify!($module), ".rs")),
            check: check!($module $kind),
        },)*];
    };
}

rules! {
    cudart_static Warning Elf,
    cudart_twice Warning Elf,
    cudart_mixed Note Elf,
    cudart_newer_than_driver Error Elf,
    cudart_other_version Warning Elf,
    cuda_library_twice Warning Elf,
    cuda_mixed_majors Warning Both,
    cuda_library_older Error Elf,
    cuda_registration_without_provider Error Elf,
    driver_link_missing Error Elf,
    driver_link_unneeded Note Elf,
    driver_library_installed Error Elf,
    runpath_stubs Error Elf,
    runpath_missing Warning Elf,
    runpath_relative Error Elf,
    runpath_empty Error Elf,
    runpath_build_directory Error Elf,
    runpath_fhs Warning Elf,
    runpath_farm Error Elf,
    runpath_outside_store Error Elf,
    runpath_duplicate Note Elf,
    runpath_unused Note Elf,
    rpath Warning Elf,
    needed_not_found Error Elf,
    needed_loaded_before Note Elf,
    needed_other_machine Error Elf,
    needed_through_environment Warning Elf,
    symbol_version_missing Error Elf,
    symbol_missing Error Elf,
    symbol_unbound Warning Elf,
    symbol_of_program Note Elf,
    dlopen_not_found Note Elf,
    nvrtc_builtins_not_found Error Elf,
    cudnn_sublibrary_not_found Warning Elf,
    cufile_config_not_found Note Elf,
    libdevice_not_found Warning Tree,
    duplicate_library Note Tree,
    interpreter_missing Error Elf,
    interpreter_outside_store Error Elf,
    capability_missing Error Elf,
    capability_impossible Warning Elf,
    no_forward_ptx Note Elf,
    device_code_uncompressed Note Elf,
    device_code_malformed Error Elf,
    text_relocations Warning Elf,
    executable_stack Warning Elf,
    writable_code Warning Elf,
    host_compiler_leak Error Elf,
    soname_twice Warning Elf,
    fhs_reference Warning Text,
}
