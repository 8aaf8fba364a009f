//! Symbols that nothing has, compared with programs that run and with `ldd -r`.

use super::workshop::Workshop;
use std::process::Command;

/// What `ldd -r` calls undefined.
fn undefined(shop: &Workshop, file: &str) -> bool {
    let run = Command::new("ldd")
        .current_dir(&shop.path)
        .arg("-r")
        .arg(file)
        .output()
        .unwrap();
    [run.stdout, run.stderr]
        .concat()
        .windows(16)
        .any(|w| w == b"undefined symbol")
}

/// Whether a program starts, and inspect's answer, which must be the same.
fn starts(shop: &Workshop, file: &str) -> bool {
    let run = Command::new(shop.at(file))
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .unwrap();
    let json = shop.json(&shop.at(file), &[]);
    assert_eq!(json["loads"], run.status.success(), "{run:?}");
    run.status.success()
}

#[test]
fn a_symbol_that_went_away_stops_a_program_that_binds_now() {
    let both = "int kept(void) { return 0; } int gone(void) { return 0; } int data = 1;";
    let less = "int kept(void) { return 0; } int data = 1;";
    let main =
        "int kept(void), gone(void); int main(int c, char **v) { return c > 1 ? gone() : kept(); }";
    let shared = ["-shared", "-fPIC", "-Wl,-soname,libx.so"];
    for (bind, ends) in [("-Wl,-z,now", false), ("-Wl,-z,lazy", true)] {
        let shop = Workshop::new();
        shop.cc("gcc", "libx.so", both, &shared);
        shop.cc(
            "gcc",
            "app",
            main,
            &["-L.", "-lx", "-Wl,-rpath,$ORIGIN", bind],
        );
        assert!(starts(&shop, "app") && !undefined(&shop, "./app"));
        shop.cc("gcc", "libx.so", less, &shared);
        assert_eq!(starts(&shop, "app"), ends, "{bind}");
        assert!(undefined(&shop, "./app"));
        let told = String::from_utf8(shop.inspect(&["app"]).stdout).unwrap();
        assert!(told.contains("gone"), "{told}");
    }
    // A pointer to it is no lazy call.
    let shop = Workshop::new();
    shop.cc("gcc", "libx.so", both, &shared);
    let pointer = "int gone(void); int (*p)(void) = gone; int main(void) { return p == 0; }";
    shop.cc(
        "gcc",
        "app",
        pointer,
        &["-L.", "-lx", "-Wl,-rpath,$ORIGIN", "-Wl,-z,lazy"],
    );
    assert!(starts(&shop, "app"));
    shop.cc("gcc", "libx.so", less, &shared);
    assert!(!starts(&shop, "app"));
    // A weak one may be missing.
    let weak = "int gone(void) __attribute__((weak)); int main(void) { return gone ? gone() : 0; }";
    shop.cc(
        "gcc",
        "app",
        weak,
        &["-L.", "-lx", "-Wl,-rpath,$ORIGIN", "-Wl,-z,now"],
    );
    assert!(starts(&shop, "app"));
}
