//! What may be asked for. What becomes of a token: `tests/it/personal_tokens.rs`.

use super::*;

fn codes(name: &str, scopes: &[&str], expires_in_days: i64, is_admin: bool) -> Vec<(&'static str, &'static str)> {
    let faults = Draft::check(name, scopes, expires_in_days, is_admin).err().unwrap_or_default();
    assert!(faults.iter().all(|fault| fault.message.ends_with('.')), "{faults:?}");
    faults.iter().map(|fault| (fault.field, fault.code)).collect()
}

#[test]
fn all_faults_are_told_at_once() {
    let all = [("name", "required"), ("scopes", "required"), ("expires_in_days", "out_of_range")];
    assert_eq!(codes(" \u{a0}", &[], 0, true), all);
    assert_eq!(codes("x", &["read"], 1, false), []);
}

#[test]
fn a_name_is_under_the_same_rules_as_a_persons() {
    let name = |typed: &str| Draft::check(typed, &["read"], 1, false).map(|draft| draft.name).ok();
    assert_eq!(name(" Cafe\u{301} <b>\t").as_deref(), Some("Caf\u{e9} <b>"));
    assert_eq!(codes("two\nlines", &["read"], 1, false), [("name", "control_character")]);
}

#[test]
fn scopes_are_a_set_and_admin_is_for_administrators() {
    let printed = |scopes: &[&str]| Draft::check("x", scopes, 1, true).map(|draft| draft.scopes.to_string()).ok();
    assert_eq!(printed(&["admin", "read", "write", "read"]).as_deref(), Some("read write admin"));
    assert_eq!(printed(&["write"]).as_deref(), Some("write"));
    for unknown in ["", "Read", "read write", "owner"] {
        assert_eq!(codes("x", &["read", unknown], 1, true), [("scopes", "not_allowed")], "{unknown:?}");
    }
    assert_eq!(codes("x", &["admin"], 1, false), [("scopes", "not_allowed")]);
    let scopes = Scopes::of(&[Scope::Write]).expect("one");
    assert!(scopes.contains(Scope::Write) && !scopes.contains(Scope::Read) && !scopes.contains(Scope::Admin));
}

#[test]
fn stored_scopes_are_read_back_without_those_of_newer_versions() {
    for scopes in [&[Scope::Read][..], &[Scope::Write, Scope::Admin], Scope::ALL] {
        let scopes = Scopes::of(scopes).expect("some");
        assert_eq!(Scopes::stored(&scopes.to_string()), Some(scopes));
    }
    assert_eq!(Scopes::stored("later read"), Scopes::of(&[Scope::Read]));
    assert_eq!(Scopes::stored("later"), None);
    assert_eq!(Scopes::stored(""), None);
}

#[test]
fn a_token_ends_within_a_year() {
    for days in [1, 2, 364, 365] {
        assert_eq!(codes("x", &["read"], days, false), [], "{days}");
    }
    for days in [i64::MIN, -1, 0, 366, i64::MAX] {
        assert_eq!(codes("x", &["read"], days, false), [("expires_in_days", "out_of_range")], "{days}");
    }
}

#[test]
fn other_tokens_are_told_apart_by_the_prefix() {
    assert!(PersonalTokens::is_one("hpt_") && PersonalTokens::is_one(&format!("{PREFIX}{}", random_text::<32>())));
    for other in ["", "hpt", "HPT_x", " hpt_x", "eyJhbGciOiJFZERTQSJ9.e30.x"] {
        assert!(!PersonalTokens::is_one(other), "{other:?}");
    }
    assert_eq!(TOKEN_LENGTH, 47);
}
