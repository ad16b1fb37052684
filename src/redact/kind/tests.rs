use super::*;

#[test]
fn kinds_by_prefix() {
    for (text, kind, prefix) in [
        ("sk-ant-oat01-FAKE", Kind::OauthAccess, Some("oat01")),
        ("sk-ant-ort01-FAKE", Kind::OauthRefresh, Some("ort01")),
        ("sk-ant-api03-FAKE", Kind::ApiKey, Some("api03")),
        ("sk-ant-admin01-FAKE", Kind::AdminKey, Some("admin01")),
        ("sk-ant-sid02-FAKE", Kind::SessionCookie, Some("sid02")),
        ("sk-ant-api99-FAKE", Kind::ApiKey, Some("api99")),
        ("sk-ant-FAKE", Kind::Unknown, None),
        ("ghp_FAKE", Kind::GithubToken, Some("ghp")),
        ("github_pat_FAKE", Kind::GithubToken, Some("github_pat")),
        ("AKIAFAKEFAKEFAKEFAKE", Kind::AwsAccessKey, Some("AKIA")),
        ("AKIA", Kind::Unknown, None),
        ("AIzaFAKE", Kind::GoogleKey, Some("AIza")),
        ("ABSKFAKE", Kind::BedrockKey, Some("ABSK")),
        ("eyFAKEFAKE.eyFAKEFAKE.FAKE", Kind::Jwt, None),
        ("FAKE", Kind::Unknown, None),
    ] {
        let (got, shown, _) = classify(text.as_bytes());
        assert_eq!((got, shown.as_ref().map(Redacted::as_str)), (kind, prefix), "{text}");
    }
}

#[test]
fn flags_by_shape() {
    let token = format!("sk-ant-oat01-FAKE{}", "a".repeat(91));
    let flags = |raw: &str, place| {
        let (core, mut flags) = strip(raw.as_bytes());
        inspect(core, classify(core).0, place, &mut flags);
        flags
    };
    assert_eq!(flags(&token, Place::Bearer), []);
    assert_eq!(flags(&token, Place::ApiKey), [Flag::WrongKindForHeader]);
    assert_eq!(flags(&format!("\"{token}\""), Place::Bearer), [Flag::Quoted]);
    assert_eq!(flags(&format!(" {token}"), Place::Bearer), [Flag::LeadingSpace]);
    assert_eq!(flags(&format!("{token}\n"), Place::Bearer), [Flag::TrailingNewline]);
    assert_eq!(flags(&format!("Bearer {token}"), Place::Bearer), [Flag::DoubleBearer]);
    assert_eq!(flags(&format!("{token} b"), Place::Bearer), [Flag::InnerSpace]);
    assert_eq!(flags(&format!("{token}é"), Place::Bearer), [Flag::NonAscii]);
    assert_eq!(flags("", Place::Bearer), [Flag::Empty]);
    assert_eq!(flags("sk-ant-oat01-FAKE", Place::Bearer), [Flag::TruncatedLooking]);
    assert_eq!(flags("FAKEFAKEFAKE...", Place::Bearer), [Flag::TruncatedLooking]);
    for text in ["your-api-key", "xxx", "dummy", "${ANTHROPIC_API_KEY}", "undefined", "null"] {
        assert_eq!(flags(text, Place::Bearer), [Flag::Placeholder], "{text}");
    }
    for text in ["sk-ant-oat01-proxy-managed", "placeholder-for-credential-isolation", "vm0_live_FAKE0123456789"] {
        assert_eq!(flags(text, Place::Bearer), [Flag::Substitute], "{text}");
    }
    let pasted = token.replacen("FAKE", "FA#E", 1);
    assert_eq!(flags(&pasted, Place::Bearer), [Flag::OddCharacter]);
}

#[test]
fn display_and_serde_round_trip() {
    let fp = Fingerprint::parse("3f9c21ab").unwrap();
    let known = Credential {
        kind: Kind::OauthAccess,
        len: Length::Exact(108),
        fp,
        flags: vec![Flag::Quoted],
        prefix: Some(Redacted::literal("oat01")),
    };
    let unknown = Credential { kind: Kind::Unknown, len: Length::bucket(33), fp, flags: vec![], prefix: None };
    assert_eq!(known.to_string(), "‹oat01 len=108 fp=3f9c21ab›");
    assert_eq!(unknown.to_string(), "‹unknown len≤64 fp=3f9c21ab›");
    for credential in [known, unknown] {
        let json = serde_json::to_string(&credential).unwrap();
        assert_eq!(serde_json::from_str::<Credential>(&json).unwrap(), credential);
        let again = reread(credential.to_string().as_bytes()).unwrap();
        assert_eq!((again.kind, again.len, again.fp), (credential.kind, credential.len, credential.fp));
    }
    for bad in [
        r#"{"kind":"oauth-access","len":108,"fp":"3f9c21ab","prefix":"hunter2FAKE"}"#,
        r#"{"kind":"api-key","len":108,"fp":"3f9c21ab","prefix":"oat01"}"#,
        r#"{"kind":"unknown","len":"≤63","fp":"3f9c21ab"}"#,
        r#"{"kind":"unknown","len":"≤64","fp":"hunter2FAKE"}"#,
    ] {
        assert!(serde_json::from_str::<Credential>(bad).is_err(), "{bad}");
    }
}
