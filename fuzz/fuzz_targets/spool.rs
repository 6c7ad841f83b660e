#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mysql_interceptor::fuzzing::spool(data));
