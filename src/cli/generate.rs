//! `mysql-interceptor completions` and `man`: made from the command line's own definition.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;

use super::{FAILURE, logging};

const NAME: &str = "mysql-interceptor";

/// The command line of `completions`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell to complete for
    shell: Shell,
}

/// Prints what the shell is to read.
pub(super) fn completions(completions: &Completions, mut command: Command) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut command, NAME, &mut script);
    // clap_complete 4.6.11 takes the hyphen in the name for the one before a subcommand, at one of two places of its script for bash,
    // so that a subcommand's options would not be found.
    let script = String::from_utf8_lossy(&script).replace("mysql__subcmd__interceptor", "mysql__interceptor");
    print(script.as_bytes())
}

/// Prints one page with all subcommands, a section each.
pub(super) fn man(command: Command) -> ExitCode {
    match page(command) {
        Ok(page) => print(&page),
        Err(error) => {
            logging::complain(error);
            ExitCode::from(FAILURE)
        }
    }
}

pub(super) fn page(mut command: Command) -> io::Result<Vec<u8>> {
    command.build();
    let mut out = Vec::new();
    let page = clap_mangen::Man::new(command.clone());
    page.render_title(&mut out)?;
    page.render_name_section(&mut out)?;
    page.render_synopsis_section(&mut out)?;
    page.render_description_section(&mut out)?;
    let subcommands = command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help");
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
        // Sections of a page of its own are parts of the subcommand's section here.
        out.extend(String::from_utf8_lossy(&part).replace(".SH ", ".SS ").into_bytes());
    }
    page.render_version_section(&mut out)?;
    Ok(out)
}

/// A reader that goes away is no error.
fn print(bytes: &[u8]) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            logging::complain(format_args!("cannot write to standard output: {error}"));
            ExitCode::from(FAILURE)
        }
        _ => ExitCode::SUCCESS,
    }
}
