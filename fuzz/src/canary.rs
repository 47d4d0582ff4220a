//! A fault on purpose. `fuzz/run` fails unless it is found: by guessing alone that takes longer than anybody waits, so
//! what is covered and what is compared do guide.

pub fn run(data: &[u8]) {
    // Letter by letter, each a place of its own; the number at once, by what it is compared with.
    if let [b'c', b'a', b'n', b'a', b'r', b'y', number @ ..] = data
        && number.first_chunk().is_some_and(|number| u32::from_le_bytes(*number) == 0x1234_5678)
    {
        panic!("the canary was found");
    }
}
