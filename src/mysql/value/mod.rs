//! Values as the servers store and show them: decimals, dates and times, JSON documents, geometries.

pub(crate) mod address;
pub mod decimal;
pub mod digits;
pub mod geometry;
pub mod json;
pub mod temporal;
