//! What can be wrong with the fields of accounts.

use super::email::{Email, EmailFault};
use super::password::{NewPassword, PasswordFault, Policy};
pub use crate::fault::Fault;
pub(super) use crate::fault::Faults;

impl Faults {
    pub fn email(&mut self, typed: &str) -> Option<Email> {
        self.note(Email::parse(typed).map_err(|fault: EmailFault| Fault::new("email", fault.code(), fault.to_string())))
    }

    /// How the owner is called.
    pub fn own_name(&mut self, typed: &str) -> Option<String> {
        self.name(typed, "Enter your name, as others should see it.")
    }

    pub fn new_password(
        &mut self,
        field: &'static str,
        policy: &Policy,
        password: &str,
        email: Option<&Email>,
        name: &str,
    ) -> Option<NewPassword> {
        let (local, key) = email.map_or(("", ""), |email| (email.local_part(), email.key()));
        let checked = policy.check(password, &[local, key, name]);
        self.note(checked.map_err(|fault: PasswordFault| Fault::new(field, fault.code(), fault.to_string())))
    }

    /// A password that was typed to prove something: whether it is good is not the question.
    pub fn required(&mut self, field: &'static str, password: &str) {
        if password.is_empty() {
            self.add(Fault::new(field, "required", "Enter your password."));
        }
    }
}
