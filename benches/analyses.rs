//! What it costs to find out about a statement's text, its redactions among it: `cargo bench --bench analyses` prints nanoseconds a statement.

use std::fmt::Write;
use std::time::Instant;

use mysql_interceptor::mysql::sql::{Analyses, Flavor, Keys, Lexis};

fn lexis() -> Lexis {
    Lexis {
        flavor: Some(Flavor::MySql),
        version: Some(90_704),
        ansi_quotes: Some(false),
        backslash_escapes: Some(true),
        ..Lexis::default()
    }
}

/// `statement` writes the text with a number.
fn run(name: &str, keys: &[&str], count: u64, statement: impl Fn(&mut String, u64)) {
    let mut analyses = Analyses::new(Keys::new(keys));
    let (mut text, mut redacted, mut length) = (String::new(), 0, 0);
    let mut spent = std::time::Duration::ZERO;
    for number in 0..count {
        text.clear();
        statement(&mut text, number);
        length += text.len();
        let started = Instant::now();
        redacted += analyses.of(text.as_bytes(), false, lexis()).redactions.literals.len();
        spent += started.elapsed();
    }
    let took = spent.as_nanos() as f64 / count as f64;
    println!("{name}: {took:.0} ns a statement of {} bytes, {redacted} literals hidden", length as u64 / count.max(1));
}

fn main() {
    let count = std::env::var("STATEMENTS").ok().and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
    let keys = &["password", "passwd", "secret", "token"];
    let write = |text: &mut String, sql: std::fmt::Arguments<'_>| text.write_fmt(sql).expect("a string");
    for (name, keys) in [("without keys", &[][..]), ("with keys", keys)] {
        println!("{name}");
        run("  prepared", keys, count, |text, _| write(text, format_args!("SELECT c FROM sbtest1 WHERE id=?")));
        run("  point select", keys, count, |text, id| {
            write(text, format_args!("SELECT c FROM sbtest1 WHERE id={id}"));
        });
        run("  update", keys, count, |text, id| {
            write(text, format_args!("UPDATE users SET password='{id:0>60}', changed=NOW() WHERE id={id}"));
        });
        run("  insert", keys, count, |text, id| {
            write(
                text,
                format_args!("INSERT INTO sbtest1 (id, k, c, pad) VALUES ({id}, 5, '{id:0>119}', '{id:0>59}')"),
            );
        });
        run("  not seen before", keys, count / 100, |text, id| {
            write(text, format_args!("UPDATE users{id} SET password='x', changed=NOW() WHERE id=5"));
        });
    }
}
