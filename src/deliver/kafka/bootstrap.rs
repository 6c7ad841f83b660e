//! The one call to librdkafka that its Rust wrapper lacks.

use std::ffi::{CStr, CString};

use rdkafka::ClientConfig;
use rdkafka::bindings::rd_kafka_brokers_add;
use rdkafka::client::{Client, ClientContext};

/// The bootstrap servers of `options`, as librdkafka expects them.
pub(crate) fn servers(options: &ClientConfig) -> CString {
    let servers = ["bootstrap.servers", "metadata.broker.list"].iter().find_map(|key| options.get(key));
    // A value with a NUL byte was refused when the client was made.
    CString::new(servers.unwrap_or_default()).unwrap_or_default()
}

/// Tells a client which brokers to ask for the cluster's metadata. Those it knows are not added again.
#[allow(unsafe_code)]
pub(crate) fn add_servers<C: ClientContext>(client: &Client<C>, servers: &CStr) {
    // SAFETY: the client lives as long as the borrow, the string is terminated and only read; rdkafka.h allows the call from any
    // thread at any time.
    unsafe {
        rd_kafka_brokers_add(client.native_ptr(), servers.as_ptr());
    }
}
