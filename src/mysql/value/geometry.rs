//! Geometries as the servers store them, 4 bytes of SRID (little-endian) and WKB, to GeoJSON and WKT.
//!
//! Sources: MySQL's `sql/spatial.h` (the stored form), `sql/item_geofunc.cc` (Item_func_as_geojson); OGC 06-103r4, 8.2 (WKB);
//! RFC 7946 (GeoJSON).
//!
//! The crate geozero was looked at: it writes `[1,2]` where the server writes `[1.0,2.0]`, digits without an exponent, spaces after
//! colons and no `crs`, and allocates for each position. Ours is the server's text, and bounds how deep collections nest.

use crate::json::number;
use crate::mysql::wire::{Malformed, Reader};

const WHAT: &str = "geometry";
/// How deep collections may nest: far more than anybody draws, and no danger to the stack.
const MAX_DEPTH: usize = 64;
const SRID_BYTES: usize = 4;

/// A geometry's SRID (0 for none) and WKB; `None` for bytes too few for both.
pub(crate) fn split(stored: &[u8]) -> Option<(u32, &[u8])> {
    let (srid, wkb) = stored.split_first_chunk::<SRID_BYTES>()?;
    (!wkb.is_empty()).then_some((u32::from_le_bytes(*srid), wkb))
}

/// Appends GeoJSON, with the coordinates in the order they are stored, which is longitude before latitude in every geographic system,
/// as `ST_AsGeoJSON` has it. A SRID other than 0 becomes a `crs` as with that function's option 2.
///
/// # Errors
///
/// For bytes that are no geometry; `out` is then as it was.
pub(crate) fn write_geo_json(stored: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let (srid, wkb) = split(stored).ok_or(Malformed(WHAT))?;
    write(Notation::GeoJson { srid }, wkb, out)
}

/// Appends well-known text, `POINT (1 2)`, without the SRID.
///
/// # Errors
///
/// For bytes that are no geometry; `out` is then as it was.
pub(crate) fn write_wkt(stored: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let (_, wkb) = split(stored).ok_or(Malformed(WHAT))?;
    write(Notation::Wkt, wkb, out)
}

fn write(notation: Notation, wkb: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let start = out.len();
    let mut writer = Writer { reader: Reader::new(wkb, WHAT), out, notation };
    let mut written = writer.geometry(0);
    if !writer.reader.is_empty() {
        written = Err(Malformed(WHAT));
    }
    if written.is_err() {
        out.truncate(start);
    }
    written
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notation {
    GeoJson { srid: u32 },
    Wkt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Point,
    LineString,
    Polygon,
    MultiPoint,
    MultiLineString,
    MultiPolygon,
    Collection,
}

impl Kind {
    fn from_code(code: u32) -> Option<Self> {
        Some(match code {
            1 => Self::Point,
            2 => Self::LineString,
            3 => Self::Polygon,
            4 => Self::MultiPoint,
            5 => Self::MultiLineString,
            6 => Self::MultiPolygon,
            7 => Self::Collection,
            _ => return None,
        })
    }

    /// The names in GeoJSON and in WKT.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Point => ("Point", "POINT"),
            Self::LineString => ("LineString", "LINESTRING"),
            Self::Polygon => ("Polygon", "POLYGON"),
            Self::MultiPoint => ("MultiPoint", "MULTIPOINT"),
            Self::MultiLineString => ("MultiLineString", "MULTILINESTRING"),
            Self::MultiPolygon => ("MultiPolygon", "MULTIPOLYGON"),
            Self::Collection => ("GeometryCollection", "GEOMETRYCOLLECTION"),
        }
    }
}

/// What stands in front of every geometry, nested ones too.
#[derive(Debug, Clone, Copy)]
struct Header {
    kind: Kind,
    big_endian: bool,
}

struct Writer<'a, 'o> {
    reader: Reader<'a>,
    out: &'o mut Vec<u8>,
    notation: Notation,
}

impl Writer<'_, '_> {
    /// A geometry with its name.
    fn geometry(&mut self, depth: usize) -> Result<(), Malformed> {
        if depth > MAX_DEPTH {
            return Err(Malformed("geometry: collections nested too deep"));
        }
        let header = self.header()?;
        let (json_name, wkt_name) = header.kind.names();
        match self.notation {
            Notation::GeoJson { srid } => {
                self.push("{\"type\":\"");
                self.push(json_name);
                self.push("\",");
                if depth == 0 && srid != 0 {
                    self.push("\"crs\":{\"type\":\"name\",\"properties\":{\"name\":\"EPSG:");
                    self.push(itoa::Buffer::new().format(srid));
                    self.push("\"}},");
                }
                self.push(if header.kind == Kind::Collection { "\"geometries\":" } else { "\"coordinates\":" });
                self.body(header, depth)?;
                self.push("}");
            }
            Notation::Wkt => {
                self.push(wkt_name);
                self.push(" ");
                self.body(header, depth)?;
            }
        }
        Ok(())
    }

    fn body(&mut self, header: Header, depth: usize) -> Result<(), Malformed> {
        let big_endian = header.big_endian;
        let part = match header.kind {
            Kind::Point => return self.point(big_endian),
            Kind::LineString => return self.list(big_endian, |writer| writer.position(big_endian)),
            Kind::Polygon => {
                return self.list(big_endian, |writer| writer.list(big_endian, |writer| writer.position(big_endian)));
            }
            Kind::Collection => return self.list(big_endian, |writer| writer.geometry(depth + 1)),
            Kind::MultiPoint => Kind::Point,
            Kind::MultiLineString => Kind::LineString,
            Kind::MultiPolygon => Kind::Polygon,
        };
        self.list(big_endian, |writer| {
            let header = writer.header()?;
            if header.kind != part {
                return Err(Malformed(WHAT));
            }
            writer.body(header, depth)
        })
    }

    fn header(&mut self) -> Result<Header, Malformed> {
        let big_endian = match self.reader.u8()? {
            0 => true,
            1 => false,
            _ => return Err(Malformed(WHAT)),
        };
        let kind = Kind::from_code(self.u32(big_endian)?).ok_or(Malformed(WHAT))?;
        Ok(Header { kind, big_endian })
    }

    /// A count, and that many parts. The count may be wrong, but reading ends with the bytes.
    fn list(
        &mut self,
        big_endian: bool,
        mut part: impl FnMut(&mut Self) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        let count = self.u32(big_endian)?;
        let (open, separator, close) = match self.notation {
            Notation::GeoJson { .. } => ("[", ",", "]"),
            Notation::Wkt if count == 0 => {
                self.push("EMPTY");
                return Ok(());
            }
            Notation::Wkt => ("(", ", ", ")"),
        };
        self.push(open);
        for index in 0..count {
            if index > 0 {
                self.push(separator);
            }
            part(self)?;
        }
        self.push(close);
        Ok(())
    }

    /// WKB has no empty point; not-a-numbers stand for it.
    fn point(&mut self, big_endian: bool) -> Result<(), Malformed> {
        let is_wkt = self.notation == Notation::Wkt;
        let (x, y) = (self.f64(big_endian)?, self.f64(big_endian)?);
        if x.is_nan() && y.is_nan() {
            self.push(if is_wkt { "EMPTY" } else { "[]" });
            return Ok(());
        }
        if is_wkt {
            self.push("(");
        }
        self.coordinates(x, y)?;
        if is_wkt {
            self.push(")");
        }
        Ok(())
    }

    fn position(&mut self, big_endian: bool) -> Result<(), Malformed> {
        let (x, y) = (self.f64(big_endian)?, self.f64(big_endian)?);
        self.coordinates(x, y)
    }

    fn coordinates(&mut self, x: f64, y: f64) -> Result<(), Malformed> {
        if !x.is_finite() || !y.is_finite() {
            return Err(Malformed("geometry: a coordinate that is not a number"));
        }
        match self.notation {
            Notation::GeoJson { .. } => {
                self.push("[");
                number(self.out, x);
                self.push(",");
                number(self.out, y);
                self.push("]");
            }
            Notation::Wkt => {
                use std::io::Write;
                // Writing to a vector cannot fail. This form has no exponent, which WKT's readers need not know.
                let _ = write!(self.out, "{x} {y}");
            }
        }
        Ok(())
    }

    fn u32(&mut self, big_endian: bool) -> Result<u32, Malformed> {
        let value = self.reader.u32()?;
        Ok(if big_endian { value.swap_bytes() } else { value })
    }

    fn f64(&mut self, big_endian: bool) -> Result<f64, Malformed> {
        let bits = self.reader.u64()?;
        Ok(f64::from_bits(if big_endian { bits.swap_bytes() } else { bits }))
    }

    fn push(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn point(x: f64, y: f64) -> Vec<u8> {
        let mut wkb = vec![1, 1, 0, 0, 0];
        wkb.extend(x.to_le_bytes());
        wkb.extend(y.to_le_bytes());
        wkb
    }

    /// Positions after a count.
    fn positions(positions: &[(f64, f64)]) -> Vec<u8> {
        let mut bytes = (positions.len() as u32).to_le_bytes().to_vec();
        for (x, y) in positions {
            bytes.extend(x.to_le_bytes());
            bytes.extend(y.to_le_bytes());
        }
        bytes
    }

    /// A geometry of parts after a count.
    fn parts(kind: u8, parts: &[Vec<u8>]) -> Vec<u8> {
        let mut wkb = vec![1, kind, 0, 0, 0];
        wkb.extend((parts.len() as u32).to_le_bytes());
        wkb.extend(parts.concat());
        wkb
    }

    fn line(points: &[(f64, f64)]) -> Vec<u8> {
        [vec![1, 2, 0, 0, 0], positions(points)].concat()
    }

    fn stored(srid: u32, wkb: &[u8]) -> Vec<u8> {
        [&srid.to_le_bytes(), wkb].concat()
    }

    fn geo_json(srid: u32, wkb: &[u8]) -> String {
        let mut out = Vec::new();
        write_geo_json(&stored(srid, wkb), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn wkt(wkb: &[u8]) -> String {
        let mut out = Vec::new();
        write_wkt(&stored(0, wkb), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    const SQUARE: [(f64, f64); 4] = [(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 0.0)];
    const HOLE: [(f64, f64); 4] = [(1.0, 1.0), (2.0, 1.0), (2.0, 2.0), (1.0, 1.0)];

    #[test]
    fn the_seven_types() {
        let polygon = parts(3, &[positions(&SQUARE), positions(&HOLE)]);
        let multi_point = parts(4, &[point(1.0, 2.0), point(3.0, 4.0)]);
        let multi_line = parts(5, &[line(&[(0.0, 0.0), (1.0, 1.5)])]);
        let multi_polygon = parts(6, &[parts(3, &[positions(&SQUARE)])]);
        let cases: [(Vec<u8>, &str, &str); 7] = [
            (point(1.0, -2.5), r#"{"type":"Point","coordinates":[1.0,-2.5]}"#, "POINT (1 -2.5)"),
            (
                line(&[(0.0, 0.0), (1e21, 1e-7)]),
                r#"{"type":"LineString","coordinates":[[0.0,0.0],[1e+21,1e-7]]}"#,
                "LINESTRING (0 0, 1000000000000000000000 0.0000001)",
            ),
            (
                polygon,
                r#"{"type":"Polygon","coordinates":[[[0.0,0.0],[4.0,0.0],[4.0,4.0],[0.0,0.0]],[[1.0,1.0],[2.0,1.0],[2.0,2.0],[1.0,1.0]]]}"#,
                "POLYGON ((0 0, 4 0, 4 4, 0 0), (1 1, 2 1, 2 2, 1 1))",
            ),
            (
                multi_point.clone(),
                r#"{"type":"MultiPoint","coordinates":[[1.0,2.0],[3.0,4.0]]}"#,
                "MULTIPOINT ((1 2), (3 4))",
            ),
            (
                multi_line,
                r#"{"type":"MultiLineString","coordinates":[[[0.0,0.0],[1.0,1.5]]]}"#,
                "MULTILINESTRING ((0 0, 1 1.5))",
            ),
            (
                multi_polygon,
                r#"{"type":"MultiPolygon","coordinates":[[[[0.0,0.0],[4.0,0.0],[4.0,4.0],[0.0,0.0]]]]}"#,
                "MULTIPOLYGON (((0 0, 4 0, 4 4, 0 0)))",
            ),
            (
                parts(7, &[point(1.0, 2.0), parts(7, &[multi_point])]),
                r#"{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[1.0,2.0]},{"type":"GeometryCollection","geometries":[{"type":"MultiPoint","coordinates":[[1.0,2.0],[3.0,4.0]]}]}]}"#,
                "GEOMETRYCOLLECTION (POINT (1 2), GEOMETRYCOLLECTION (MULTIPOINT ((1 2), (3 4))))",
            ),
        ];
        for (wkb, json, text) in cases {
            assert_eq!(geo_json(0, &wkb), json);
            assert_eq!(wkt(&wkb), text);
        }
    }

    #[test]
    fn as_a_server_prints_them() {
        let captured: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/data/forms/geometry.json")).unwrap();
        for geometry in captured["geometries"].as_array().unwrap() {
            let digits = geometry["stored"].as_str().unwrap().as_bytes();
            let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
            let stored: Vec<u8> = digits.chunks(2).map(byte).collect();
            let mut out = Vec::new();
            write_geo_json(&stored, &mut out).unwrap();
            assert_eq!(serde_json::from_slice::<serde_json::Value>(&out).unwrap(), geometry["geoJson"]);
        }
    }

    #[test]
    fn empty_ones() {
        assert_eq!(geo_json(0, &parts(7, &[])), r#"{"type":"GeometryCollection","geometries":[]}"#);
        assert_eq!(wkt(&parts(7, &[])), "GEOMETRYCOLLECTION EMPTY");
        assert_eq!(geo_json(0, &point(f64::NAN, f64::NAN)), r#"{"type":"Point","coordinates":[]}"#);
        assert_eq!(wkt(&point(f64::NAN, f64::NAN)), "POINT EMPTY");
        assert_eq!(wkt(&parts(6, &[parts(3, &[])])), "MULTIPOLYGON (EMPTY)");
    }

    #[test]
    fn a_reference_system_is_named_once() {
        let wkb = parts(7, &[point(1.0, 2.0)]);
        assert_eq!(
            geo_json(4326, &wkb),
            r#"{"type":"GeometryCollection","crs":{"type":"name","properties":{"name":"EPSG:4326"}},"geometries":[{"type":"Point","coordinates":[1.0,2.0]}]}"#
        );
    }

    #[test]
    fn big_endian_as_other_programs_write_it() {
        let mut wkb = vec![0, 0, 0, 0, 1];
        wkb.extend(1.0_f64.to_be_bytes());
        wkb.extend(2.0_f64.to_be_bytes());
        assert_eq!(wkt(&wkb), "POINT (1 2)");
    }

    #[test]
    fn what_is_no_geometry_leaves_nothing() {
        let nested = (0..=MAX_DEPTH).fold(point(0.0, 0.0), |inner, _| parts(7, &[inner]));
        let mut huge = parts(4, &[]);
        huge[5..9].fill(0xff);
        let trailing = [point(1.0, 2.0), vec![0]].concat();
        let wrong_part = parts(4, &[line(&[(0.0, 0.0)])]);
        for bad in [nested, huge, trailing, wrong_part, point(f64::INFINITY, 0.0), vec![1, 8, 0, 0, 0], Vec::new()] {
            let mut out = b"before".to_vec();
            assert!(write_geo_json(&stored(0, &bad), &mut out).is_err());
            assert!(write_wkt(&stored(0, &bad), &mut out).is_err());
            assert_eq!(out, b"before");
        }
        assert!(write_wkt(&[0, 0, 0], &mut Vec::new()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_geometry_or_an_error(kind in 0_u8..9, bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let stored = stored(0, &[&[1, kind, 0, 0, 0], bytes.as_slice()].concat());
            let mut out = Vec::new();
            if write_geo_json(&stored, &mut out).is_ok() {
                prop_assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
            }
            let _ = write_wkt(&stored, &mut out);
        }
    }
}
