//! The targets over the seeds, and over mutations of them.

use crate::fuzzing::mutations::run;

#[test]
fn events() {
    run("event", super::event, 800);
}

#[test]
fn rows() {
    run("rows", super::rows, 3000);
}

#[test]
fn json() {
    run("json", super::json, 5000);
}

#[test]
fn gtid() {
    run("gtid", super::gtid, 5000);
}

#[test]
fn ddl() {
    run("ddl", super::ddl, 3000);
}

#[test]
#[should_panic(expected = "gtid: mutation")]
fn a_panic_is_found() {
    // No seed ends so, and a mutation that writes an odd number at the end does.
    run("gtid", |data| assert!(!data.ends_with(&[0xff])), 1000);
}

#[test]
fn statements_within_statements_do_not_exhaust_the_stack() {
    let text = "SET STATEMENT a=1 FOR ".repeat(20_000) + "CREATE TABLE t (a INT)";
    super::ddl(&[&[1], text.as_bytes()].concat());
}
