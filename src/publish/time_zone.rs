//! The zone of this host.

/// Its name; a host without any setting runs in UTC.
pub(crate) fn local_time_zone() -> Option<String> {
    let from_variable = std::env::var("TZ").ok().map(|zone| zone.trim_start_matches(':').to_owned());
    from_variable
        .filter(|zone| !zone.is_empty() && !zone.starts_with('/'))
        .or_else(|| iana_time_zone::get_timezone().ok())
        // The name that other programs give it.
        .map(|zone| if zone == "Etc/UTC" { "UTC".to_owned() } else { zone })
        .or_else(|| (!std::path::Path::new("/etc/localtime").exists()).then(|| "UTC".to_owned()))
}
