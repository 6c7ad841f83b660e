//! Environment variables that look like settings and are not.

use super::rules::Note;

/// Variables that look as if they were ours and are not.
pub(crate) fn unknown_variables<'a>(given: impl Iterator<Item = &'a str>, known: &[String]) -> Vec<Note> {
    let mut unknown: Vec<_> = given
        .filter(|name| PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
        .filter(|name| !known.iter().any(|known| known == name))
        .filter(|name| !BESIDE.contains(name) && !is_of_a_service(name))
        .collect();
    unknown.sort_unstable();
    let note = |name: &str| {
        let nearest = nearest(name, known.iter().map(String::as_str));
        let meant = nearest.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default();
        Note(format!("{name}: no effect, there is no such variable{meant}"))
    };
    unknown.into_iter().map(note).collect()
}

const PREFIXES: [&str; 2] = ["INTERCEPTOR_", "DEBUGQUERYINTERCEPTOR_"];

/// What the scripts of this project call their variables.
const BESIDE: [&str; 4] = ["INTERCEPTOR_BINARY", "INTERCEPTOR_CACHE", "INTERCEPTOR_LONG", "INTERCEPTOR_TAG"];

/// Kubernetes, and Docker's links, give every container variables about a service of the name `interceptor`.
fn is_of_a_service(name: &str) -> bool {
    let is_port = |rest: &str| rest.is_empty() || rest.starts_with('_');
    ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"]
        .iter()
        .any(|end| name.split_once(end).is_some_and(|(_, rest)| is_port(rest)))
}

/// The name that was probably meant.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.map(|known| (strsim::jaro_winkler(name, known), known));
    let best = scored.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best.0 > 0.8).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_not_known_is_said_with_the_nearest_name() {
        let known =
            ["INTERCEPTOR_UPSTREAM", "INTERCEPTOR_KAFKA_TOPIC", "DEBUGQUERYINTERCEPTOR_DEBUG"].map(str::to_owned);
        let notes = |given: &[&str]| -> Vec<_> {
            unknown_variables(given.iter().copied(), &known).iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            notes(&["INTERCEPTOR_UPSTRAEM"]),
            ["INTERCEPTOR_UPSTRAEM: no effect, there is no such variable; did you mean INTERCEPTOR_UPSTREAM?"]
        );
        assert_eq!(notes(&["DEBUGQUERYINTERCEPTOR_DEBUGG"]).len(), 1);
        // Not ours, of our scripts, and what Kubernetes makes of a service.
        let others = ["INTERCEPTORS", "PATH", "INTERCEPTOR_CACHE", "INTERCEPTOR_SERVICE_HOST", "INTERCEPTOR_PORT"];
        assert!(notes(&others).is_empty());
        assert!(notes(&["INTERCEPTOR_PORT_3307_TCP_ADDR", "INTERCEPTOR_SERVICE_PORT_MYSQL"]).is_empty());
    }
}
