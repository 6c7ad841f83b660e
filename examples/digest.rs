//! Digests of statements: reads texts that end in a zero byte, writes a line for each: its digest, a tab, and the text that the digest is
//! made of.
//!
//! ```sh
//! printf 'SELECT 1\0SELECT a FROM t WHERE b IN (1, 2)\0' | cargo run --example digest
//! ```

use std::io::{Read, Write};

use mysql_interceptor::mysql::sql::{Digest, Flavor, Lexis, normalized};

fn main() -> std::io::Result<()> {
    let mut texts = Vec::new();
    std::io::stdin().read_to_end(&mut texts)?;
    let lexis = Lexis {
        flavor: Some(Flavor::MySql),
        version: Some(90_700),
        ansi_quotes: Some(false),
        backslash_escapes: Some(true),
        ..Lexis::default()
    };
    let mut out = std::io::stdout().lock();
    for sql in texts.strip_suffix(b"\0").unwrap_or(&texts).split(|byte| *byte == 0) {
        write!(out, "{}\t", Digest::of(sql, lexis))?;
        out.write_all(&normalized(sql, lexis))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
