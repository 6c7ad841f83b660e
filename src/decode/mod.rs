//! Captured network traffic: packets become sessions.
