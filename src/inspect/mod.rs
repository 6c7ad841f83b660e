//! Messages for people who look for something: chosen, shown in one form or the other, or counted by what statements they are of.
//!
//! ```text
//!   run      reads a source to its end, or follows it
//!   reader   takes messages apart and counts them
//!   output   each message in a form        top   which statements take the time
//!   choice   which messages
//!   facts    what a statement's text tells, as the proxy would say
//! ```

mod choice;
mod facts;
mod output;
mod reader;
mod run;
mod table;
mod top;

pub(crate) use choice::Choice;
pub(crate) use output::{Form, OutputConfig};
pub(crate) use reader::{Counts, InspectError};
pub(crate) use run::{Inspection, run};
pub(crate) use top::{TopConfig, TopSort};
