//! Hashes that other systems made of [`PASSWORD`] themselves, at costs that are cheap to check: Django 5.2, Werkzeug
//! 3.1, passlib 1.7.4, argon2-cffi 25.1, bcrypt 5.0 (where it says so, 4.0.1), @phc/pbkdf2 1.1, and libxcrypt by Perl's
//! `crypt`, whose bcrypt is the code that PHP has.

use super::*;

const PASSWORD: &str = "kühle Quitten am Morgen";

const HASHES: [(&str, &str); 28] = [
    ("Django", "pbkdf2_sha256$1000$wxoCbIHOLHOirfxbe68dE2$zNPL2dTKDjvZyJah4n1m1XNL6xjcMBIhtIhttptzd98="),
    ("Django", "pbkdf2_sha1$1000$a7iRpjFsv51gYb13mlE1Ca$KUu8Ak70qThY9t9ILoML3iWBJZc="),
    (
        "Django",
        "argon2$argon2id$v=19$m=64,t=2,p=2$MjZOQXdJZFc0MlBUM3RnVHlxRklrNg$faAXX7GRk3uBg+/tczzC7sZcq0qrnu1bXagdReUloQk",
    ),
    ("Django", "bcrypt_sha256$$2b$04$CPcKiWMLVpM/DTNII3Go7uMsdVmN.oFQGeZYgD2UvHfCXvSl3BUK6"),
    ("Django", "bcrypt$$2b$04$PU9w3zjRisXtY5RDkUz/LOrmHVBBsD8Pk/Sr7fFrJY2fYTnzrbsLC"),
    (
        "Django",
        "scrypt$16$l3NIT2cCN2VQRdjSBesOfv$8$5$yhywwSma8uEqtKpdkXoTlqfDL9TbF+E4UrBvQJEvJpAzW1YVj4CaHTUckuo6Jz5SWcNDUtTmihY6kR+gjQ+Bmg==",
    ),
    (
        "Werkzeug",
        "scrypt:1024:8:1$8iJT705vUCfxSWq8$1cc28b6352b092ba6d54d3e9b06a23f72784a32a28a283aa537035b62d26baab4b9d8210a989bbf93851df83d89c9108cba88cea79471326147beb6c031c95c7",
    ),
    (
        "Werkzeug",
        "pbkdf2:sha256:1000$rq4defH2DmyQkZ5E$c28fcc81b75e3b3ec75fff27788b2fd2697b551d313bed999afe12a67a41b624",
    ),
    ("Werkzeug", "pbkdf2:sha1:1000$0YqfIUovDBa0DlAL$4e80c56deb7b77b112a5c0b80100666fd5d48e0b"),
    (
        "Werkzeug",
        "pbkdf2:sha512:1000$ZbXv31dlKyvviH5N$8051034bd4fa96206f63f330c74d25c200d85767180e24eaf46e9934f4c6c87e38d9a982b707e21c28a79cb672d89853380496a17fbbe700d7e6213f866f8ab9",
    ),
    ("argon2-cffi", "$argon2id$v=19$m=32,t=1,p=1$c2l4dGVlbiBieXRlcyBvaw$eo79N+smmHxhcpRnIZBwwhaLxN1AQMzE6yjtMNjPogE"),
    ("argon2-cffi", "$argon2i$v=19$m=32,t=1,p=1$c2l4dGVlbiBieXRlcyBvaw$7ieOURPOyNMGzKXUuRR03Kz9+49t9lqh1QitNxMr9J8"),
    ("argon2-cffi", "$argon2d$v=19$m=32,t=1,p=1$c2l4dGVlbiBieXRlcyBvaw$i1HayduLJ4Wk+p/qFbrNYyCNQg7iba1td8huyq4tJKU"),
    ("argon2-cffi", "$argon2i$v=16$m=32,t=1,p=1$c2l4dGVlbiBieXRlcyBvaw$SOBvWWvh5jcLKNnmElLMfw"),
    ("argon2-cffi, as before version 1.3", "$argon2i$m=32,t=1,p=1$c2l4dGVlbiBieXRlcyBvaw$SOBvWWvh5jcLKNnmElLMfw"),
    ("bcrypt", "$2b$04$NSIFf2DR9j3i0e3qPC2eO.gOoBirIq9B.uTKeE44mseSOef3hiIrS"),
    ("bcrypt", "$2a$04$bXHwVIfBWOPgrSGYpH5bk.FupvO0ac.X0upBiFcFDnzSh6MLNDjei"),
    ("libxcrypt", "$2y$04$abcdefghijklmnopqrstuuXxIovHyFkqHZrmG70O5IIb1AvNf4Hoi"),
    ("passlib", "$pbkdf2$1000$/n.vVSrF.L/X.h9jbK2V8g$czH14TPl.uM5Kn/J0UC0jwo0Ens"),
    ("passlib", "$pbkdf2-sha256$1000$CiEkJOS813pvLSUEIERoDQ$Bg1sPxo1FIgLqT84Rv.wQZwDjN.p9.WiFghb/aKBTA4"),
    (
        "passlib",
        "$pbkdf2-sha512$1000$ylnrHUPo3bv3vpdSKoVwDg$TwFXjhhyUATLyuBfz2ZlYkoPSMc9kZVCfq6e7upW1NLVSBcw.Xjbis2EWqj3xmKQuaJHhC2isO2cPiKpoT/pJA",
    ),
    ("passlib", "$scrypt$ln=4,r=8,p=1$o3TuXQuhdM65l/LeOyeklA$qGsEPAGTJ+b9Hh4T2AYLdrj0EYx8ahxIV9dLzOf4o1w"),
    ("passlib, bcrypt 4.0.1", "$bcrypt-sha256$2b,4$6uePk2bfkZ6JW.zs/P0FWO$N4WdQA9f47HCT4uK87QCQlXwfNjiET6"),
    ("passlib, bcrypt 4.0.1", "$bcrypt-sha256$v=2,t=2b,r=4$cojnyQ3Ih6gwHHvVycxnK.$FFqtuGxEDLyx9TwX5pW93Pu4Uq/LH3O"),
    ("@phc/pbkdf2", "$pbkdf2-sha1$i=1000$zczjNPvfDRl3ca9AtuM9gA$XRq6fn4wni2GmHKbVl7B0fWhRjk"),
    ("@phc/pbkdf2", "$pbkdf2-sha256$i=1000$uGGaYAvltQ3NnDw+vp1ZDg$VyTfVk/UDdnom31bK3PWhwNh9xQ+Qn9ks+IWdqE4Low"),
    (
        "@phc/pbkdf2",
        "$pbkdf2-sha512$i=1000$4vQXMUujlobMGkLSNkcYqg$kPXEbqcDuSViRmpBDiBY5T5d4BfjRzkSeW0v0johfPX4VjH4Wb6DQkL/4jlvrvHnGbWgpgFPCvPC3J/QAD1qkg",
    ),
    (
        "@phc/pbkdf2, with the length that RustCrypto writes",
        "$pbkdf2-sha256$i=1000,l=32$uGGaYAvltQ3NnDw+vp1ZDg$VyTfVk/UDdnom31bK3PWhwNh9xQ+Qn9ks+IWdqE4Low",
    ),
];

const RIGHT: Result<Verdict, PasswordError> = Ok(Verdict::Right { rehash: true });
const WRONG: Result<Verdict, PasswordError> = Ok(Verdict::Wrong);

/// With what the hasher does for Argon2, at costs that no site has: each is to be hashed anew.
fn verify(typed: &str, stored: &str) -> Result<Verdict, PasswordError> {
    use ::argon2::PasswordVerifier;
    use ::argon2::password_hash::phc::PasswordHash;
    Candidates::of(typed).verify(stored, |candidate, phc| {
        let hash = PasswordHash::new(phc).map_err(|_| PasswordError::Failed)?;
        match ::argon2::Argon2::default().verify_password(candidate.as_bytes(), &hash) {
            Ok(()) => RIGHT,
            Err(_) => WRONG,
        }
    })
}

#[test]
fn hashes_of_other_systems_are_right_for_their_password_alone() {
    for (system, hash) in HASHES {
        assert_eq!(check(hash), Ok(()), "{system}: {hash}");
        assert_eq!(verify(PASSWORD, hash), RIGHT, "{system}: {hash}");
        assert_eq!(verify("ku\u{308}hle Quitten am Morgen", hash), RIGHT, "{system}: {hash}");
        for wrong in ["", "kühle Quitten am Morge", "kühle Quitten am Morgen ", "Kühle Quitten am Morgen", hash] {
            assert_eq!(verify(wrong, hash), WRONG, "{system}: {hash}: {wrong}");
        }
    }
}

#[test]
fn a_password_is_also_tried_as_it_was_typed() {
    let typed = "ku\u{308}hle Quitten am Morgen";
    for hash in [
        "$2b$04$6ajjT4mUswP1mJtJgPjfsOENXewrmEC8WGFNDBsXKvxZ.oI/iiwRm",
        "$argon2id$v=19$m=32,t=1,p=1$c2l4dGVlbiBieXRlcyBvaw$KbBGUuE7v90JUtPKKS/foUYI39NWjlhCXM/XBooWHAA",
        "pbkdf2:sha256:1000$HK8Ivuq7fQSYx3kp$687cba2b146063cfcdeebfa3d2a036cd68b43a5c22d96d142ca97650f869c411",
    ] {
        assert_eq!(verify(typed, hash), RIGHT, "{hash}");
        assert_eq!(verify(PASSWORD, hash), WRONG, "{hash}: that is not what its system hashed");
    }
}

#[test]
fn a_password_longer_than_any_of_ours_is_right_if_it_was_there() {
    let hash = "pbkdf2:sha256:1000$sA44xI5t5y2kugnB$630c1c710d5774bf32cd467ea8c6b8ed45d30f643350fbc6f8679dfe3832b2a2";
    assert_eq!(verify(&"x".repeat(300), hash), RIGHT);
    assert_eq!(verify(&"x".repeat(301), hash), WRONG);
}

/// bcrypt 5.0 refuses longer passwords than 72 bytes; libxcrypt and bcrypt 4.0.1 cut them off there.
#[test]
fn bcrypt_looks_at_72_bytes_and_a_password_that_was_cut_is_not_hashed_anew() {
    let short = format!("{}ab", "ü".repeat(35));
    let long = format!("{short} und noch mehr");
    let cut = Ok(Verdict::Right { rehash: false });
    for hash in [
        "$2b$04$i6UIMEuGh7oDW.VAQz3iUuP6//OeNAGwobxii0b.fBVjDwrJwYWRe",
        "$2b$04$sYCTGasUTXNXbu3srf4.PuSoAe0OFfjGTMUbwqof9kR1/7Lem/LWO",
        "$2y$04$abcdefghijklmnopqrstuubfqidWxinY35xnhkM0v5BlkgegSD5tq",
    ] {
        assert_eq!(verify(&short, hash), RIGHT, "{hash}");
        assert_eq!(verify(&long, hash), cut, "{hash}");
        assert_eq!(verify(&format!("{short}{}", "x".repeat(5000)), hash), cut, "{hash}");
        assert_eq!(verify(&short[..71], hash), WRONG, "{hash}");
    }
}

#[test]
fn bcrypt_stops_at_nul_as_a_string_of_c_does() {
    // libxcrypt, of "seventeen\0green".
    let hash = "$2y$04$abcdefghijklmnopqrstuuG0.gVc2PpQNR8KmmLmuVPvHmalw79NC";
    assert_eq!(verify("seventeen\0green", hash), Ok(Verdict::Right { rehash: false }));
    assert_eq!(verify("seventeen", hash), RIGHT);
    assert_eq!(verify("seventeen green", hash), WRONG);
}

#[test]
fn a_salt_with_bits_that_nobody_reads_is_taken() {
    // crypt_blowfish took the salt "…uv" for this one, and others kept it as it was.
    assert_eq!(verify(PASSWORD, "$2a$04$abcdefghijklmnopqrstuvXxIovHyFkqHZrmG70O5IIb1AvNf4Hoi"), RIGHT);
}

#[test]
fn absurd_costs_are_refused_before_anything_is_done() {
    let (salt, hash) = ("uGGaYAvltQ3NnDw+vp1ZDg", "VyTfVk/UDdnom31bK3PWhwNh9xQ+Qn9ks+IWdqE4Low");
    let bcrypt = "NSIFf2DR9j3i0e3qPC2eO.gOoBirIq9B.uTKeE44mseSOef3hiIrS";
    let hex = "0".repeat(128);
    for (text, fault) in [
        (format!("$scrypt$ln=40,r=8,p=1${salt}${hash}"), HashFault::ScryptCost),
        (format!("$scrypt$ln=255,r=8,p=1${salt}${hash}"), HashFault::ScryptCost),
        (format!("$scrypt$ln=17,r=65,p=1${salt}${hash}"), HashFault::ScryptCost),
        (format!("$scrypt$ln=4,r=4294967295,p=4294967295${salt}${hash}"), HashFault::ScryptCost),
        (format!("$scrypt$ln=14,r=8,p=129${salt}${hash}"), HashFault::ScryptCost),
        (format!("scrypt:2147483648:8:1$salt${hex}"), HashFault::ScryptCost),
        (format!("scrypt$2147483648$salt$8$1${}", BASE64.encode([0; 64])), HashFault::ScryptCost),
        (format!("$pbkdf2-sha256$2147483648${salt}${hash}"), HashFault::Pbkdf2Cost),
        (format!("$pbkdf2-sha256$i=5000001${salt}${hash}"), HashFault::Pbkdf2Cost),
        (format!("pbkdf2:sha512:99999999999999999999$salt${hex}"), HashFault::Pbkdf2Cost),
        (format!("pbkdf2_sha256$0$salt${hash}="), HashFault::Pbkdf2Cost),
        (format!("$2b$31${bcrypt}"), HashFault::BcryptCost),
        (format!("$2b$17${bcrypt}"), HashFault::BcryptCost),
        (format!("$2b$03${bcrypt}"), HashFault::BcryptCost),
        (format!("$2b$99${bcrypt}"), HashFault::BcryptCost),
        // What is small by N takes a gigabyte by p.
        (format!("$scrypt$ln=1,r=1,p=8388608${salt}${hash}"), HashFault::ScryptCost),
        (format!("$scrypt$ln=1,r=131072,p=64${salt}${hash}"), HashFault::ScryptCost),
        (format!("$argon2id$v=19$m=67108864,t=1,p=1${salt}${hash}"), HashFault::Argon2Cost),
        (format!("$argon2id$v=19$m=65536,t=4294967295,p=1${salt}${hash}"), HashFault::Argon2Cost),
    ] {
        assert_eq!(check(&text), Err(fault), "{text}");
        assert_eq!(verify(PASSWORD, &text), Err(PasswordError::Failed), "{text}");
    }
    // Not taken over, but checked: this site's own settings may have said so.
    for costs in ["m=2097153,t=1,p=1", "m=1048576,t=5,p=1", "m=65536,t=1,p=65"] {
        let text = format!("$argon2id$v=19${costs}${salt}${hash}");
        assert_eq!(check(&text), Err(HashFault::Argon2Cost), "{text}");
        assert!(StoredHash::read(&text).is_ok(), "{text}");
    }
    for most in [
        format!("$argon2id$v=19$m=2097152,t=2,p=64${salt}${hash}"),
        format!("$scrypt$ln=20,r=8,p=2${salt}${hash}"),
        format!("$pbkdf2-sha256$5000000${salt}${hash}"),
        format!("$2b$16${bcrypt}"),
    ] {
        assert_eq!(check(&most), Ok(()), "{most}");
    }
}

#[test]
fn what_is_no_hash_or_of_another_kind_is_refused() {
    assert_eq!(check(""), Err(HashFault::Missing));
    for text in [
        PASSWORD,
        "seventeen green bottles",
        "hunter2",
        "$",
        "$$$$$$$$",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
        "$1$salt$I4mCdj55e/zDHBkq2zhau1",
        "$6$salt$SZnKpBivEZkuYXuZzVoYv38aNhoVTRfGIX65jBr783d5b0/5RimczO8dEXwl1d1N6BRBxgvbup5dNpZgcfbf6.",
        "$2x$04$abcdefghijklmnopqrstuuAFgBMFdmSXsXcsu8oZ9XmegyHD34JH.",
        "!unusable",
        "pbkdf2:md5:1000$salt$5f4dcc3b5aa765d61d8327deb882cf99",
        "$2b$04$NSIFf2DR9j3i0e3qPC2eO.gOoBirIq9B.uTKeE44mseSOef3hiIr\0",
        "$2b$04$NSIFf2DR9j3i0e3qPC2eO.gOoBirIq9B.uTKeE44mseSOef3hiIrü",
    ] {
        assert_eq!(check(text), Err(HashFault::Unknown), "{text:?}");
        assert_eq!(verify(text, text), Err(PasswordError::Failed), "{text:?}");
    }
    assert_eq!(check(&"$argon2id".repeat(1_000_000)), Err(HashFault::Unknown));
}

#[test]
fn no_hash_that_is_cut_off_or_changed_makes_a_panic_or_is_right() {
    for (system, hash) in HASHES {
        // Without its padding, base64 is whole.
        for end in 1..hash.trim_end_matches('=').len() {
            if check(&hash[..end]).is_ok() {
                assert_eq!(verify(PASSWORD, &hash[..end]), WRONG, "{system}: {}", &hash[..end]);
            }
        }
        for place in 0..hash.len() {
            for byte in ["", "$", ",", "=", "0", "9", "A", "z", "+", "/", "-", ":", "$$"] {
                let changed = format!("{}{byte}{}", &hash[..place], &hash[place + 1..]);
                // Costs that have become too high for a test are not of interest.
                let _ = check(&changed);
            }
        }
        assert_ne!(check(&hash[..hash.len() - 20]), Ok(()), "{system}");
    }
    let cut = "$2b$04$NSIFf2DR9j3i0e3qPC2eO.gOoBirIq9B.uTKeE44mseSOef3hiIr";
    assert_eq!(check(cut), Err(HashFault::Damaged));
    let hex = "0".repeat(64);
    for text in [
        "$argon2id$v=19$m=32,t=1$c2l4dGVlbiBieXRlcyBvaw$eo79N+smmHxhcpRnIZBwwhaLxN1AQMzE6yjtMNjPogE",
        "$argon2id$v=18$m=32,t=1,p=1$c2l4dGVlbiBieXRlcyBvaw$eo79N+smmHxhcpRnIZBwwhaLxN1AQMzE6yjtMNjPogE",
        "$argon2id$v=19$m=32,t=1,p=1$c2l4dGVlbiBieXRlcyBvaw",
        "$argon2id$v=19$m=32,t=1,p=1$c2l4dGVlbiBieXRlcyBvaw$eo79N+smmHxhcg",
        &format!("scrypt:1000:8:1$salt${hex}{hex}"),
        &format!("scrypt:1024:0:1$salt${hex}{hex}"),
        &format!("scrypt:1024:8:1$salt${hex}"),
        &format!("scrypt:1024:8:1$salt${hex}{hex}0"),
        &format!("scrypt:1024:8:1$salt$zz{hex}{}", &hex[2..]),
        &format!("pbkdf2:sha256:+1000$salt${hex}"),
        &format!("pbkdf2:sha256$salt${hex}"),
        &format!("pbkdf2:sha256:1000$salt${hex}{hex}"),
        "$pbkdf2-sha256$i=1000,l=31$uGGaYAvltQ3NnDw+vp1ZDg$VyTfVk/UDdnom31bK3PWhwNh9xQ+Qn9ks+IWdqE4Low",
    ] {
        assert_eq!(check(text), Err(HashFault::Damaged), "{text}");
    }
}

#[test]
fn no_message_has_the_hash_in_it() {
    for fault in [HashFault::Missing, HashFault::Unknown, HashFault::Damaged, HashFault::Argon2Cost] {
        assert!(!fault.to_string().contains('{'), "{fault}");
        assert!(crate::fault::CODES.iter().any(|(code, _)| *code == fault.code()), "{fault}");
    }
}
