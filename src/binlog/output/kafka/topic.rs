//! Names of topics made from those of tables.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::deliver::MARKERS;

/// Kafka's limit.
const LONGEST_NAME: usize = 249;
/// In place of a table's name, for statements that change definitions.
const DEFINITIONS: &str = "DDL";

/// A topic's name, with `{database}` and `{table}` where those names go.
///
/// Characters that Kafka does not allow become `_`, and names are cut at 249 characters, so two tables may share a topic.
///
/// ```
/// use mysql_interceptor::binlog::TopicTemplate;
///
/// let template: TopicTemplate = "cdc.{database}.{table}".parse().unwrap();
/// assert_eq!(template.expand("shop", "old orders"), "cdc.shop.old_orders");
/// assert!("{schema}".parse::<TopicTemplate>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicTemplate {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Database,
    Table,
}

impl TopicTemplate {
    /// The topic of a table.
    pub fn expand(&self, database: &str, table: &str) -> String {
        let mut name = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Database => name.extend(database.chars().map(allowed)),
                Part::Table => name.extend(table.chars().map(allowed)),
            }
        }
        // All characters are ASCII by now.
        name.truncate(LONGEST_NAME);
        if name.is_empty() || name == "." || name == ".." { "_".repeat(name.len().max(1)) } else { name }
    }

    /// The topic of the marker stream of all these topics: `cdc.{database}.{table}` has `cdc.database.table_MARKERS`.
    pub(crate) fn markers(&self) -> String {
        let mut name = self.expand("database", "table");
        name.truncate(LONGEST_NAME - MARKERS.len());
        name + MARKERS
    }

    /// Whether it is the name of one topic.
    pub(crate) fn is_constant(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }
}

impl FromStr for TopicTemplate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (literal, field) = match rest.split_once('{') {
                None => (rest, None),
                Some((literal, field)) => (literal, Some(field)),
            };
            if let Some(character) = literal.chars().find(|character| allowed(*character) != *character) {
                return Err(format!("a topic's name has no '{character}': letters, digits, '.', '_' and '-' only"));
            }
            if !literal.is_empty() {
                parts.push(Part::Text(literal.to_owned()));
            }
            let Some(field) = field else { break };
            let (name, after) = field.split_once('}').ok_or("a '{' without '}'")?;
            parts.push(match name {
                "database" => Part::Database,
                "table" => Part::Table,
                _ => return Err(format!("'{{{name}}}' is not known: there are {{database}} and {{table}}")),
            });
            rest = after;
        }
        let template = Self { text: text.to_owned(), parts };
        if text.is_empty() || (template.is_constant() && (text.len() > LONGEST_NAME || text == "." || text == "..")) {
            return Err(format!("a topic's name has 1 to {LONGEST_NAME} characters and is not '.' or '..'"));
        }
        Ok(template)
    }
}

impl fmt::Display for TopicTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn allowed(character: char) -> char {
    if character.is_ascii_alphanumeric() || ['.', '_', '-'].contains(&character) { character } else { '_' }
}

/// The topics of tables, each made once.
#[derive(Debug, Clone)]
pub(crate) struct Topics {
    template: TopicTemplate,
    constant: Option<Arc<str>>,
    /// By database, then table.
    known: HashMap<String, HashMap<String, Arc<str>>>,
}

impl Topics {
    pub(crate) fn new(template: TopicTemplate) -> Self {
        let constant = template.is_constant().then(|| template.expand("", "").into());
        Self { template, constant, known: HashMap::new() }
    }

    pub(crate) fn of_table(&mut self, database: &str, table: &str) -> Arc<str> {
        if let Some(constant) = &self.constant {
            return Arc::clone(constant);
        }
        if let Some(topic) = self.known.get(database).and_then(|tables| tables.get(table)) {
            return Arc::clone(topic);
        }
        let topic: Arc<str> = self.template.expand(database, table).into();
        self.known.entry(database.to_owned()).or_default().insert(table.to_owned(), Arc::clone(&topic));
        topic
    }

    pub(crate) fn of_definitions(&mut self, database: &str) -> Arc<str> {
        self.of_table(database, DEFINITIONS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(template: &str, database: &str, table: &str) -> String {
        template.parse::<TopicTemplate>().unwrap().expand(database, table)
    }

    #[test]
    fn names_are_inserted_and_made_valid() {
        assert_eq!(expanded("MYSQL_ROWS", "d", "t"), "MYSQL_ROWS");
        assert_eq!(expanded("{database}.{table}", "my shop", "bestellung€n"), "my_shop.bestellung_n");
        assert_eq!(expanded("a-{table}-{table}_", "d", "t"), "a-t-t_");
        assert_eq!(expanded("{table}", "d", ".."), "__");
        assert_eq!(expanded("{table}", "d", ""), "_");
        assert_eq!(expanded(&format!("{}{{table}}", "x".repeat(240)), "d", &"y".repeat(64)).len(), 249);
    }

    #[test]
    fn names_that_no_topic_can_have_are_refused() {
        for (text, reason) in [
            ("{schema}.x", "{database} and {table}"),
            ("{table", "without '}'"),
            ("a b", "no ' '"),
            ("a}", "no '}'"),
            ("", "1 to 249"),
            ("..", "1 to 249"),
        ] {
            let error = text.parse::<TopicTemplate>().unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!("x".repeat(250).parse::<TopicTemplate>().is_err());
    }

    #[test]
    fn all_topics_have_one_marker_stream() {
        let markers = |template: &str| template.parse::<TopicTemplate>().unwrap().markers();
        assert_eq!(markers("MYSQL_ROWS"), "MYSQL_ROWS_MARKERS");
        assert_eq!(markers("cdc.{database}.{table}"), "cdc.database.table_MARKERS");
        assert_eq!(markers(&"x".repeat(249)).len(), 249);
    }

    #[test]
    fn a_table_has_one_topic() {
        let mut topics = Topics::new("{database}.{table}".parse().unwrap());
        let first = topics.of_table("a", "b");
        assert!(Arc::ptr_eq(&first, &topics.of_table("a", "b")));
        assert_eq!(&*topics.of_table("a", "c"), "a.c");
        assert_eq!(&*topics.of_definitions("a"), "a.DDL");
        assert_eq!(&*Topics::new("X".parse().unwrap()).of_definitions(""), "X");
    }
}
