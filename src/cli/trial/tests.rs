use super::output::Kept;

#[test]
fn what_is_printed_is_kept_at_both_ends() {
    let mut kept = Kept::default();
    kept.take(b"first line\n");
    for number in 0..100_000 {
        kept.take(format!("line {number}\n").as_bytes());
    }
    let text = kept.text();
    assert!(text.starts_with("first line\nline 0\n") && text.ends_with("\nline 99999\n"), "{text}");
    assert!(text.len() < 80 * 1024 && text.contains(" bytes left out]\n"), "{}", text.len());
    let counted: u64 =
        text.split(['[', ' ']).find_map(|word| word.parse().ok().filter(|count| *count > 100_000)).unwrap();
    assert!((900_000..1_200_000).contains(&counted), "{counted}");
}

#[test]
fn nothing_that_is_printed_steers_a_terminal_or_looks_like_a_credential() {
    let mut kept = Kept::default();
    kept.take(b"\x1b[31mred\x1b[0m \x1b]0;title\x07 a\rb sk-ant-oat01-AAAABBBBCCCC \xff\n\n::error::no\n");
    let text = kept.text();
    assert!(!text.contains('\u{1b}') && !text.contains('\r') && !text.contains("AAAABBBB"), "{text:?}");
    assert!(text.contains("red") && text.ends_with("\n\n::error::no\n"), "{text:?}");
}
