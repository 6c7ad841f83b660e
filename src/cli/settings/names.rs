//! The library names settings by their keys, in backticks; people know them by flags, variables and the file.

use super::table::flag_of;
use crate::settings::Origins;

/// Puts the flag in the place of each key.
pub(super) fn with_flags(text: &str) -> String {
    replaced(text, |key| Some(flag_of(key)))
}

/// Puts in the place of each key where it was set, or the flag that would set it. Anything else stays as it is.
pub(in crate::cli) fn with_origins(text: &str, origins: &Origins) -> String {
    replaced(text, |key| origins.known(key).map(|origin| origin.name()))
}

fn replaced(text: &str, name: impl Fn(&str) -> Option<String>) -> String {
    let mut parts = text.split('`');
    let mut replaced = parts.next().unwrap_or_default().to_owned();
    while let Some(quoted) = parts.next() {
        match (name(quoted), parts.next()) {
            (Some(name), Some(after)) => replaced.extend([name.as_str(), after]),
            (None, Some(after)) => replaced.extend(["`", quoted, "`", after]),
            (_, None) => replaced.extend(["`", quoted]),
        }
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Origin;

    #[test]
    fn keys_become_what_people_know() {
        let mut origins = Origins::default();
        origins.set("listen", Origin::Default("--listen".to_owned()));
        origins.set("tls_cert", Origin::Variable("INTERCEPTOR_TLS_CERT".to_owned()));
        let said = with_origins("`tls_cert`: cannot use `x`, see `listen` and `", &origins);
        assert_eq!(said, "INTERCEPTOR_TLS_CERT: cannot use `x`, see --listen and `");
        assert_eq!(with_flags("an authority in `tls_ca`"), "an authority in --tls-ca");
    }
}
