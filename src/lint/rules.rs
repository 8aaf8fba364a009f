//! All rules, one per file. `--explain` prints the file's own documentation.

use super::{Check, Fix, Input, Rule, Severity};

macro_rules! fix {
    () => {
        None
    };
    ($fix:ident) => {
        Some(Fix::$fix)
    };
}

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
    ($($module:ident $severity:ident $kind:ident $([$($input:ident)*])? $($fix:ident)?,)*) => {
        $(mod $module;)*

        /// Every rule, in the order of reports.
        pub const RULES: &[Rule] = &[$(Rule {
            module: stringify!($module),
            severity: Severity::$severity,
            source: include_str!(concat!("rules/", stringify!($module), ".rs")),
            check: check!($module $kind),
            inputs: &[$($(Input::$input),*)?],
            fix: fix!($($fix)?),
        },)*];
    };
}

rules! {
    cudart_static Warning Elf [Strings],
    cudart_twice Warning Elf [Strings Runtimes],
    cudart_mixed Note Elf [Strings Runtimes],
    cudart_newer_than_driver Error Elf [Strings Runtimes],
    cudart_other_version Warning Elf [Strings Runtimes],
    cuda_library_twice Warning Elf,
    cuda_mixed_majors Warning Both [SharedRuntimes],
    cuda_library_older Error Elf [Interfaces],
    cuda_registration_without_provider Error Elf [Interfaces],
    driver_link_missing Error Elf [Strings] Tidy,
    driver_link_unneeded Note Elf [Strings] Shrink,
    driver_library_installed Error Advised,
    runpath_stubs Error Elf Tidy,
    runpath_missing Warning Elf Shrink,
    runpath_relative Error Elf Tidy,
    runpath_empty Error Elf Tidy,
    runpath_build_directory Error Advised Shrink,
    runpath_fhs Warning Advised Shrink,
    runpath_farm Error Advised,
    runpath_outside_store Error Advised Shrink,
    runpath_duplicate Note Elf Tidy,
    runpath_unused Note Elf [Strings] Shrink,
    rpath Warning Elf Tidy,
    resolution_cache_stale Error Elf,
    startup_search Note Elf,
    needed_not_found Error Advised [Opener],
    needed_by_plugin Note Advised [Opener],
    needed_loaded_before Note Elf,
    needed_other_machine Error Advised,
    needed_through_environment Warning Advised,
    needed_through_rpath Note Advised,
    symbol_version_missing Error Advised,
    does_not_load Error Elf,
    symbol_missing Error Advised [Symbols],
    symbol_unbound Warning Elf [Symbols],
    symbol_of_program Note Elf [Symbols Interfaces],
    dlopen_not_found Note Advised [Strings],
    nvrtc_builtins_not_found Error Advised [Strings],
    cudnn_sublibrary_not_found Warning Advised [Strings],
    cufile_config_not_found Note Elf,
    libdevice_not_found Warning Tree [Strings],
    wheel_older Warning Tree,
    duplicate_library Note Tree [Samples],
    interpreter_missing Error Advised,
    interpreter_outside_store Error Elf,
    capability_missing Error Elf [DeviceCode],
    capability_impossible Warning Elf [DeviceCode],
    no_forward_ptx Note Elf [DeviceCode],
    device_code_uncompressed Note Elf [DeviceCode],
    device_code_malformed Error Elf [DeviceCode],
    text_relocations Warning Elf,
    executable_stack Warning Elf Stack,
    writable_code Warning Elf,
    host_compiler_leak Error Advised,
    soname_twice Warning Elf,
    fhs_reference Warning Text,
}
