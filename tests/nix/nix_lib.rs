//! nix/lib and the program derive the same lists from the same tables, for every CUDA version.

use crate::support::{root, succeeded};
use cuda_fixup::parts::HostCompilers;
use cuda_fixup::parts::Selection;
use cuda_fixup::parts::{Capability, CudaVersion, GpuTable};
use serde_json::{Value, json};
use std::process::Command;

/// Evaluates an expression with `lib` in scope.
fn nix(expression: &str) -> Value {
    let state = tempfile::tempdir().unwrap();
    let path = |name: &str| state.path().join(name);
    let library = root().join("nix/lib");
    let output = Command::new("nix-instantiate")
        .args(["--eval", "--strict", "--json", "--expr"])
        .arg(format!(
            "let lib = import {}; in {expression}",
            library.display()
        ))
        .env("NIX_REMOTE", "")
        .env("NIX_STORE_DIR", path("store"))
        .env("NIX_STATE_DIR", path("state"))
        .env("NIX_LOG_DIR", path("log"))
        .env("NIX_CONF_DIR", path("conf"))
        .env("HOME", state.path())
        .output()
        .unwrap();
    serde_json::from_str(&succeeded(&output)).unwrap()
}

/// All lists in this test: the defaults, each capability alone, and mixtures.
fn questions(table: &GpuTable, cuda: CudaVersion) -> Vec<Vec<Capability>> {
    let all: Vec<Capability> = table.capabilities.iter().map(|r| r.capability).collect();
    let mut questions = vec![
        Vec::new(),
        table.defaults(cuda, false),
        table.defaults(cuda, true),
        table.supported(cuda),
        all.iter()
            .rev()
            .copied()
            .chain(all.iter().copied())
            .collect(),
        ["9.0a", "8.6", "9.0", "8.6"]
            .map(|c| c.parse().unwrap())
            .to_vec(),
        ["4.2", "8.6"].map(|c| c.parse().unwrap()).to_vec(),
    ];
    questions.extend(all.into_iter().map(|capability| vec![capability]));
    questions
}

#[test]
fn every_cuda_version_has_the_same_lists() {
    let table = GpuTable::read().unwrap();
    let compilers = HostCompilers::read().unwrap();
    let versions: Vec<CudaVersion> = compilers.toolkits.iter().map(|row| row.cuda).collect();
    assert_eq!(versions.first().unwrap().to_string(), "11.8");
    assert_eq!(versions.last(), Some(&table.measured_until));
    assert_eq!(nix("lib.cudaVersions"), json!(versions));
    let mut asked = Vec::new();
    let mut expected = Vec::new();
    for &cuda in &versions {
        let row = compilers
            .toolkits
            .iter()
            .find(|row| row.cuda == cuda)
            .unwrap();
        for list in questions(table, cuda) {
            for forward in [true, false] {
                let answer = match Selection::new(table, cuda, list.clone(), forward) {
                    Ok(selection) => json!({ "selection": selection, "wrong": [] }),
                    Err(wrong) => json!({
                        "selection": null,
                        "wrong": wrong.to_string().lines().collect::<Vec<_>>(),
                    }),
                };
                asked.push(json!({ "cuda": cuda, "list": list, "forward": forward }));
                expected.push(json!({
                    "answer": answer,
                    "supported": table.supported(cuda),
                    "defaults": table.defaults(cuda, false),
                    "jetson": table.defaults(cuda, true),
                    "compilers": { "gccMax": row.gcc_max, "clangMax": row.clang_max },
                }));
            }
        }
    }
    // The patch level makes no difference: 12.4.1 is 12.4.
    let expression = format!(
        r#"map (ask:
          let
            cudaVersion = ask.cuda + ".1";
            wrong = lib.wrong {{ inherit cudaVersion; cudaCapabilities = ask.list; }};
          in {{
            answer = {{
              inherit wrong;
              selection = if wrong != [ ] then null else lib.selection {{
                inherit cudaVersion;
                cudaCapabilities = ask.list;
                cudaForwardCompat = ask.forward;
              }};
            }};
            supported = lib.supported cudaVersion;
            defaults = lib.defaults {{ inherit cudaVersion; }};
            jetson = lib.defaults {{ inherit cudaVersion; jetson = true; }};
            compilers = lib.hostCompilers cudaVersion;
          }}) (builtins.fromJSON ''{}'')"#,
        json!(asked)
    );
    let Value::Array(answers) = nix(&expression) else {
        panic!("no list");
    };
    assert_eq!(answers.len(), expected.len());
    for ((answer, expected), asked) in answers.iter().zip(&expected).zip(&asked) {
        assert_eq!(answer, expected, "{asked}");
    }
}

#[test]
fn a_list_that_cannot_be_built_for_throws_the_programs_words() {
    let thrown = nix(
        r#"builtins.tryEval (lib.selection { cudaVersion = "12.4"; cudaCapabilities = [ "12.0" ]; }).gencode"#,
    );
    assert_eq!(thrown["success"], false);
    let words = nix(r#"lib.wrong { cudaVersion = "12.4"; cudaCapabilities = [ "12.0" ]; }"#);
    let program = Command::new(crate::support::BINARY)
        .args([
            "capabilities",
            "check",
            "--cuda",
            "12.4",
            "--capabilities",
            "12.0",
        ])
        .output()
        .unwrap();
    let told = crate::support::failed(&program, 1);
    assert_eq!(told, format!("error: {}\n", words[0].as_str().unwrap()));
    // Without a list: the defaults.
    let defaults = nix(r#"(lib.selection { cudaVersion = "13.5"; }).cmakeCudaArchitectures"#);
    assert_eq!(
        defaults,
        "75-real;80-real;86-real;89-real;90-real;100-real;103-real;107-real;120-real;121"
    );
}
