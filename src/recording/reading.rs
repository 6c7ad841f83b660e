//! How the texts of a recorded session are read.

use super::model::SessionBegin;
use crate::mysql::charset::Charset;
use crate::mysql::sql::{ClientCharset, Flavor, Lexis, SqlMode, version_number};

impl SessionBegin {
    /// What a lexer must be told of the session's texts, as far as its beginning tells: statements that change it later are not
    /// followed.
    pub fn lexis(&self) -> Lexis {
        let version = self.server_version.as_deref();
        let is_mariadb = |version: &str| version.to_ascii_lowercase().contains("mariadb");
        let mode = self.settings.sql_mode.as_deref().map(|mode| SqlMode::from_value(mode.as_bytes()));
        let charset = self.settings.client_charset.as_deref().and_then(Charset::from_name);
        Lexis {
            flavor: version.map(|version| if is_mariadb(version) { Flavor::MariaDb } else { Flavor::MySql }),
            version: version.and_then(version_number),
            ansi_quotes: mode.map(|mode| mode.ansi_quotes),
            backslash_escapes: mode.map(|mode| !mode.no_backslash_escapes),
            // Not known is not plain: but nearly all sessions are, and a wrong guess costs a digest.
            charset: charset.map_or(ClientCharset::Plain, |charset| ClientCharset::of(Some(charset))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::SessionSettings;

    #[test]
    fn what_is_known_of_a_session_tells_how_its_texts_are_read() {
        let settings = SessionSettings {
            sql_mode: Some("ANSI".into()),
            client_charset: Some("gbk".into()),
            ..SessionSettings::default()
        };
        let version = Some("5.5.5-10.11.6-MariaDB-log".to_owned());
        let lexis = SessionBegin { server_version: version, settings, ..SessionBegin::default() }.lexis();
        assert_eq!((lexis.flavor, lexis.version), (Some(Flavor::MariaDb), Some(101_106)));
        assert_eq!((lexis.ansi_quotes, lexis.charset), (Some(true), ClientCharset::Gbk));
        let unknown = SessionBegin::default().lexis();
        assert_eq!((unknown.flavor, unknown.ansi_quotes, unknown.charset), (None, None, ClientCharset::Plain));
    }
}
