//! A blocking connection.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::error::ClientError;
use super::login::{Login, LoginOptions, LoginStep, our_capabilities};
use super::options::ConnectOptions;
use super::stream::Stream;
use crate::mysql::wire::{Malformed, PacketHeader, TextRow, column_count, row_end, write_packet};

/// A connection after the login.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    address: String,
    server_version: String,
    /// What was read and not used, from `start` on.
    buffer: Vec<u8>,
    /// The end of what was read into it.
    end: usize,
    start: usize,
    sequence: u8,
    /// How long the server may say nothing.
    patience: Duration,
    stop: Option<CancellationToken>,
    interrupt: Option<Arc<AtomicBool>>,
    is_logged_in: bool,
}

/// How often a reader that waits looks whether it should stop.
const LOOK: Duration = Duration::from_millis(200);
const READ_BYTES: usize = 256 * 1024;

impl Connection {
    /// Connects and logs in.
    pub(crate) fn open(options: &ConnectOptions) -> Result<Self, ClientError> {
        let address = format!("{}:{}", options.host, options.port);
        let stream = Stream::connect(&options.host, options.port, options.connect_timeout)
            .map_err(|source| ClientError::Connect { address: address.clone(), source })?;
        let mut connection = Self {
            stream,
            address,
            server_version: String::new(),
            buffer: Vec::new(),
            end: 0,
            start: 0,
            sequence: 0,
            patience: options.connect_timeout.max(Duration::from_secs(60)),
            stop: None,
            interrupt: None,
            is_logged_in: false,
        };
        connection.log_in(options)?;
        connection.is_logged_in = true;
        Ok(connection)
    }

    /// The server's version as its greeting has it.
    pub(crate) fn server_version(&self) -> &str {
        &self.server_version
    }

    pub(crate) fn is_mariadb(&self) -> bool {
        self.server_version.contains("MariaDB")
    }

    fn log_in(&mut self, options: &ConnectOptions) -> Result<(), ClientError> {
        let address = self.address.clone();
        let mut login = Login::new(LoginOptions::new(&options.user, &options.password, options.tls.mode), &address);
        let mut packet = Vec::new();
        loop {
            self.read_packet(&mut packet)?;
            match login.packet(&packet)? {
                LoginStep::Listen => {}
                LoginStep::Send(payload) => self.write_packet(&payload)?,
                LoginStep::StartTls(request) => {
                    self.write_packet(&request)?;
                    self.stream
                        .start_tls(&options.tls, &options.host)
                        .map_err(|reason| ClientError::Tls { address: address.clone(), reason })?;
                    self.write_packet(&login.secured()?)?;
                }
                LoginStep::Done => break,
            }
        }
        self.server_version = login.server_version().to_owned();
        Ok(())
    }

    /// Sends a command without waiting for an answer.
    pub(crate) fn command(&mut self, payload: &[u8]) -> Result<(), ClientError> {
        self.sequence = 0;
        self.write_packet(payload)
    }

    /// Sends a command that is answered by OK.
    pub(crate) fn command_ok(&mut self, payload: &[u8]) -> Result<(), ClientError> {
        self.command(payload)?;
        let mut packet = Vec::new();
        self.read_packet(&mut packet)?;
        self.check_error(&packet)
    }

    /// Runs a statement and returns its rows, each column as text or NULL; no rows for one without a result.
    pub(crate) fn query(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>, ClientError> {
        self.command(&[&[3], sql.as_bytes()].concat())?;
        let mut packet = Vec::new();
        self.read_packet(&mut packet)?;
        self.check_error(&packet)?;
        if packet.first() == Some(&0) {
            return Ok(Vec::new());
        }
        // DEPRECATE_EOF is not asked for, so every server speaks the same dialect: EOF after the definitions and after the rows.
        let capabilities = our_capabilities();
        let (columns, _) = column_count(&packet, capabilities).map_err(|what| self.malformed(what))?;
        for _ in 0..=columns {
            self.read_packet(&mut packet)?;
        }
        let mut rows = Vec::new();
        loop {
            self.read_packet(&mut packet)?;
            self.check_error(&packet)?;
            let end = row_end(&packet, packet.len() as u64, capabilities).map_err(|what| self.malformed(what))?;
            if end.is_some() {
                return Ok(rows);
            }
            let text = |value: Option<&[u8]>| value.map(|text| String::from_utf8_lossy(text).into_owned());
            let row: Result<Vec<_>, _> = TextRow::new(&packet).map(|value| value.map(text)).collect();
            rows.push(row.map_err(|what| self.malformed(what))?);
        }
    }

    /// Where the server's binlog ends: file, offset, and more; no row if it writes no binlog.
    pub(crate) fn binlog_status(&mut self) -> Result<Vec<Vec<Option<String>>>, ClientError> {
        if !self.is_mariadb() {
            match self.query("SHOW BINARY LOG STATUS") {
                // Servers before 8.2.
                Err(ClientError::Server { code: 1064, .. }) => {}
                result => return result,
            }
        }
        self.query("SHOW MASTER STATUS")
    }

    /// The first column of the first row.
    pub(crate) fn query_one(&mut self, sql: &str) -> Result<Option<String>, ClientError> {
        Ok(self.query(sql)?.into_iter().next().and_then(|row| row.into_iter().next()).flatten())
    }

    /// How long the server may say nothing from now on before the connection counts as broken.
    pub(crate) fn set_patience(&mut self, patience: Duration) -> Result<(), ClientError> {
        self.patience = patience;
        self.stream.set_read_timeout(Some(LOOK)).map_err(|source| self.io(source))
    }

    /// Reading fails when the token is cancelled.
    pub(crate) fn stop_with(&mut self, stop: CancellationToken) {
        self.stop = Some(stop);
    }

    /// Reading also fails when this flag is set.
    pub(crate) fn interrupt_with(&mut self, flag: Arc<AtomicBool>) {
        self.interrupt = Some(flag);
    }

    /// Whether everything that was read has been used.
    pub(crate) fn is_idle(&self) -> bool {
        self.start == self.end
    }

    /// Reads one packet, put together where it was split, into `packet`.
    pub(crate) fn read_packet(&mut self, packet: &mut Vec<u8>) -> Result<(), ClientError> {
        packet.clear();
        loop {
            let header = self.header()?;
            self.sequence = header.sequence.wrapping_add(1);
            self.copy(header.length, packet)?;
            if !header.is_continued() {
                return Ok(());
            }
        }
    }

    /// Takes the next packet's header, read if it is not there yet.
    fn header(&mut self) -> Result<PacketHeader, ClientError> {
        loop {
            let there = self.buffer.get(self.start..self.end).unwrap_or_default();
            if let Some(header) = there.first_chunk() {
                self.start += PacketHeader::LENGTH;
                return Ok(PacketHeader::parse(*header));
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<(), ClientError> {
        use std::io::ErrorKind::{Interrupted, TimedOut, UnexpectedEof, WouldBlock};
        // Never smaller than it is: the memory is zeroed once.
        self.buffer.resize(READ_BYTES, 0);
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let filled = self.end;
        let since = Instant::now();
        let result = loop {
            let read = self.stream.read(self.buffer.get_mut(filled..).unwrap_or_default());
            match read {
                Ok(0) => break Err(UnexpectedEof.into()),
                Err(error) if matches!(error.kind(), WouldBlock | TimedOut | Interrupted) => {
                    let is_stopped = self.stop.as_ref().is_some_and(CancellationToken::is_cancelled);
                    let is_interrupted = self.interrupt.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed));
                    if is_stopped || is_interrupted {
                        break Err(std::io::Error::new(TimedOut, "stopped"));
                    }
                    if since.elapsed() >= self.patience {
                        break Err(std::io::Error::new(
                            TimedOut,
                            "the server has gone silent, without even heartbeats",
                        ));
                    }
                }
                read => break read,
            }
        };
        self.end += result.as_ref().copied().unwrap_or(0);
        result.map(drop).map_err(|source| self.io(source))
    }

    fn copy(&mut self, mut length: usize, packet: &mut Vec<u8>) -> Result<(), ClientError> {
        while length > 0 {
            if self.start == self.end {
                self.fill()?;
            }
            let there = self.buffer.get(self.start..self.end).unwrap_or_default();
            let part = there.get(..length).unwrap_or(there);
            packet.extend_from_slice(part);
            length -= part.len();
            self.start += part.len();
        }
        Ok(())
    }

    fn write_packet(&mut self, payload: &[u8]) -> Result<(), ClientError> {
        let mut whole = Vec::new();
        self.sequence = write_packet(&mut whole, payload, self.sequence);
        self.stream.write_all(&whole).and_then(|()| self.stream.flush()).map_err(|source| self.io(source))
    }

    /// An error if the packet is one.
    pub(crate) fn check_error(&self, packet: &[u8]) -> Result<(), ClientError> {
        if packet.first() != Some(&0xff) {
            return Ok(());
        }
        Err(ClientError::of_packet(&self.address, packet, self.is_logged_in))
    }

    pub(crate) fn malformed(&self, what: Malformed) -> ClientError {
        ClientError::Malformed { address: self.address.clone(), what }
    }

    fn io(&self, source: std::io::Error) -> ClientError {
        ClientError::Io { address: self.address.clone(), source }
    }
}
