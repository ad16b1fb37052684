//! Misuse of the redaction types must not compile, and for the right reason.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The error codes that `rustc` gives for a function body with the room's types in scope.
fn error_codes(body: &str) -> Vec<String> {
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_path_buf();
    let scratch = tempfile::tempdir().unwrap();
    let source = scratch.path().join("snippet.rs");
    let text = format!(
        "use authtrace::redact::{{Redacted, Secret}};\npub fn snippet(secret: Secret, text: Redacted) {{\n    {body}\n    drop((secret, text));\n}}\n"
    );
    std::fs::write(&source, text).unwrap();
    let serde = newest(&deps, "libserde-");
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition", "2024", "--error-format=json", "--emit=metadata", "--crate-type=lib", "--cap-lints=allow"])
        .arg("--extern")
        .arg(format!("authtrace={}", newest(&deps, "libauthtrace-").display()))
        .arg("--extern")
        .arg(format!("serde={}", serde.display()))
        .arg("-L")
        .arg(format!("dependency={}", deps.display()))
        .arg("--out-dir")
        .arg(scratch.path())
        .arg(&source)
        .output()
        .unwrap();
    let errors: Vec<String> = String::from_utf8_lossy(&output.stderr)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["level"] == "error")
        .filter(|message| !message["message"].as_str().unwrap_or_default().starts_with("aborting"))
        .map(|message| message["code"]["code"].as_str().unwrap_or("none").to_owned())
        .collect();
    assert_eq!(errors.is_empty(), output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    errors
}

/// The newest library of that name in the test binary's own folder: the one it was linked with.
fn newest(deps: &Path, start: &str) -> PathBuf {
    let mut found: Vec<_> = std::fs::read_dir(deps)
        .unwrap()
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start))
                && path.extension().is_some_and(|e| e == "rlib")
        })
        .map(|path| (std::fs::metadata(&path).unwrap().modified().unwrap(), path))
        .collect();
    found.sort();
    found.pop().expect("a dependency of the library").1
}

#[test]
fn correct_use_compiles() {
    for body in [
        "let _ = (text.to_string(), format!(\"{text:?}\"), text.clone(), text.as_str().len());",
        "let _ = Redacted::literal(\"ours\"); let _ = Secret::new(vec![1]);",
        "fn wants<T: serde::Serialize>(_: &T) {} wants(&text);",
    ] {
        assert_eq!(error_codes(body), Vec::<String>::new(), "{body}");
    }
}

#[test]
fn a_secret_shows_itself_to_nobody() {
    for (body, code) in [
        ("let _ = format!(\"{secret:?}\");", "E0277"),
        ("let _ = format!(\"{secret}\");", "E0277"),
        ("let _ = secret.to_string();", "E0599"),
        ("let _ = secret.clone();", "E0599"),
        ("let _ = *secret;", "E0614"),
        ("let _: &[u8] = &secret;", "E0308"),
        ("let _ = secret == Secret::new(vec![1]);", "E0369"),
        ("fn wants<T: serde::Serialize>(_: &T) {} wants(&secret);", "E0277"),
        ("fn wants<T: AsRef<[u8]>>(_: &T) {} wants(&secret);", "E0277"),
        ("let _ = secret.expose();", "E0624"),
        ("let _ = &secret.0;", "E0616"),
    ] {
        assert_eq!(error_codes(body), [code], "{body}");
    }
}

#[test]
fn redacted_text_is_made_by_the_redactor_alone() {
    for (body, code) in [
        ("let _: Redacted = String::new().into();", "E0277"),
        ("let _ = Redacted::from(String::new());", "E0308"),
        ("let _: Redacted = String::new();", "E0308"),
        ("let _ = Redacted::literal(&String::new());", "E0716"),
        ("let _ = Redacted::vouched(\"\");", "E0624"),
        ("fn wants<T: serde::de::DeserializeOwned>() {} wants::<Redacted>();", "E0277"),
        ("let _: Redacted = \"x\".parse().unwrap();", "E0277"),
    ] {
        assert_eq!(error_codes(body), [code], "{body}");
    }
}
