//! A parser that others wrote judges where statements end and what they do, on texts of a small grammar that it knows.

use proptest::prelude::*;
use sqlparser::ast::{SetExpr, Statement};
use sqlparser::dialect::MySqlDialect;
use sqlparser::parser::Parser;

use super::{Effects, Lexis, StatementSummary, next_statement};

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(texts)
}

/// Names that look like something else.
fn name() -> impl Strategy<Value = &'static str> {
    one_of(&["t", "`delete`", "`a;b`", "`it's`", "`x``;y`", "shop.orders", "`/*`", "begin_", "$end"])
}

fn literal() -> impl Strategy<Value = &'static str> {
    one_of(&["1", "NULL", "'x;y'", "'it''s;'", r"'a\'b; delete'", "\"q';\"", "'--'", "'/*'", "-2.5e3", "'é漢;'", "''"])
}

fn gap() -> impl Strategy<Value = &'static str> {
    one_of(&[" ", "\n", "\t /* ; delete from t */ ", " -- x; '\n", " # ; \"\n", " /**/ "])
}

prop_compose! {
    fn statement()(template in 0..13, name in name(), a in literal(), b in literal(), g in gap(), h in gap()) -> String {
        let with = format!("WITH{g}c AS (SELECT {a} AS a)");
        match template {
            0 => format!("SELECT{g}{a},{h}{b} FROM {name} WHERE {name}.a = {a}"),
            1 => format!("INSERT INTO{g}{name} (a){h}VALUES ({a}), ({b})"),
            2 => format!("replace{g}into {name} VALUES ({a},{h}{b})"),
            3 => format!("UPDATE{g}{name} SET a = {a}{h}WHERE b = {b}"),
            4 => format!("delete{g}from {name}{h}where a = {b}"),
            5 => format!("{with}{h}SELECT * FROM c WHERE a <> {b}"),
            6 => format!("{with}{h}DELETE FROM {name} WHERE a IN (SELECT a FROM c)"),
            7 => format!("{with}{h}UPDATE {name} SET a = {b}"),
            8 => format!("({g}SELECT {a}{h}) UNION (SELECT {b})"),
            9 => format!("CREATE TABLE{g}{name} (a INT){h}COMMENT = 'x;y'"),
            10 => format!("DROP{g}TABLE IF EXISTS{h}{name}"),
            11 => format!("TRUNCATE{g}TABLE {name}"),
            _ => format!("ALTER{g}TABLE {name}{h}ADD COLUMN b INT"),
        }
    }
}

fn effects(statement: &Statement) -> Effects {
    match statement {
        Statement::Insert { .. } | Statement::Update { .. } | Statement::Delete { .. } => Effects::ROWS,
        Statement::Query(query) => match *query.body {
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) => Effects::ROWS,
            _ => Effects::empty(),
        },
        Statement::CreateTable { .. }
        | Statement::Drop { .. }
        | Statement::Truncate { .. }
        | Statement::AlterTable { .. } => Effects::DEFINITIONS,
        other => panic!("the grammar here makes no such statement: {other}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn statements_part_and_do_what_a_parser_says(statements in prop::collection::vec(statement(), 1..5), gap in gap()) {
        let text = statements.join(&format!(";{gap}"));
        let parsed = Parser::parse_sql(&MySqlDialect {}, &text);
        prop_assert!(parsed.is_ok(), "{text}: {parsed:?}");
        let wanted: Vec<_> = parsed.iter().flatten().map(effects).collect();
        let (mut found, mut from) = (Vec::new(), 0);
        while let Some(piece) = next_statement(text.as_bytes(), from, Lexis::default()) {
            prop_assert!(piece.is_certain && !piece.is_broken, "{text}");
            let sql = &text.as_bytes()[piece.range.clone()];
            found.push(StatementSummary::of(sql, Lexis::default(), &|_| None).effects);
            from = piece.next;
        }
        prop_assert_eq!(found, wanted, "{}", text);
    }
}
