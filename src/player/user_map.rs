//! The file that says which accounts recorded users have on the target.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::account::Account;

/// Accounts by recorded user.
///
/// ```toml
/// [users.app]                       # the recorded user
/// user = "app_test"                 # on the target; the same name without this
/// password_file = "app_test.pass"   # relative to this file; or password = ".."
/// ```
#[derive(Debug, Clone, Default, Hash)]
pub struct UserMap {
    accounts: BTreeMap<String, Account>,
}

/// A user map that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UserMapError {
    /// The file cannot be read.
    #[error("cannot read the user map {}: {source}", .path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("the user map {} is not understood: {reason}", .path.display())]
    NotUnderstood {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A password cannot be read.
    #[error("the user map {}: cannot read password_file {} of user '{user}': {source}", .path.display(), .password_file.display())]
    Password {
        /// Which file.
        path: PathBuf,
        /// Whose password.
        user: String,
        /// In which file.
        password_file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Both forms of a password are given.
    #[error("the user map {}: user '{user}' has both password and password_file; keep one of them", .path.display())]
    TwoPasswords {
        /// Which file.
        path: PathBuf,
        /// Whose password.
        user: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    users: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    user: Option<String>,
    password: Option<String>,
    password_file: Option<PathBuf>,
}

impl UserMap {
    /// Reads the file and the passwords that it names.
    pub fn read(path: &Path) -> Result<Self, UserMapError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| UserMapError::Unreadable { path: path.to_owned(), source })?;
        let document: Document = toml::from_str(&text).map_err(|error| {
            // What the library shows of the text may be a password.
            let line = error.span().map(|span| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1);
            let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            UserMapError::NotUnderstood { path: path.to_owned(), reason: format!("{place}{}", error.message()) }
        })?;
        let mut accounts = BTreeMap::new();
        for (recorded, entry) in document.users {
            let password = entry.password(path, &recorded)?;
            let user = entry.user.unwrap_or_else(|| recorded.clone());
            accounts.insert(recorded, Account { user, password });
        }
        Ok(Self { accounts })
    }

    /// The account of a recorded user.
    pub fn get(&self, recorded: &str) -> Option<&Account> {
        self.accounts.get(recorded)
    }

    /// Recorded users and their accounts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Account)> {
        self.accounts.iter().map(|(user, account)| (user.as_str(), account))
    }
}

impl Entry {
    fn password(&self, path: &Path, recorded: &str) -> Result<String, UserMapError> {
        let (path, user) = (path.to_owned(), recorded.to_owned());
        match (&self.password, &self.password_file) {
            (Some(_), Some(_)) => Err(UserMapError::TwoPasswords { path, user }),
            (Some(password), None) => Ok(password.clone()),
            (None, None) => Ok(String::new()),
            (None, Some(file)) => {
                let password_file = path.parent().unwrap_or_else(|| Path::new("")).join(file);
                let mut password = std::fs::read_to_string(&password_file).map_err(|source| {
                    UserMapError::Password { path, user, password_file: password_file.clone(), source }
                })?;
                // Editors end a file's last line.
                password.truncate(password.trim_end_matches(['\n', '\r']).len());
                Ok(password)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> Result<UserMap, UserMapError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("pass"), "s3cret \r\n").unwrap();
        let file = folder.path().join("users.toml");
        std::fs::write(&file, text).unwrap();
        UserMap::read(&file)
    }

    #[test]
    fn names_and_passwords() {
        let map =
            map("[users.app]\nuser = 'app_test'\npassword_file = 'pass'\n[users.web]\npassword = 'x'\n[users.'']")
                .unwrap();
        assert_eq!(map.get("app"), Some(&Account { user: "app_test".into(), password: "s3cret ".into() }));
        assert_eq!(map.get("web"), Some(&Account { user: "web".into(), password: "x".into() }));
        assert_eq!(map.get(""), Some(&Account { user: String::new(), password: String::new() }));
        assert_eq!(map.get("App"), None);
        assert_eq!(map.iter().count(), 3);
    }

    #[test]
    fn mistakes_are_named_and_passwords_are_not() {
        let error = |text: &str| map(text).unwrap_err().to_string();
        assert!(error("[users.app]\npassword = 'hush'\npassword_file = 'pass'").contains("both password and"));
        assert!(error("[users.app]\npassword_file = 'absent'").contains("absent of user 'app'"));
        let unknown = error("[users.app]\npasword = 'hush'");
        assert!(unknown.contains("line 2") && unknown.contains("pasword") && !unknown.contains("hush"), "{unknown}");
        assert!(UserMap::read(Path::new("/nonexistent/users.toml")).unwrap_err().to_string().contains("users.toml"));
    }
}
