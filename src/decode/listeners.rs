//! Who hears what happens in a session.

use crate::publish::Publisher;
use crate::session::{
    Columns, Gap, LoginAnswer, Row, SentCommand, SessionEnd, SessionFacts, SessionListener, SessionResult, Statement,
};

/// Those of one session.
pub(super) struct Listeners {
    pub(super) publisher: Option<Publisher>,
    /// Whether anything was told of: the session can be read.
    pub(super) has_heard: bool,
}

impl Listeners {
    fn each(&mut self, tell: impl Fn(&mut dyn SessionListener)) {
        if let Some(publisher) = &mut self.publisher {
            tell(publisher);
        }
    }
}

impl SessionListener for Listeners {
    fn login(&mut self, login: &LoginAnswer<'_>) {
        self.each(|listener| listener.login(login));
    }

    fn command(&mut self, command: &SentCommand<'_>) {
        self.has_heard = true;
        self.each(|listener| listener.command(command));
    }

    fn columns(&mut self, columns: &Columns<'_>) {
        self.each(|listener| listener.columns(columns));
    }

    fn row(&mut self, row: &Row<'_>) {
        self.each(|listener| listener.row(row));
    }

    fn result(&mut self, result: &SessionResult<'_>) {
        self.each(|listener| listener.result(result));
    }

    fn statement(&mut self, statement: &Statement<'_>) {
        self.has_heard = true;
        self.each(|listener| listener.statement(statement));
    }

    fn reset(&mut self, session: &SessionFacts) {
        self.each(|listener| listener.reset(session));
    }

    fn gap(&mut self, gap: &Gap<'_>) {
        self.each(|listener| listener.gap(gap));
    }

    fn end(&mut self, end: &SessionEnd<'_>) {
        self.each(|listener| listener.end(end));
    }
}
