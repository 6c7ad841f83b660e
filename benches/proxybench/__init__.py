"""The parts of the proxy benchmark: one concept a module, standard library only.

    paths      the ways from sysbench to the server: direct, haproxy, router, ours-*
    servers    starts the MySQL and the Kafka through integration/servers
    sysbench   one run of the load generator, parsed
    processes  starting, stopping and metering processes by pid
    mysql      just enough of the protocol to ask the server for its counters
    kafka      just enough of the protocol to ask the broker for its end offsets
    report     medians, ratios, Markdown
"""
