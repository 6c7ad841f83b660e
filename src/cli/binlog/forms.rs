//! The values of settings that choose among the forms of rows.

use strum::{EnumMessage, VariantArray};

#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumMessage, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Kind {
    /// New rows
    Insert,
    /// Changed rows
    Update,
    /// Deleted rows
    Delete,
    /// Statements that change definitions
    Ddl,
    /// Statements logged as text (binlog_format=STATEMENT or MIXED)
    Statement,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumMessage, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum BigInt {
    /// As a number, with all its digits
    Number,
    /// As a string
    String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumMessage, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Progress {
    /// A bar if standard error is a terminal and rows do not go to it
    Auto,
    /// A bar
    Bar,
    /// Log lines
    Log,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumMessage, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Format {
    /// {"type":..,"database":..,"table":..,"before":..,"after":..,...}
    Native,
    /// The events of Debezium's connectors
    Debezium,
    /// The messages of Maxwell's daemon
    Maxwell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumMessage, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum GeometryForm {
    /// base64 of SRID and WKB, as the server stores them
    Wkb,
    /// GeoJSON
    Geojson,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumMessage, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum DecimalForm {
    /// base64 of the unscaled value, two's complement
    Precise,
    /// The digits
    String,
    /// A number, which may lose digits
    Double,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumMessage, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum BigintUnsignedForm {
    /// A signed number, negative from 2^63 on
    Long,
    /// base64 of the value, two's complement
    Precise,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumMessage, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum ParquetLayout {
    /// Nine columns, the same for all tables
    Events,
    /// The table's own columns
    Table,
}
