//! An account on the target.

/// An account on the target.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Account {
    /// The user.
    pub user: String,
    /// The password; empty without one.
    pub password: String,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the password.
        write!(f, "{}", self.user)
    }
}
