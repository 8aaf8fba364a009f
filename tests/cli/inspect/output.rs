//! Output for people and programs: formats, flags, exit codes.

use super::compare::text;
use super::workshop::{BINARY, Workshop};
use std::fs;
use std::process::Command;

fn stdout(output: std::process::Output) -> String {
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_miss_lists_the_places_in_order_and_why_each_failed() {
    let shop = Workshop::new();
    shop.lib("lib/libgone.so", &[]);
    let rpath = "-Wl,-rpath,/usr/local/cuda-99/lib64/stubs:$ORIGIN/lib::$ORIGIN/lib";
    shop.exe("exe", &["-Llib", "-lgone", rpath]);
    fs::remove_file(shop.at("lib/libgone.so")).unwrap();
    let text = stdout(shop.inspect(&["exe"]));
    let lib = shop.at("lib");
    let expected = format!(
        "exe: PIE, x86-64
  interpreter /lib64/ld-linux-x86-64.so.2 (glibc 2.XX)
  RUNPATH
    /usr/local/cuda-99/lib64/stubs  no such directory, stubs, provides nothing
    $ORIGIN/lib = {lib}  provides nothing
    (empty)  empty: the current directory, provides nothing
    $ORIGIN/lib = {lib}  duplicate, provides nothing
  needed
    libgone.so => not found
      1. RUNPATH /usr/local/cuda-99/lib64/stubs: no such directory
      2. RUNPATH {lib}/libgone.so: no such file
      3. RUNPATH libgone.so: no such file
      4. ld.so.cache /etc/ld.so.cache: no entry of that name
      5. default directory ",
        lib = lib.display()
    );
    let release = text
        .split("glibc ")
        .nth(1)
        .unwrap()
        .split(')')
        .next()
        .unwrap();
    let expected = expected.replace("2.XX", release);
    assert!(text.starts_with(&expected), "{text}\n---\n{expected}");
}

#[test]
fn headers_alone_are_what_the_whole_report_begins_with() {
    let shop = Workshop::new();
    shop.lib("libz1.so", &[]);
    let exe = shop.exe("exe", &["-L.", "-lz1", "-Wl,-rpath,$ORIGIN:/nowhere"]);
    let whole = shop.json(&exe, &[]);
    let headers = shop.json(&exe, &["--headers"]);
    for key in ["schema", "path", "kind", "machine", "interpreter", "soname"] {
        assert_eq!(headers[key], whole[key], "{key}");
    }
    for (list, key) in [("runpath", "entry"), ("rpath", "entry"), ("needed", "name")] {
        let of = |json: &serde_json::Value| -> Vec<serde_json::Value> {
            let items = json[list].as_array().unwrap();
            items.iter().map(|item| item[key].clone()).collect()
        };
        assert_eq!(of(&headers), of(&whole), "{list}");
    }
    assert_eq!(
        stdout(shop.inspect(&["--headers", "exe"])),
        "exe: PIE, x86-64\n  interpreter /lib64/ld-linux-x86-64.so.2\n  RUNPATH $ORIGIN\n  \
         RUNPATH /nowhere\n  needed libz1.so\n  needed libc.so.6\n"
    );
    assert!(
        !shop
            .inspect(&["--headers", "--tree", "exe"])
            .status
            .success()
    );
}

#[test]
fn why_tells_the_way_to_a_library() {
    let shop = Workshop::new();
    shop.lib("libz1.so", &[]);
    shop.lib("liby1.so", &["-L.", "-lz1", "-Wl,-rpath,$ORIGIN"]);
    shop.lib("libx1.so", &["-L.", "-ly1", "-Wl,-rpath,$ORIGIN"]);
    shop.exe("exe", &["-L.", "-lx1", "-Wl,-rpath,$ORIGIN"]);
    let text = stdout(shop.inspect(&["--why", "libz1.so", "exe"]));
    let dir = shop.path.display();
    assert_eq!(
        text,
        format!(
            "exe
  needs {dir}/libx1.so (RUNPATH)
  needs {dir}/liby1.so (RUNPATH)
  needs libz1.so => {dir}/libz1.so (RUNPATH)
"
        )
    );
    // What it may open by itself, and where that was looked for.
    let source = "const char *plugin = \"libplugin.so\"; int main(void) { return 0; }";
    shop.cc("gcc", "host", source, &["-Wl,-rpath,$ORIGIN/p:/nowhere"]);
    let text = stdout(shop.inspect(&["--why", "libplugin.so", "host"]));
    let expected = format!(
        "host
  may open libplugin.so with dlopen (a string in it) => would not be found
    1. RUNPATH {dir}/p: no such directory
    2. RUNPATH /nowhere: no such directory
"
    );
    assert!(text.starts_with(&expected), "{text}");
    assert!(text.contains("no entry of that name"), "{text}");
    shop.lib("p/libplugin.so", &[]);
    let text = stdout(shop.inspect(&["--why", "libplugin.so", "host"]));
    let expected = format!(
        "host
  may open libplugin.so with dlopen (a string in it) => {dir}/p/libplugin.so (RUNPATH)
"
    );
    assert_eq!(text, expected);
    let none = shop.inspect(&["--why", "libother.so", "exe"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(none.stdout.is_empty());
}

#[test]
fn exit_codes_tell_misses_from_errors() {
    let shop = Workshop::new();
    shop.lib("libgone.so", &[]);
    shop.exe("bad", &["-L.", "-lgone"]);
    shop.exe("good", &[]);
    fs::remove_file(shop.at("libgone.so")).unwrap();
    shop.write("text", "no ELF");
    shop.write("cut", b"\x7fELF\x02\x01\x01");
    let code = |args: &[&str]| shop.inspect(args).status.code().unwrap();
    assert_eq!(code(&["good"]), 0);
    assert_eq!(code(&["good", "bad"]), 1);
    assert_eq!(code(&["--tree", "bad"]), 1);
    assert_eq!(code(&["--json", "bad"]), 1);
    assert_eq!(code(&["--headers", "bad"]), 0);
    assert_eq!(code(&["--why", "libgone.so", "bad"]), 0);
    assert_eq!(code(&["--check", "good"]), 0);
    assert_eq!(code(&["--check", "good", "bad"]), 1);
    assert_eq!(code(&["good", "text"]), 2);
    assert_eq!(code(&["good", "nowhere"]), 2);
    assert_eq!(code(&["--check", "bad", "cut"]), 2);
    assert_eq!(code(&["--tree", "--json", "good"]), 2);
    let output = shop.inspect(&["--check", "bad", "good", "nowhere"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.starts_with("error: nowhere: cannot be read"), "{told}");
    assert!(stdout(shop.inspect(&["--check", "good"])).is_empty());
}

#[test]
fn a_tree_is_searched_and_what_is_no_program_is_counted() {
    let shop = Workshop::new();
    shop.lib("t/lib/libx.so", &[]);
    shop.exe(
        "t/bin/exe",
        &["-Lt/lib", "-lx", "-Wl,-rpath,$ORIGIN/../lib"],
    );
    shop.write("t/readme", "text");
    shop.write("t/empty", "");
    shop.cc("gcc", "t/x.o", "int x;", &["-c"]);
    shop.cc(
        "gcc",
        "t/static",
        "int main(void) { return 0; }",
        &["-static"],
    );
    let text = stdout(shop.inspect(&["--json", "t"]));
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|l| crate::support::schema::parsed(l))
        .collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["path"], "t/bin/exe");
    assert_eq!(lines[1]["path"], "t/lib/libx.so");
    let summary = &lines[2]["summary"];
    assert_eq!(summary["files"], 2);
    for (what, n) in [
        ("not_elf", 1),
        ("empty", 1),
        ("object_file", 1),
        ("static", 1),
    ] {
        assert_eq!(summary["skipped"][what], n, "{summary}");
    }
    for line in &lines {
        assert_eq!(line["schema"], "cuda-fixup.inspect/1");
    }
    // Named files are reported with their kind.
    let text = stdout(shop.inspect(&["t/static", "t/x.o"]));
    assert!(
        text.starts_with("t/static: static executable, x86-64\n"),
        "{text}"
    );
    assert!(text.contains("t/x.o: object file"), "{text}");
}

#[test]
fn the_keys_that_readers_rely_on() {
    let shop = Workshop::new();
    let exe = shop.exe("exe", &["-lm", "-Wl,-rpath,/nowhere"]);
    let json = shop.json(&exe, &[]);
    for key in [
        "schema",
        "path",
        "kind",
        "machine",
        "interpreter",
        "soname",
        "runpath",
        "rpath",
        "needed",
        "dlopen",
    ] {
        assert!(json.get(key).is_some(), "{key}");
    }
    for key in ["name", "resolved", "via", "considered"] {
        assert!(json["needed"][0].get(key).is_some(), "{key}");
    }
    assert_eq!(json["kind"], "PIE");
    assert_eq!(json["machine"], "x86-64");
    assert_eq!(text(&json["runpath"][0]["entry"]), "/nowhere");
    assert_eq!(json["runpath"][0]["exists"], false);
}

/// A renamed CUDA runtime is one, and its linkage comes before the evidence for it.
#[test]
fn the_cuda_runtime_of_a_file() {
    let shop = Workshop::new();
    let renamed = "libcudart-53d54daa.so.12.6.68";
    shop.lib(&format!("lib/{renamed}"), &[]);
    shop.exe("exe", &[&format!("lib/{renamed}")]);
    let output = shop.inspect(&["--json", "exe"]);
    let line = String::from_utf8(output.stdout).unwrap();
    let cudart = format!(
        r#""cudart":{{"linkage":"shared","version":"12.6","needed":"{renamed}","evidence":["#
    );
    assert!(line.contains(&cudart), "{line}");
}

#[test]
fn libraries_that_a_file_may_dlopen() {
    let shop = Workshop::new();
    shop.lib("lib/libplugin.so.1", &[]);
    let source = r#"
        const char *const name = "libplugin.so.1";
        const char *const other = "libnowhere.so.7";
        __attribute__((section(".note.dlopen"), used, aligned(4)))
        static const struct { int owner, size, type; char name[4], text[88]; } note = {
            4, 88, 0x407c0c0a, "FDO",
            "[{\"soname\":[\"libnone.so.9\",\"libm.so.6\"],\"feature\":\"sums\",\"priority\":\"suggested\"}]",
        };
        int main(void) { return name == other; }"#;
    shop.cc("gcc", "exe", source, &["-Wl,-rpath,$ORIGIN/lib"]);
    let exe = shop.at("exe");
    let json = shop.json(&exe, &[]);
    let note = &json["dlopen"][0];
    assert_eq!(note["source"], "note");
    assert_eq!(note["feature"], "sums");
    assert_eq!(note["found"], "libm.so.6");
    assert_eq!(note["names"][0], "libnone.so.9");
    let names: Vec<String> = json["dlopen"]
        .as_array()
        .unwrap()
        .iter()
        .skip(1)
        .map(|c| text(&c["names"][0]))
        .collect();
    assert_eq!(names, ["libnowhere.so.7", "libplugin.so.1"]);
    assert!(json["dlopen"][1]["resolved"].is_null());
    assert_eq!(json["dlopen"][2]["via"], "runpath");
    assert_eq!(json["runpath"][0]["provides_dlopen"][0], "libplugin.so.1");
    // A miss of these keeps nothing from loading.
    assert_eq!(json["loads"], true);
    let count = |mode: &str, path: &str| {
        let output = shop.inspect(&["--json", "--dlopen", mode, path]);
        let line = stdout(output).lines().next().unwrap().to_owned();
        let json: serde_json::Value = crate::support::schema::parsed(&line);
        json["dlopen"].as_array().unwrap().len()
    };
    fs::create_dir(shop.at("tree")).unwrap();
    fs::copy(&exe, shop.at("tree/exe")).unwrap();
    assert_eq!(count("off", "exe"), 0);
    assert_eq!(count("notes", "exe"), 1);
    assert_eq!(count("auto", "tree"), 1);
    assert_eq!(count("all", "tree"), 3);
}

#[test]
fn a_root_directory_is_a_world_of_its_own() {
    let shop = Workshop::new();
    shop.lib("root/opt/lib/libx.so", &[]);
    shop.exe(
        "root/opt/bin/exe",
        &["-Lroot/opt/lib", "-lx", "-lm", "-Wl,-rpath,$ORIGIN/../lib"],
    );
    let plain = shop.json(&shop.at("root/opt/bin/exe"), &[]);
    for name in ["libm.so.6", "libc.so.6"] {
        let from = text(&super::compare::need(&plain, name)["resolved"]);
        fs::create_dir_all(shop.at("root/usr/lib/x86_64-linux-gnu")).unwrap();
        fs::copy(from, shop.at("root/usr/lib/x86_64-linux-gnu").join(name)).unwrap();
    }
    // Absolute links lead back into the root.
    std::os::unix::fs::symlink("/usr/lib", shop.at("root/lib")).unwrap();
    std::os::unix::fs::symlink("/usr/lib64", shop.at("root/lib64")).unwrap();
    fs::create_dir_all(shop.at("root/usr/lib64")).unwrap();
    fs::copy(
        "/lib64/ld-linux-x86-64.so.2",
        shop.at("root/usr/lib64/ld-linux-x86-64.so.2"),
    )
    .unwrap();
    let json = shop.json(&shop.at("root/opt/bin/exe"), &["--root", "root"]);
    assert_eq!(json["loads"], true, "{json:#}");
    let resolved = |name| text(&super::compare::need(&json, name)["resolved"]);
    assert_eq!(resolved("libx.so"), "/opt/bin/../lib/libx.so");
    assert_eq!(resolved("libm.so.6"), "/lib/x86_64-linux-gnu/libm.so.6");
    assert_eq!(super::compare::via(&json, "libm.so.6"), "default");
    // With a cache, as ldconfig writes it for that root.
    fs::create_dir_all(shop.at("root/etc")).unwrap();
    let ldconfig = Command::new("/sbin/ldconfig")
        .arg("-r")
        .arg(shop.at("root"))
        .output()
        .unwrap();
    assert!(ldconfig.status.success(), "{ldconfig:?}");
    let json = shop.json(&shop.at("root/opt/bin/exe"), &["--root", "root"]);
    assert_eq!(super::compare::via(&json, "libm.so.6"), "ld.so.cache");
    let outside = shop.inspect(&["--root", "root", BINARY]);
    assert_eq!(outside.status.code(), Some(2));
}
