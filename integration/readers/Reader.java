import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.cfg.CoercionAction;
import com.fasterxml.jackson.databind.cfg.CoercionInputShape;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.type.LogicalType;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * A consumer as Java programs write it, and the producer whose choice of partitions the proxy's must be.
 *
 * <pre>
 *   Reader BROKER read TOPIC COUNT    each message, bound to SqlLogMessage and written from that again, one JSON object a line
 *   Reader BROKER send TOPIC          sends a message for each key on standard input; prints "KEY PARTITION"
 * </pre>
 */
public class Reader {
    /** The message. Unknown, missing or mistyped fields are errors, and so is null where it may not be. */
    public record SqlLogMessage(
            @JsonProperty(required = true) long timestamp,
            @JsonProperty(required = true) String serverHost,
            @JsonProperty(required = true) String serverVersion,
            @JsonProperty(required = true) String user,
            @JsonProperty(required = true) String client,
            @JsonProperty(required = true) String dbName,
            @JsonProperty(required = true) String stmtDbName,
            @JsonProperty(required = true) String debug,
            @JsonProperty(required = true) Long connectionId,
            @JsonProperty(required = true) int totalPoolCount,
            @JsonProperty(required = true) long executionCount,
            @JsonProperty(required = true) Integer serverFlags,
            @JsonProperty(required = true) Long clientFlags,
            @JsonProperty(required = true) long iFlags,
            @JsonProperty(required = true) String defaultTZ,
            @JsonProperty(required = true) String serverTZ,
            @JsonProperty(required = true) Integer isolationLvl,
            @JsonProperty(required = true) Long durationNs,
            @JsonProperty(required = true) Long updateCount,
            @JsonProperty(required = true) String sql,
            @JsonProperty(required = true) List<String> queryParams,
            @JsonProperty(required = true) String errorMessage,
            @JsonProperty(required = true) String serverInfo) {}

    static final ObjectMapper MAPPER = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
            .enable(DeserializationFeature.FAIL_ON_READING_DUP_TREE_KEY)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
            // A number where a string belongs is an error, and the other way round.
            .disable(MapperFeature.ALLOW_COERCION_OF_SCALARS)
            .withCoercionConfig(LogicalType.Textual, config -> {
                for (CoercionInputShape shape : List.of(CoercionInputShape.Integer, CoercionInputShape.Float, CoercionInputShape.Boolean)) {
                    config.setCoercion(shape, CoercionAction.Fail);
                }
            })
            .build();

    public static void main(String[] args) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", args[0]);
        if (args[1].equals("read")) {
            read(properties, args[2], Integer.parseInt(args[3]));
        } else {
            send(properties, args[2]);
        }
    }

    static void read(Properties properties, String topic, int count) throws Exception {
        StringDeserializer text = new StringDeserializer();
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(properties, text, text)) {
            List<TopicPartition> partitions =
                    consumer.partitionsFor(topic).stream().map(info -> new TopicPartition(topic, info.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            long end = System.nanoTime() + Duration.ofSeconds(100).toNanos();
            int found = 0;
            while (found < count && System.nanoTime() < end) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(500))) {
                    print(record);
                    found++;
                }
            }
        }
    }

    static void print(ConsumerRecord<String, String> record) throws Exception {
        Map<String, String> headers = new LinkedHashMap<>();
        for (Header header : record.headers()) {
            headers.put(header.key(), new String(header.value(), StandardCharsets.UTF_8));
        }
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("partition", record.partition());
        line.put("offset", record.offset());
        line.put("key", record.key());
        line.put("headers", headers);
        line.put("message", MAPPER.writeValueAsString(MAPPER.readValue(record.value(), SqlLogMessage.class)));
        System.out.println(MAPPER.writeValueAsString(line));
    }

    static void send(Properties properties, String topic) throws Exception {
        List<String> keys = new String(System.in.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
        StringSerializer text = new StringSerializer();
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties, text, text)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (String key : keys) {
                sent.add(producer.send(new ProducerRecord<>(topic, key, "")));
            }
            for (int at : IntStream.range(0, keys.size()).toArray()) {
                System.out.println(keys.get(at) + " " + sent.get(at).get().partition());
            }
        }
    }
}
