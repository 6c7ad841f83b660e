"""A topic and what is in it: how a consumer would check that nothing is missing."""

import json
import threading
import time

import confluent_kafka
import confluent_kafka.admin

from . import PATIENCE, within

# So long may a statement take. The sinks are out of order for as long as the clients of a test need, so one that waited for them
# would never get its answer.
STATEMENT = 30
# For a proxy that must deliver all it has, however slowly. Less than the test waits for its end.
DRAIN = ["--drain-timeout", PATIENCE - 20]


def murmur2(data):
    """The hash of the Java client's default partitioner (org.apache.kafka.common.utils.Utils.murmur2), as a signed 32-bit number."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at:at + 4], "little") * m & mask
        k ^= k >> 24
        h = (h * m & mask) ^ (k * m & mask)
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h ^= h >> 13
    h = h * m & mask
    h ^= h >> 15
    return h - (1 << 32) if h & 1 << 31 else h


def partition_of(key, count):
    return (murmur2(key) & 0x7FFFFFFF) % count


class Topic:
    """A topic made for a test, read from its beginning. `client`: options of a client of a broker that wants more than its address."""

    def __init__(self, bootstrap, name, partitions, config=None, client=None, make=True, replicas=1):
        self.bootstrap, self.name, self.partitions = bootstrap, name, partitions
        self.client = {"bootstrap.servers": bootstrap, **(client or {})}
        self.admin = confluent_kafka.admin.AdminClient(self.client)
        if make:
            self.make(config, replicas)

    def make(self, config=None, replicas=1):
        new = confluent_kafka.admin.NewTopic(self.name, self.partitions, replicas, config=config or {})
        for made in self.admin.create_topics([new]).values():
            made.result(PATIENCE)

    def delete(self):
        for gone in self.admin.delete_topics([self.name]).values():
            gone.result(PATIENCE)

    def read(self, at_least, where=lambda message: True):
        """All Kafka messages there are, once at least that many satisfy `where`."""
        consumer = confluent_kafka.Consumer({**self.client, "group.id": "reader", "enable.auto.commit": False, "enable.partition.eof": True})
        consumer.assign([confluent_kafka.TopicPartition(self.name, n, confluent_kafka.OFFSET_BEGINNING) for n in range(self.partitions)])
        found, ended, end = [], set(), time.monotonic() + PATIENCE
        try:
            while True:
                for message in consumer.consume(1000, 0.5):
                    if message.error() is None:
                        found.append(message)
                        ended.discard(message.partition())
                    elif message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                        ended.add(message.partition())
                if len(ended) == self.partitions and sum(where(json.loads(m.value())) for m in found) >= at_least:
                    return found
                assert time.monotonic() < end, f"{len(found)} messages after {PATIENCE} s, {at_least} wanted, ends of {sorted(ended)}"
        finally:
            consumer.close()


def headers(record):
    return {name: value.decode() for name, value in record.headers() or []}


def whole(records):
    """Nothing is missing, and each connection's messages are in order: `seq` counts from 1 (a later copy of what was there may come in
    between, as at least once allows). Returns how many came twice, and the number of connections."""
    connections, twice = {}, 0
    for record in sorted(records, key=lambda r: (r.partition(), r.offset())):
        said = headers(record)
        known = connections.setdefault((said["proxy"], record.key()), [record.partition(), 0])
        assert known[0] == record.partition()
        seq = int(said["seq"])
        assert seq <= known[1] + 1, f"{record.key()}: {seq} comes after {known[1]}"
        twice += seq <= known[1]
        known[1] = max(seq, known[1])
    return twice, len(connections)


def missing_numbers(records):
    """How many numbers are missing before the last of each connection; those that are there ascend."""
    last, missing = {}, 0
    for record in sorted(records, key=lambda r: (r.partition(), r.offset())):
        connection, seq = (headers(record)["proxy"], record.key()), int(headers(record)["seq"])
        assert seq > last.get(connection, 0)
        missing += seq - last.get(connection, 0) - 1
        last[connection] = seq
    return missing


def settings(kafka, topic, **more):
    return {"INTERCEPTOR_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap, "INTERCEPTOR_KAFKA_TOPIC": topic.name,
            "INTERCEPTOR_KAFKA_LINGER_MS": "50", **more}


def load(proxy, clients, statements, label="load", patience=STATEMENT, done=None):
    """Some clients at once, each with its statements, none of which may take longer than `patience`; returns the connection ids.
    `done` grows with each answer."""
    ids, failures, done = [], [], [] if done is None else done

    def work(number):
        try:
            with proxy.connect(read_timeout=patience) as db, db.cursor() as cursor:
                ids.append(db.thread_id())
                for n in range(statements):
                    cursor.execute(f"SELECT '{label}', {number}, {n}")
                    cursor.fetchall()
                    done.append(n)
        except Exception as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENCE)
        assert not thread.is_alive(), f"a client waits after {len(done)} statements"
    assert not failures, failures[:3]
    return ids


def until_it_arrives(proxy, arrived):
    """Single statements until one of them has: by then nothing from before them is left in the queues."""

    def one_more():
        load(proxy, 1, 1, "probe")
        return arrived()

    within(one_more, "a statement's message arrives")


def of(label):
    return lambda message: (message["sql"] or "").startswith(f"SELECT '{label}', ")


def as_user(strict, topic, mechanism, user, password):
    options = {**strict.client, "sasl.mechanism": mechanism, "sasl.username": user, "sasl.password": password}
    return settings(strict, topic, INTERCEPTOR_KAFKA_OPTION="\n".join(f"{key}={value}" for key, value in options.items()))


def scram_user(topic, user, password):
    credential = confluent_kafka.admin.UserScramCredentialUpsertion(
        user, confluent_kafka.admin.ScramCredentialInfo(confluent_kafka.admin.ScramMechanism.SCRAM_SHA_256, 4096), password.encode())
    for made in topic.admin.alter_user_scram_credentials([credential]).values():
        made.result(60)
