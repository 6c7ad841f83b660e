import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.format.Json;

import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Properties;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/**
 * Debezium's engine with the properties of a file. It prints each event as a line `topic TAB key TAB value`, in which a missing key or value is
 * the word null, and ends when a line comes on standard input or that is closed. `java -cp 'lib/*' Engine.java PROPERTIES`
 */
public final class Engine {
    private Engine() {
    }

    public static void main(String[] arguments) throws Exception {
        // What libraries print by themselves must not get between the lines.
        PrintStream lines = new PrintStream(new FileOutputStream(java.io.FileDescriptor.out), true, StandardCharsets.UTF_8);
        System.setOut(System.err);
        Properties properties = new Properties();
        try (FileInputStream file = new FileInputStream(arguments[0])) {
            properties.load(file);
        }
        ExecutorService executor = Executors.newSingleThreadExecutor();
        DebeziumEngine<ChangeEvent<String, String>> engine = DebeziumEngine.create(Json.class)
                .using(properties)
                .using(new DebeziumEngine.ConnectorCallback() {
                    @Override
                    public void pollingStarted() {
                        System.err.println("polling has started");
                    }
                })
                .using((success, message, error) -> {
                    if (!success) {
                        System.err.println("the engine failed: " + message);
                        Runtime.getRuntime().halt(1);
                    }
                })
                .notifying(event -> lines.println(event.destination() + "\t" + event.key() + "\t" + event.value()))
                .build();
        executor.execute(engine);
        System.in.read();
        engine.close();
        executor.shutdown();
        executor.awaitTermination(10, TimeUnit.SECONDS);
        System.exit(0);
    }
}
