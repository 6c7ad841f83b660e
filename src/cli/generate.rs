//! `mysql-interceptor completions`, `man` and docs/options.md: made from the command line's own definition.

use std::io::{self, Write};

use clap::{Args, Command};
use clap_complete::Shell;

use super::exit::Failure;
use super::settings::settings_of;
use crate::settings::Setting;

const NAME: &str = "mysql-interceptor";

/// The command line of `completions`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell to complete for
    shell: Shell,
}

/// Prints the script for the shell.
pub(super) fn completions(completions: &Completions, mut command: Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut command, NAME, &mut script);
    // clap_complete 4.6.11 takes the hyphen in the name for the one before a subcommand, at one of two places of its script for bash,
    // so that a subcommand's options would not be found.
    let script = String::from_utf8_lossy(&script).replace("mysql__subcmd__interceptor", "mysql__interceptor");
    print(script.as_bytes())
}

/// Prints one page with all subcommands, a section each.
pub(super) fn man(command: Command) -> Result<(), Failure> {
    print(&page(command).map_err(Failure::failed)?)
}

pub(super) fn page(mut command: Command) -> io::Result<Vec<u8>> {
    command.build();
    let mut out = Vec::new();
    let page = clap_mangen::Man::new(command.clone());
    page.render_title(&mut out)?;
    page.render_name_section(&mut out)?;
    page.render_synopsis_section(&mut out)?;
    page.render_description_section(&mut out)?;
    let subcommands =
        command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help" && !subcommand.is_hide_set());
    for subcommand in subcommands {
        let name = subcommand.get_name().to_uppercase();
        writeln!(out, ".SH \"{name}\"")?;
        let page = clap_mangen::Man::new(subcommand.clone());
        let mut part = Vec::new();
        page.render_description_section(&mut part)?;
        page.render_options_section(&mut part)?;
        if subcommand.get_after_help().is_some() {
            page.render_extra_section(&mut part)?;
        }
        // What would be sections of a page of its own are parts of one section here.
        out.extend(String::from_utf8_lossy(&part).replace(".SH ", ".SS ").into_bytes());
    }
    page.render_version_section(&mut out)?;
    Ok(out)
}

const OPTIONS: &str = "\
# Options

Generated from the program's own tables by `mysql-interceptor options`; `INTERCEPTOR_BLESS=1 cargo test options_md` writes it again, and
a test compares it.

How flags, variables and the configuration file work together: [operations.md](operations.md#settings). In short: flags win over
environment variables, variables over the configuration file (`--config FILE`, TOML), the file over the defaults. An empty variable counts
as not set. In a variable, the values of a repeatable option stand on a line each; in the file they are a list. A switch
(`BOOL`) may stand alone on the command line, and takes a value with `=`: `--pretty=false`. `SIZE` is bytes, or `500MB`, `256MiB`, `1GiB`;
`TIME` is seconds, or `500ms`, `10m`, `1h`.
";

/// Prints docs/options.md.
pub(super) fn print_options(command: &Command) -> Result<(), Failure> {
    print(options(command).as_bytes())
}

/// The settings of all subcommands, as a document.
pub(super) fn options(command: &Command) -> String {
    let mut text = OPTIONS.to_owned();
    for name in ["proxy", "binlog", "decode", "inspect", "verify", "replay", "compare"] {
        let Some(subcommand) = command.find_subcommand(name) else { continue };
        text.push_str(&section(name, subcommand));
    }
    for subcommand in command.find_subcommand("recording").into_iter().flat_map(Command::get_subcommands) {
        text.push_str(&section(&format!("recording {}", subcommand.get_name()), subcommand));
    }
    text
}

/// The settings of one subcommand.
fn section(name: &str, subcommand: &Command) -> String {
    let mut text = String::new();
    let about = subcommand.get_about().map(ToString::to_string).unwrap_or_default();
    text.push_str(&format!("\n## {name}\n\n{about}.\n"));
    let settings = settings_of(subcommand);
    let mut groups: Vec<&str> = Vec::new();
    for setting in &settings {
        if !groups.contains(&setting.group.as_str()) {
            groups.push(&setting.group);
        }
    }
    for group in groups {
        let title = if group.is_empty() { "General" } else { group };
        text.push_str(&format!(
            "\n### {title}\n\n| flag | value | variable | key | default | meaning |\n|---|---|---|---|---|---|\n"
        ));
        settings.iter().filter(|setting| setting.group == group).for_each(|setting| text.push_str(&row(setting)));
    }
    text
}

fn row(setting: &Setting) -> String {
    let code = |text: &str| format!("`{text}`");
    let or_none = |text: Option<String>| text.as_deref().map_or(String::new(), code);
    let value = match setting.choices.is_empty() {
        true if setting.value.is_empty() => String::new(),
        true => code(&setting.value),
        false => setting.choices.iter().map(|choice| code(choice.name())).collect::<Vec<_>>().join(", "),
    };
    let default = Some(setting.default.join(",")).filter(|default| !default.is_empty());
    let sentence = |text: &str| match text.trim() {
        text if text.ends_with("...") => escaped(text),
        text => escaped(text.trim_end_matches('.')),
    };
    let paragraphs: Vec<_> = setting.help.split("\n\n").map(sentence).collect();
    let meaning = paragraphs.join(". ");
    let choices = setting.choices.iter().filter(|choice| !choice.help.is_empty());
    let choices: Vec<_> = choices.map(|choice| format!("{}: {}", code(choice.name()), escaped(&choice.help))).collect();
    let choices = if choices.is_empty() { String::new() } else { format!(". {}", choices.join("; ")) };
    let hidden = if setting.is_hidden { " (not in `--help`)" } else { "" };
    let cells = [
        code(&setting.flag),
        value,
        or_none(setting.variable.clone()),
        or_none(setting.key()),
        or_none(default),
        format!("{meaning}{choices}{hidden}"),
    ];
    format!("| {} |\n", cells.join(" | "))
}

/// Nothing in a help text is Markdown.
fn escaped(text: &str) -> String {
    let escape = |c: char| if "|*_<>[]".contains(c) { format!("\\{c}") } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// A reader that goes away is no error.
pub(super) fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format_args!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}
