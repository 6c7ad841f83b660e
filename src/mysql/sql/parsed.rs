//! Which literals belong to harmless names alone, by a parser that others wrote.
//!
//! A statement is taken apart into units, such as a comparison, an assignment, an item of a select list, a value of a row with the name of
//! its column. A unit without a key in any of its names is harmless, and so are its literals. What is in no unit is not harmless: a
//! clause that is not looked at here hides too much, never too little.

use std::collections::HashSet;

use sqlparser::ast::{
    Assignment, BinaryOperator, CreateTableOptions, Delete, Expr, FromTable, GroupByExpr, Insert, JoinConstraint,
    JoinOperator, LimitClause, OnInsert, OrderByKind, Query, Select, SelectItem, Set, SetExpr, Statement, TableFactor,
    TableWithJoins, UnaryOperator, Update, Visit,
};
use sqlparser::parser::Parser;

use super::dialect::Bounded;
use super::sites::Site;
use super::skeleton::{Skeleton, site_of};
use super::unit::{Content, aliases_of_keys};

/// How deep expressions and queries may be nested.
const DEEPEST: usize = 40;

/// For each site whether it is harmless; `None` if the statement cannot be parsed.
pub(super) fn harmless(skeleton: &Skeleton, sites: &[Site]) -> Option<Vec<bool>> {
    let dialect = Bounded::default();
    let mut parser = Parser::new(&dialect).with_recursion_limit(DEEPEST).try_with_sql(&skeleton.text).ok()?;
    let statement = parser.parse_statement().ok()?;
    if parser.peek_token_ref().token != sqlparser::tokenizer::Token::EOF {
        return None;
    }
    // A parser that passed over a name says nothing of what belongs to it.
    let shown = statement.to_string();
    if !skeleton.key_names.iter().all(|name| shown.contains(name.as_str())) {
        return None;
    }
    let mut walk = Walk {
        skeleton,
        sites,
        aliases: aliases_of_keys(&statement, skeleton, sites)?,
        harmless: vec![false; sites.len()],
    };
    walk.statement(&statement);
    Some(walk.harmless)
}

/// What is known of the names that a query's columns get outside it.
#[derive(Debug, Clone)]
enum Outside {
    /// None.
    Nothing,
    /// By their places, whether one has a key.
    Columns(Vec<bool>),
    /// Nothing that could be followed.
    Unknown,
}

struct Walk<'s> {
    skeleton: &'s Skeleton,
    sites: &'s [Site],
    aliases: HashSet<String>,
    harmless: Vec<bool>,
}

impl Walk<'_> {
    fn content<V: Visit>(&self, part: &V) -> Content<'_> {
        Content::of(part, self.skeleton, self.sites, &self.aliases)
    }

    fn is_secret<V: Visit>(&self, part: &V) -> bool {
        self.content(part).is_secret()
    }

    /// A unit.
    fn unit<V: Visit>(&mut self, part: &V) {
        let content = self.content(part);
        if !content.is_secret() {
            let literals = content.literals;
            for number in literals {
                self.harmless.iter_mut().skip(number).take(1).for_each(|is_harmless| *is_harmless = true);
            }
        }
    }

    fn units<'v, V: Visit + 'v>(&mut self, parts: impl IntoIterator<Item = &'v V>) {
        parts.into_iter().for_each(|part| self.unit(part));
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Query(query) => self.query(query, &Outside::Nothing),
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            Statement::Set(set) => self.set(set),
            Statement::Explain { statement, .. } => self.statement(statement),
            Statement::Call(call) => self.unit(call),
            Statement::CreateTable(table) => {
                self.definitions(&table.columns);
                self.definitions(&table.constraints);
                if let CreateTableOptions::Plain(options) = &table.table_options {
                    self.definitions(options);
                }
                if let Some(query) = &table.query {
                    self.query(query, &Outside::Nothing);
                }
            }
            Statement::AlterTable(table) => self.definitions(&table.operations),
            Statement::CreateView(view) => {
                let outside = if view.columns.is_empty() { Outside::Nothing } else { Outside::Unknown };
                self.query(&view.query, &outside);
            }
            _ => {}
        }
    }

    /// Units whose literals are not all values to the parser: lengths, comments, members of an ENUM.
    fn definitions(&mut self, parts: &[impl std::fmt::Display]) {
        for part in parts {
            let text = part.to_string();
            let numbers: Vec<_> = numbers_in(&text).collect();
            let says_key = |number: &usize| self.sites.get(*number).is_none_or(|site| site.has_key);
            if self.skeleton.key_names.iter().any(|name| text.contains(name.as_str())) || numbers.iter().any(says_key) {
                continue;
            }
            for number in numbers {
                self.harmless.iter_mut().skip(number).take(1).for_each(|is_harmless| *is_harmless = true);
            }
        }
    }

    fn set(&mut self, set: &Set) {
        match set {
            Set::SingleAssignment { .. } => self.unit(set),
            Set::MultipleAssignments { assignments } => self.units(assignments),
            _ => {}
        }
    }

    fn insert(&mut self, insert: &Insert) {
        self.units(&insert.assignments);
        if let Some(OnInsert::DuplicateKeyUpdate(assignments)) = &insert.on {
            self.units(assignments);
        }
        let renames = insert.insert_alias.as_ref().is_some_and(|alias| alias.col_aliases.is_some());
        let columns: Vec<_> = insert.columns.iter().map(|column| self.is_secret(column)).collect();
        let outside = if renames || columns.is_empty() { Outside::Unknown } else { Outside::Columns(columns) };
        if let Some(query) = &insert.source {
            self.query(query, &outside);
        }
        self.items(insert.returning.as_deref().unwrap_or_default());
    }

    fn update(&mut self, update: &Update) {
        self.table(&update.table);
        self.units::<Assignment>(&update.assignments);
        self.condition(update.selection.as_ref());
        self.units(update.order_by.iter().map(|order| &order.expr));
        self.units(&update.limit);
        self.items(update.returning.as_deref().unwrap_or_default());
    }

    fn delete(&mut self, delete: &Delete) {
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        from.iter().chain(delete.using.iter().flatten()).for_each(|table| self.table(table));
        self.condition(delete.selection.as_ref());
        self.units(delete.order_by.iter().map(|order| &order.expr));
        self.units(&delete.limit);
        self.items(delete.returning.as_deref().unwrap_or_default());
    }

    fn query(&mut self, query: &Query, outside: &Outside) {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.query(&cte.query, &Outside::Unknown);
        }
        self.rows(&query.body, outside);
        if let Some(order) = &query.order_by
            && let OrderByKind::Expressions(order) = &order.kind
        {
            self.units(order.iter().map(|order| &order.expr));
        }
        match &query.limit_clause {
            Some(LimitClause::LimitOffset { limit, offset, .. }) => {
                self.units(limit);
                self.units(offset.iter().map(|offset| &offset.value));
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => self.units([offset, limit]),
            None => {}
        }
    }

    /// A query's body.
    fn rows(&mut self, body: &SetExpr, outside: &Outside) {
        let names = self.names(body, outside);
        self.rows_named(body, &names);
    }

    /// What the columns are called, outside and by the body's own items: in a UNION those of all its queries, by their places.
    fn names(&self, body: &SetExpr, outside: &Outside) -> Outside {
        let mut lists = Vec::new();
        match outside {
            Outside::Unknown => return Outside::Unknown,
            Outside::Columns(columns) => lists.push(columns.clone()),
            Outside::Nothing => {}
        }
        let mut is_clear = true;
        let mut bodies = vec![body];
        while let Some(body) = bodies.pop() {
            match body {
                SetExpr::SetOperation { left, right, .. } => bodies.extend([&**left, right]),
                SetExpr::Query(query) => bodies.push(&query.body),
                SetExpr::Select(select) if select.into.is_some() => return Outside::Unknown,
                SetExpr::Select(select) => {
                    is_clear &= !select.projection.iter().any(is_wild);
                    lists.push(select.projection.iter().map(|item| self.is_secret(item)).collect());
                }
                _ => {}
            }
        }
        let count = lists.first().map_or(0, Vec::len);
        if !lists.iter().flatten().any(|is_key| *is_key) {
            return Outside::Nothing;
        }
        if !is_clear || lists.iter().any(|list| list.len() != count) {
            return Outside::Unknown;
        }
        let is_key = |place| lists.iter().any(|list| list.get(place) == Some(&true));
        Outside::Columns((0..count).map(is_key).collect())
    }

    fn rows_named(&mut self, body: &SetExpr, names: &Outside) {
        match body {
            SetExpr::SetOperation { left, right, .. } => {
                self.rows_named(left, names);
                self.rows_named(right, names);
            }
            SetExpr::Query(query) => self.query(query, names),
            SetExpr::Select(select) => self.select(select, names),
            SetExpr::Values(values) => values.rows.iter().for_each(|row| self.places(row, names)),
            SetExpr::Insert(statement) | SetExpr::Update(statement) | SetExpr::Delete(statement) => {
                self.statement(statement);
            }
            SetExpr::Table(_) | SetExpr::Merge(_) => {}
        }
    }

    /// Parts whose places have names.
    fn places<V: Visit>(&mut self, parts: &[V], names: &Outside) {
        match names {
            Outside::Nothing => self.units(parts),
            Outside::Columns(columns) if columns.len() == parts.len() => {
                self.units(parts.iter().zip(columns).filter(|(_, is_key)| !**is_key).map(|(part, _)| part));
            }
            Outside::Columns(_) | Outside::Unknown => {}
        }
    }

    fn items(&mut self, items: &[SelectItem]) {
        self.units(items);
    }

    fn select(&mut self, select: &Select, names: &Outside) {
        self.places(&select.projection, names);
        select.from.iter().for_each(|table| self.table(table));
        self.condition(select.selection.as_ref());
        if let GroupByExpr::Expressions(expressions, _) = &select.group_by {
            self.units(expressions);
        }
        self.condition(select.having.as_ref());
    }

    fn table(&mut self, table: &TableWithJoins) {
        self.factor(&table.relation);
        for join in &table.joins {
            self.factor(&join.relation);
            if let JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::Left(constraint)
            | JoinOperator::LeftOuter(constraint)
            | JoinOperator::Right(constraint)
            | JoinOperator::RightOuter(constraint)
            | JoinOperator::CrossJoin(constraint)
            | JoinOperator::StraightJoin(constraint) = &join.join_operator
                && let JoinConstraint::On(condition) = constraint
            {
                self.condition(Some(condition));
            }
        }
    }

    fn factor(&mut self, factor: &TableFactor) {
        match factor {
            TableFactor::Derived { subquery, .. } => self.query(subquery, &Outside::Unknown),
            TableFactor::NestedJoin { table_with_joins, .. } => self.table(table_with_joins),
            _ => {}
        }
    }

    /// A condition: each comparison in it is a unit.
    fn condition(&mut self, condition: Option<&Expr>) {
        match condition {
            None => {}
            // An assignment takes all that follows it.
            Some(condition) if self.skeleton.assigns_within => self.unit(condition),
            Some(Expr::BinaryOp {
                left,
                op: BinaryOperator::And | BinaryOperator::Or | BinaryOperator::Xor,
                right,
            }) => {
                self.condition(Some(left));
                self.condition(Some(right));
            }
            Some(Expr::Nested(inner) | Expr::UnaryOp { op: UnaryOperator::Not, expr: inner }) => {
                self.condition(Some(inner));
            }
            Some(Expr::Exists { subquery, .. }) => self.query(subquery, &Outside::Nothing),
            Some(unit) => self.unit(unit),
        }
    }
}

/// The sites that a part of the skeleton has.
fn numbers_in(text: &str) -> impl Iterator<Item = usize> {
    text.split(|character: char| !(character.is_ascii_alphanumeric() || matches!(character, '_' | '@')))
        .filter_map(site_of)
}

fn is_wild(item: &SelectItem) -> bool {
    !matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. })
}
