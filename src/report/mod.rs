//! What two executions of the same commands differ in, and the report of it.
