//! What a part of a parsed statement has: literals, and names with keys, followed through the aliases that the statement gives them.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, Ident, Query, Select, SelectItem, Statement, TableFactor, Value, ValueWithSpan, Visit,
    Visitor,
};

use super::sites::Site;
use super::skeleton::{Skeleton, site_of};

/// What a part of a statement has.
pub(super) struct Content<'s> {
    skeleton: &'s Skeleton,
    sites: &'s [Site],
    /// Aliases of what has a key in its name.
    aliases: &'s HashSet<String>,
    pub(super) literals: Vec<usize>,
    names_key: bool,
    /// A literal's text contains a key.
    says_key: bool,
    /// Something other than plain comparisons: a literal may be a name to it, as a JSON path is.
    computes: bool,
}

impl<'s> Content<'s> {
    pub(super) fn of<V: Visit>(
        part: &V,
        skeleton: &'s Skeleton,
        sites: &'s [Site],
        aliases: &'s HashSet<String>,
    ) -> Self {
        let mut content =
            Self { skeleton, sites, aliases, literals: Vec::new(), names_key: false, says_key: false, computes: false };
        let _ = part.visit(&mut content);
        content
    }

    pub(super) fn is_secret(&self) -> bool {
        self.names_key || (self.says_key && self.computes)
    }

    fn literal(&mut self, number: &str) {
        if let Some(number) = site_of(number) {
            self.says_key |= self.sites.get(number).is_none_or(|site| site.has_key);
            self.literals.push(number);
        }
    }
}

impl Visitor for Content<'_> {
    type Break = ();

    fn pre_visit_ident(&mut self, ident: &Ident) -> ControlFlow<()> {
        self.names_key |= is_key(ident) || self.aliases.contains(&original(self.skeleton, ident));
        // A string as an alias.
        if ident.quote_style == Some('\'') {
            let number = site_of(&ident.value);
            self.names_key |= number.is_none_or(|number| self.sites.get(number).is_none_or(|site| site.has_key));
            self.literals.extend(number);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<()> {
        match &value.value {
            Value::Number(number, _) | Value::SingleQuotedString(number) | Value::HexStringLiteral(number) => {
                self.literal(number);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        self.computes |= match expr {
            Expr::BinaryOp { op, .. } => !is_comparison(op),
            Expr::Identifier(_)
            | Expr::CompoundIdentifier(_)
            | Expr::Value(_)
            | Expr::Like { .. }
            | Expr::InList { .. }
            | Expr::Between { .. }
            | Expr::Nested(_)
            | Expr::Tuple(_)
            | Expr::Collate { .. }
            | Expr::IsNull(_)
            | Expr::IsNotNull(_) => false,
            _ => true,
        };
        ControlFlow::Continue(())
    }
}

fn is_comparison(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
            | BinaryOperator::Spaceship
            | BinaryOperator::And
            | BinaryOperator::Or
            | BinaryOperator::Xor
    )
}

/// Whether it stands for a name with a key; see [`Skeleton::key_names`].
fn is_key(ident: &Ident) -> bool {
    match ident.quote_style {
        Some('`') => ident.value.starts_with('k'),
        _ => ident.value.starts_with("@k"),
    }
}

fn original(skeleton: &Skeleton, ident: &Ident) -> String {
    skeleton.original(&ident.value, ident.quote_style == Some('`'))
}

/// The names that a statement gives to what has a key in its name.
pub(super) fn aliases_of_keys(statement: &Statement, skeleton: &Skeleton, sites: &[Site]) -> Option<HashSet<String>> {
    let mut found = HashSet::new();
    // Each round follows the names by one more step.
    for _ in 0..ROUNDS {
        let mut aliases = Aliases { skeleton, sites, known: &found, new: HashSet::new(), gives_up: false };
        let _ = statement.visit(&mut aliases);
        if aliases.gives_up {
            return None;
        }
        let new = aliases.new;
        if new.is_subset(&found) {
            return Some(found);
        }
        found.extend(new);
    }
    None
}

const ROUNDS: usize = 8;

struct Aliases<'s> {
    skeleton: &'s Skeleton,
    sites: &'s [Site],
    known: &'s HashSet<String>,
    new: HashSet<String>,
    gives_up: bool,
}

impl Aliases<'_> {
    fn is_secret<V: Visit>(&self, part: &V) -> bool {
        Content::of(part, self.skeleton, self.sites, self.known).is_secret()
    }

    /// Columns of a query get names by their places: all of them, then.
    fn renamed<'i>(&mut self, query: &Query, names: impl Iterator<Item = &'i Ident>) {
        let names: Vec<_> = names.map(|name| original(self.skeleton, name)).collect();
        if !names.is_empty() && self.is_secret(query) {
            self.new.extend(names);
        }
    }
}

impl Visitor for Aliases<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { expr, alias } = item
                && self.is_secret(expr)
            {
                // A string for an alias has a number of its own in each place.
                self.gives_up |= alias.quote_style == Some('\'');
                self.new.insert(original(self.skeleton, alias));
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.renamed(&cte.query, cte.alias.columns.iter().map(|column| &column.name));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Derived { subquery, alias: Some(alias), .. } = factor {
            self.renamed(subquery, alias.columns.iter().map(|column| &column.name));
        }
        ControlFlow::Continue(())
    }
}
