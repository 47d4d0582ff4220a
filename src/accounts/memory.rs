//! The memory that Argon2 fills, kept from one password to the next.

use std::collections::TryReserveError;

use argon2::Block;

/// From 32 MiB on, glibc takes memory from the system and gives it back when it is dropped. Less than that, it would
/// keep for good once it has seen some come back (mallopt(3), M_MMAP_THRESHOLD). What is not used costs nothing.
const GIVEN_BACK: usize = (32 << 20) / Block::SIZE;

/// Neither taken anew nor cleared for each password: either would cost every one of them time.
///
/// What remains in it would make guesses at the last password cheap. But it is overwritten by the next one, or given
/// back to the system, which clears it, a second later; nor is it all that a look into the process would show.
#[derive(Default)]
pub(super) struct Memory(Vec<Block>);

impl Memory {
    /// Whether so much can be had; takes nothing.
    pub fn check(blocks: usize) -> Result<(), TryReserveError> {
        reserved(blocks).map(drop)
    }

    /// So many blocks, with anything in them.
    pub fn blocks(&mut self, blocks: usize) -> Result<&mut [Block], TryReserveError> {
        // No more than asked for either: a hash of larger parameters has its memory for the occasion.
        if self.0.len() != blocks {
            self.give_back();
            self.0 = reserved(blocks)?;
            self.0.resize(blocks, Block::new());
        }
        Ok(&mut self.0)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn give_back(&mut self) {
        self.0 = Vec::new();
    }
}

fn reserved(blocks: usize) -> Result<Vec<Block>, TryReserveError> {
    let mut reserved = Vec::new();
    reserved.try_reserve_exact(blocks.max(GIVEN_BACK))?;
    Ok(reserved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_where_it_is_as_long_as_as_much_is_asked_for() {
        let mut memory = Memory::default();
        memory.blocks(8).expect("memory")[7].as_mut()[0] = 7;
        let mut first = |blocks| memory.blocks(blocks).expect("memory")[7].as_ref()[0];
        assert_eq!((first(8), first(16), first(8)), (7, 0, 0));
        assert_eq!(memory.0.len(), 8);
        memory.give_back();
        assert_eq!(memory.0.capacity(), 0);
    }

    #[test]
    fn more_than_there_can_be_is_an_error() {
        assert!(Memory::check(usize::MAX / 2048).is_err());
        assert!(Memory::default().blocks(usize::MAX / 2048).is_err());
    }
}
