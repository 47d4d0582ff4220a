//! Enumerations whose variants have names outside the program: in settings, columns and logs.

/// Defines an enum, `as_str`, `FromStr`, and `ALL` and `NAMES` in the order of definition.
macro_rules! named {
    ($(#[$meaning:meta])* pub enum $name:ident { $($(#[$of:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meaning])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$of])* $variant),+ }

        impl $name {
            /// All variants, in the order of definition.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// All names, in the order of definition.
            pub const NAMES: &'static [&'static str] = &[$($text),+];

            /// The name outside the program.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = ();

            fn from_str(text: &str) -> Result<Self, ()> {
                match text { $($text => Ok(Self::$variant),)+ _ => Err(()) }
            }
        }
    };
}

pub(crate) use named;
