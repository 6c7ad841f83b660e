//! The one call of librdkafka's that its Rust wrapper does not have.

use std::ffi::{CStr, CString};

use rdkafka::ClientConfig;
use rdkafka::bindings::rd_kafka_brokers_add;
use rdkafka::client::{Client, ClientContext};

/// The bootstrap servers of `options`, as librdkafka wants to have them.
pub(crate) fn servers(options: &ClientConfig) -> CString {
    let servers = ["bootstrap.servers", "metadata.broker.list"].iter().find_map(|key| options.get(key));
    // A value with a zero byte was refused when the client was made.
    CString::new(servers.unwrap_or_default()).unwrap_or_default()
}

/// Tells a client of brokers to ask for the cluster's metadata. Those that it knows are not added again.
#[allow(unsafe_code)]
pub(crate) fn add_servers<C: ClientContext>(client: &Client<C>, servers: &CStr) {
    // SAFETY: the client lives as long as the borrow, the string is terminated and only read; rdkafka.h allows the call from any
    // thread at any time.
    unsafe {
        rd_kafka_brokers_add(client.native_ptr(), servers.as_ptr());
    }
}
