//! Arrows point one way: the imports of `src` against the order that `src/lib.rs` draws.
//!
//! What counts as an import: every path in a file (in `use` and elsewhere) that leads to another file, by way of a parent's re-export
//! too. What is compiled only for tests or fuzzing does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Rooms that take bytes and times as arguments: what they may not name.
const PURE_ROOMS: [&str; 6] = ["session", "message", "mysql", "rules", "pretty", "audit"];
const IMPURE: [&str; 12] = [
    "tokio",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "UnixStream",
    "ToSocketAddrs",
    "std::fs",
    "std::thread",
    "std::process",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
];

#[test]
fn rooms_use_only_what_stands_below_them() {
    let house = House::read();
    for module in house.files.keys() {
        let Some(rooms) = house.order_of_children(module) else { continue };
        let drawn: BTreeSet<_> = rooms.keys().cloned().collect();
        let built: BTreeSet<_> = house.children(module).map(|child| last_name(child).to_owned()).collect();
        assert_eq!(drawn, built, "the rooms drawn in the header of {module:?} and its modules");
    }
    let wrong = house.arrows_up();
    assert!(wrong.is_empty(), "imports against the order of the rooms: {wrong:#?}");
}

#[test]
fn files_import_each_other_in_no_circle() {
    let house = House::read();
    let cycles = house.cycles();
    for cycle in &cycles {
        for module in cycle {
            let inside: Vec<_> = house.imports[module].iter().filter(|other| cycle.contains(other)).collect();
            eprintln!("{module} imports {inside:?}");
        }
        eprintln!();
    }
    assert!(cycles.is_empty(), "files that import each other in a circle: {cycles:#?}");
}

#[test]
fn only_the_command_line_knows_clap() {
    let house = House::read();
    let users =
        house.files.iter().filter(|(_, file)| file.paths.iter().any(|path| path.iter().any(|name| name == "clap")));
    let outside: Vec<_> = users.map(|(module, _)| module.as_str()).filter(|module| room(module) != "cli").collect();
    assert!(outside.is_empty(), "clap is used outside cli: {outside:?}");
}

#[test]
fn pure_rooms_have_no_sockets_files_threads_or_clocks() {
    let house = House::read();
    let mut found = Vec::new();
    for (module, file) in house.files.iter().filter(|(module, _)| PURE_ROOMS.contains(&room(module))) {
        for path in file.paths.iter().map(|path| format!("::{}::", path.join("::"))) {
            found.extend(IMPURE.iter().filter(|name| path.contains(&format!("::{name}::"))).map(|name| (module, name)));
        }
    }
    assert!(found.is_empty(), "{found:?}");
}

/// The first name of a module's path.
fn room(module: &str) -> &str {
    module.split("::").next().unwrap_or_default()
}

fn last_name(module: &str) -> &str {
    module.rsplit("::").next().unwrap_or_default()
}

/// One source file.
#[derive(Debug)]
struct File {
    header: Vec<String>,
    /// Every path that the file names outside `use`, and those of what it takes with `use` for itself.
    paths: Vec<Vec<String>>,
    /// What `use` brings in, by the name it has here: a path through this file to such a name leads on to where it is defined.
    names: BTreeMap<String, Vec<String>>,
}

impl File {
    fn parse(text: &str, tokens: &[String]) -> Self {
        let (uses, rest) = split_uses(tokens);
        let mut paths = paths(&rest);
        let mut names = BTreeMap::new();
        for Use { is_public, name, path } in uses {
            // A re-export is no import of this file's unless it needs the name itself.
            if !is_public || rest.contains(&name) {
                paths.push(path.clone());
            }
            names.insert(name, path);
        }
        let header = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::to_owned).collect();
        Self { header, paths, names }
    }
}

/// All files that are part of the program, by the path of their module; `""` is `lib.rs`.
#[derive(Debug, Default)]
struct House {
    files: BTreeMap<String, File>,
    imports: BTreeMap<String, BTreeSet<String>>,
}

impl House {
    fn read() -> Self {
        let mut house = Self::default();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        house.add("", source.join("lib.rs"), &source);
        assert!(house.files.len() > 200, "only {} files were found", house.files.len());
        for (module, file) in &house.files {
            let targets = file.paths.iter().filter_map(|path| house.resolve(module, path)).filter(|to| to != module);
            house.imports.insert(module.clone(), targets.collect());
        }
        house
    }

    /// Adds a file and those of the modules that it declares.
    fn add(&mut self, module: &str, path: PathBuf, folder: &Path) {
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let tokens = without_tests(tokens(&text));
        let names = declared_modules(&tokens);
        self.files.insert(module.to_owned(), File::parse(&text, &tokens));
        for name in names {
            let child = join(module, &name);
            let inner = folder.join(&name);
            let single = folder.join(format!("{name}.rs"));
            let path = if single.exists() { single } else { inner.join("mod.rs") };
            self.add(&child, path, &inner);
        }
    }

    /// The file that defines what a path in `module` names; `None` for what is not this crate's, or this file's own.
    fn resolve(&self, module: &str, path: &[String]) -> Option<String> {
        let mut place = module.to_owned();
        let mut rest = path;
        let first = path.first()?.as_str();
        if first == "crate" {
            place.clear();
            rest = &path[1..];
        } else if first == "self" {
            rest = &path[1..];
        } else if first == "super" {
            while let Some((first, others)) = rest.split_first()
                && first == "super"
            {
                place = place.rsplit_once("::").map(|(parent, _)| parent.to_owned()).unwrap_or_default();
                rest = others;
            }
        } else if !self.files.contains_key(&join(module, first)) {
            return None;
        }
        while let Some((name, others)) = rest.split_first() {
            let child = join(&place, name);
            if self.files.contains_key(&child) {
                place = child;
                rest = others;
            } else if let Some(target) = self.files[&place].names.get(name)
                && target.as_slice() != path
            {
                let whole: Vec<_> = target.iter().chain(others).cloned().collect();
                return self.resolve(&place, &whole).or(Some(place));
            } else {
                break;
            }
        }
        Some(place)
    }

    fn children<'a>(&'a self, module: &'a str) -> impl Iterator<Item = &'a String> {
        let is_child = move |child: &&String| match child.rsplit_once("::") {
            Some((parent, _)) => parent == module,
            None => module.is_empty() && !child.is_empty(),
        };
        self.files.keys().filter(is_child)
    }

    /// The rooms that a module's header draws, with the line each stands on.
    fn order_of_children(&self, module: &str) -> Option<BTreeMap<String, usize>> {
        let header = &self.files[module].header;
        let begin = header.iter().position(|line| line.contains("from top to bottom"))?;
        let lines = header[begin..].iter().skip_while(|line| !line.contains("```text")).skip(1);
        let mut order = BTreeMap::new();
        for (row, line) in lines.take_while(|line| !line.contains("```")).enumerate() {
            // `   one, two   what they are`
            let Some(line) = line.strip_prefix("   ").filter(|line| !line.starts_with(' ')) else { continue };
            let names = line.split("  ").next().unwrap_or_default();
            order.extend(names.split(", ").map(|name| (name.trim().to_owned(), row)));
        }
        Some(order)
    }

    /// Arrows between rooms that do not point down, wherever an order is drawn.
    fn arrows_up(&self) -> BTreeSet<(String, String)> {
        let mut wrong = BTreeSet::new();
        for parent in self.files.keys() {
            let Some(order) = self.order_of_children(parent) else { continue };
            let prefix = if parent.is_empty() { String::new() } else { format!("{parent}::") };
            let room_of = |module: &str| module.strip_prefix(&prefix).map(|rest| room(rest).to_owned());
            for (from, targets) in &self.imports {
                for to in targets {
                    let (Some(above), Some(below)) = (room_of(from), room_of(to)) else { continue };
                    let (Some(high), Some(low)) = (order.get(&above), order.get(&below)) else { continue };
                    if above != below && high >= low {
                        wrong.insert((from.clone(), to.clone()));
                    }
                }
            }
        }
        wrong
    }

    /// The groups of files of which each leads to each, largest first (Tarjan's strongly connected components).
    fn cycles(&self) -> Vec<Vec<String>> {
        let mut search = Search::new(&self.imports);
        for module in self.imports.keys() {
            if !search.index.contains_key(module.as_str()) {
                search.visit(module);
            }
        }
        search.found
    }
}

struct Search<'a> {
    imports: &'a BTreeMap<String, BTreeSet<String>>,
    index: BTreeMap<&'a str, usize>,
    lowest: BTreeMap<&'a str, usize>,
    stack: Vec<&'a str>,
    found: Vec<Vec<String>>,
}

impl<'a> Search<'a> {
    fn new(imports: &'a BTreeMap<String, BTreeSet<String>>) -> Self {
        Self { imports, index: BTreeMap::new(), lowest: BTreeMap::new(), stack: Vec::new(), found: Vec::new() }
    }

    fn visit(&mut self, module: &'a str) {
        let number = self.index.len();
        self.index.insert(module, number);
        self.lowest.insert(module, number);
        self.stack.push(module);
        for next in &self.imports[module] {
            if !self.index.contains_key(next.as_str()) {
                self.visit(next);
                self.lowest.insert(module, self.lowest[module].min(self.lowest[next.as_str()]));
            } else if self.stack.contains(&next.as_str()) {
                self.lowest.insert(module, self.lowest[module].min(self.index[next.as_str()]));
            }
        }
        if self.lowest[module] == number
            && let Some(at) = self.stack.iter().position(|other| *other == module)
        {
            let mut group: Vec<_> = self.stack.split_off(at).into_iter().map(str::to_owned).collect();
            group.sort();
            if group.len() > 1 {
                self.found.push(group);
            }
        }
    }
}

/// Names and single characters of a source text; comments and what is in quotes are left out.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    let char_at = |at: usize| chars.get(at).copied().unwrap_or('\0');
    while at < chars.len() {
        match chars[at] {
            '/' if char_at(at + 1) == '/' => {
                while at < chars.len() && chars[at] != '\n' {
                    at += 1;
                }
            }
            '"' => {
                at += 1;
                while at < chars.len() && chars[at] != '"' {
                    at += if chars[at] == '\\' { 2 } else { 1 };
                }
                at += 1;
            }
            // A character, or a lifetime.
            '\'' => {
                if char_at(at + 1) == '\\' {
                    at += 3;
                    while char_at(at) != '\'' {
                        at += 1;
                    }
                    at += 1;
                } else if char_at(at + 2) == '\'' {
                    at += 3;
                } else {
                    at += 1;
                    while char_at(at).is_alphanumeric() || char_at(at) == '_' {
                        at += 1;
                    }
                }
            }
            first if first.is_alphanumeric() || first == '_' => {
                let begin = at;
                while char_at(at).is_alphanumeric() || char_at(at) == '_' {
                    at += 1;
                }
                let name: String = chars[begin..at].iter().collect();
                let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
                if matches!(name.as_str(), "r" | "br") && char_at(at + hashes) == '"' {
                    at += hashes + 1;
                    while at < chars.len()
                        && !(chars[at] == '"' && (1..=hashes).all(|ahead| char_at(at + ahead) == '#'))
                    {
                        at += 1;
                    }
                    at += hashes + 1;
                } else {
                    tokens.push(name);
                }
            }
            blank if blank.is_whitespace() => at += 1,
            other => {
                tokens.push(other.to_string());
                at += 1;
            }
        }
    }
    tokens
}

/// Leaves out items that are compiled only for tests or fuzzing.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token == text);
        if !(is(at, "#") && is(at + 1, "[")) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let end = end_of_group(&tokens, at + 1);
        let attribute = &tokens[at + 2..end - 1];
        let has = |name: &str| attribute.iter().any(|token| token == name);
        if attribute.first().is_some_and(|first| first == "cfg") && (has("test") || has("fuzzing")) && !has("not") {
            at = end_of_item(&tokens, end);
        } else {
            kept.extend_from_slice(&tokens[at..end]);
            at = end;
        }
    }
    kept
}

/// The place after the bracket that closes the one at `open`.
fn end_of_group(tokens: &[String], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// The place after an item, field or arm.
fn end_of_item(tokens: &[String], mut at: usize) -> usize {
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            ";" | "," => return at + 1,
            "{" => {
                let is_use = tokens.get(at - 1).is_some_and(|token| token == ":");
                at = end_of_group(tokens, at);
                if !is_use {
                    return at;
                }
            }
            "(" | "[" => at = end_of_group(tokens, at),
            "}" | ")" => return at,
            _ => at += 1,
        }
    }
    at
}

fn join(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") }
}

/// The names in `mod name;`.
fn declared_modules(tokens: &[String]) -> Vec<String> {
    let declarations = tokens.windows(3).filter(|window| window[0] == "mod" && window[2] == ";");
    declarations.map(|window| window[1].clone()).collect()
}

/// One name that `use` brings in.
#[derive(Debug)]
struct Use {
    is_public: bool,
    name: String,
    path: Vec<String>,
}

/// What the `use` items bring in, and the tokens without them.
fn split_uses(tokens: &[String]) -> (Vec<Use>, Vec<String>) {
    let (mut uses, mut rest) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "use" {
            let before = match rest.last() {
                Some(last) if last == ")" => rest.iter().rposition(|token| token == "("),
                _ => Some(rest.len()),
            };
            let is_public = before.and_then(|at| rest.get(at.checked_sub(1)?)).is_some_and(|token| token == "pub");
            let mut found = Vec::new();
            at = use_tree(tokens, at + 1, &[], &mut found);
            uses.extend(found.into_iter().map(|(name, path)| Use { is_public, name, path }));
        } else {
            rest.push(tokens[at].clone());
            at += 1;
        }
    }
    (uses, rest)
}

/// Reads the tree of a `use` from `at` on: names and their paths. Returns the place after it.
fn use_tree(tokens: &[String], mut at: usize, prefix: &[String], found: &mut Vec<(String, Vec<String>)>) -> usize {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token == text);
    let mut path = prefix.to_vec();
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "{" => {
                let end = end_of_group(tokens, at);
                at += 1;
                while at < end - 1 {
                    at = use_tree(tokens, at, &path, found) + 1;
                }
                return end;
            }
            ":" => at += 1,
            ";" | "," | "}" | "as" => break,
            name => {
                // `one::{self}` is `one`.
                if name != "self" || path.is_empty() {
                    path.push(name.to_owned());
                }
                at += 1;
            }
        }
    }
    let mut name = path.last().cloned().unwrap_or_default();
    if is(at, "as") {
        name = tokens[at + 1].clone();
        at += 2;
    }
    found.push((name, path));
    at
}

/// Every path of two names or more.
fn paths(tokens: &[String]) -> Vec<Vec<String>> {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token == text);
    let mut found = Vec::new();
    let mut path: Vec<String> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        // `pub(in crate::room)` is no import.
        if tokens[at] == "in" && at >= 2 && is(at - 1, "(") && is(at - 2, "pub") {
            at = end_of_group(tokens, at - 1);
            continue;
        }
        let is_name = tokens[at].starts_with(|c: char| c.is_alphabetic() || c == '_');
        if is_name {
            path.push(tokens[at].clone());
        }
        if is_name && is(at + 1, ":") && is(at + 2, ":") {
            at += 3;
            continue;
        }
        if path.len() > 1 {
            found.push(std::mem::take(&mut path));
        }
        path.clear();
        at += 1;
    }
    found
}

#[test]
fn paths_are_found_in_every_spelling() {
    let text = r##"
        //! use crate::a::Header;
        use crate::{b::{self, C}, d as e};
        pub(super) use child::Thing;
        pub(in crate::cli) struct Shown;
        #[cfg(test)]
        mod tests { use crate::not::This; }
        #[cfg(any(test, fuzzing))]
        use crate::nor::{This, That};
        mod one;
        #[cfg(test)]
        mod two;
        fn f<'a>(x: &'a super::g::H) -> char { let _ = "crate::i::J"; let _ = r#"" crate::k"#; let _ = ('"', '\''); std::mem::take(x) }
    "##;
    let tokens = without_tests(tokens(text));
    let (uses, rest) = split_uses(&tokens);
    let uses: Vec<_> = uses.iter().map(|u| format!("{} {} {}", u.is_public, u.name, u.path.join("::"))).collect();
    assert_eq!(uses, ["false b crate::b", "false C crate::b::C", "false e crate::d", "true Thing child::Thing"]);
    let found: Vec<_> = paths(&rest).iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["super::g::H", "std::mem::take"]);
    assert_eq!(declared_modules(&tokens), ["one"]);
}
