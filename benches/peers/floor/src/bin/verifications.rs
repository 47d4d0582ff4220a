//! Argon2id verifications a second on all processors but one (at least one), which is what hallpass's pool has:
//! `verifications SECONDS MEMORY_KIB ITERATIONS`

use std::thread::{available_parallelism, scope};
use std::time::{Duration, Instant};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

const PASSWORD: &[u8] = b"correct horse battery staple";

fn main() {
    let arguments: Vec<u32> = std::env::args().skip(1).map(|number| number.parse().expect("a number")).collect();
    let [seconds, memory_kib, iterations] = arguments[..] else {
        panic!("verifications SECONDS MEMORY_KIB ITERATIONS")
    };
    let params = Params::new(memory_kib, iterations, 1, None).expect("parameters");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let stored: PasswordHash = argon2.hash_password_with_salt(PASSWORD, b"sixteen octets..").expect("a hash");
    let stored = stored.to_string();
    let threads = available_parallelism().map_or(1, |all| all.get().saturating_sub(1).max(1));

    let began = Instant::now();
    let verify = || {
        let mut verified = 0_u32;
        while began.elapsed() < Duration::from_secs(seconds.into()) {
            let stored = PasswordHash::new(&stored).expect("a hash");
            argon2.verify_password(PASSWORD, &stored).expect("the password");
            verified += 1;
        }
        verified
    };
    let verified: u32 = scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(verify)).collect();
        all.into_iter().map(|one| one.join().expect("an outcome")).sum()
    });
    println!("{}", f64::from(verified) / began.elapsed().as_secs_f64());
}
