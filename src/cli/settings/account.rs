//! How we log in to a server: where the password comes from, and how the connection is protected. The same for all subcommands.

use std::path::{Path, PathBuf};

use crate::client::{TlsMode, TlsOptions};
use crate::settings::Origins;

/// The first line of a file that holds a password. The error does not name the setting.
pub(in crate::cli) fn first_line(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// The password that the URL does not have: from `--password-file`, from the terminal, or from the environment.
pub(in crate::cli) fn password(file: Option<&Path>, asks: bool, origins: &Origins) -> Result<Option<String>, String> {
    let from_file =
        file.map(first_line).transpose().map_err(|error| format!("{}: {error}", origins.of("password_file").name()))?;
    let asked = match asks {
        true => Some(rpassword::prompt_password("password: ").map_err(|error| format!("--ask-password: {error}"))?),
        false => None,
    };
    Ok(from_file.or(asked).or_else(|| std::env::var("MYSQL_PWD").ok()))
}

/// How the connection is protected. Authorities that cannot be used are an error, which does not name the setting.
pub(in crate::cli) fn tls(mode: Option<TlsMode>, ca: Option<&PathBuf>) -> Result<TlsOptions, String> {
    // Whoever names authorities wants them to be used, as with the mysql client's --ssl-ca.
    let mode = mode.unwrap_or_else(|| if ca.is_some() { TlsMode::VerifyCa } else { TlsMode::Preferred });
    // They are read again for each connection; a mistake should be known before the first.
    if let Some(ca) = ca.filter(|_| mode.verifies()) {
        crate::tls::read_chain(ca).map_err(|error| format!("cannot use {}: {}", ca.display(), error.reason))?;
    }
    Ok(TlsOptions { mode, ca: ca.cloned() })
}
