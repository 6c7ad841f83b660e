import java.io.PrintStream;
import java.io.Writer;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.sql.*;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.List;

/** The client script for MySQL Connector/J (client-side and server-side prepared, cursor fetch, batches) and MariaDB Connector/J. */
public class Client {
    static final String TABLE = "CREATE TABLE all_types (id INT PRIMARY KEY AUTO_INCREMENT, ti TINYINT, tu TINYINT UNSIGNED, si SMALLINT, mi MEDIUMINT,"
        + " i INT, iu INT UNSIGNED, bi BIGINT, bu BIGINT UNSIGNED, de DECIMAL(20,6), fl FLOAT, db DOUBLE, da DATE, dt DATETIME(6),"
        + " tm TIME(6), ye YEAR, ch CHAR(10), vc VARCHAR(200), tx TEXT, bn BINARY(4), vb VARBINARY(50), bl BLOB, js JSON,"
        + " en ENUM('a','b','c'), se SET('x','y','z'), bt BIT(10)) DEFAULT CHARSET=utf8mb4";
    static final String INSERT = "INSERT INTO all_types (ti,tu,si,mi,i,iu,bi,bu,de,fl,db,da,dt,tm,ye,ch,vc,tx,bn,vb,bl,js,en,se,bt) VALUES ("
        + "?,".repeat(24) + "?)";

    /** A value that no Java type of its own carries: a time beyond a day, sent as text. */
    static final Object[][] ROWS = {
        {(byte) 127, (short) 255, (short) 32767, 8388607, 2147483647, 4294967295L, 9223372036854775807L, new BigInteger("18446744073709551615"),
            new BigDecimal("99999999999999.999999"), 1.5f, 3.141592653589793, LocalDate.of(2026, 1, 31),
            LocalDateTime.of(2026, 1, 31, 12, 0, 0, 123456000), "100:59:58.999999", 2155, "char",
            "h\u00e9llo \ud83d\ude00 \"dq\" 'sq' \\ back\nnewline; -- no comment ?", "", bytes(0, 255, 16, 65), bytes(0, 255), range(),
            "{\"k\": [1, 2.5, null, \"\u00fc\"]}", "b", "x,z", 513},
        {(byte) -128, (short) 0, (short) -32768, -8388608, -2147483648, 0L, -9223372036854775808L, BigInteger.ZERO,
            new BigDecimal("-0.000001"), -0.25f, -1234.5678, LocalDate.of(1000, 1, 1),
            LocalDateTime.of(9999, 12, 31, 23, 59, 59), "-12:34:56.000001", 1901, "",
            "''", "\ud83d\ude80".repeat(100), bytes(128, 0, 0, 0), bytes(255), bytes(0, 255, 0, 255), "[]", "a", "", 0},
        new Object[25],
    };

    static Connection db;
    static Writer out;
    static boolean server, mariadb;
    static int fetch;
    static final PrintStream print = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    static byte[] bytes(int... values) {
        byte[] result = new byte[values.length];
        for (int n = 0; n < values.length; n++) result[n] = (byte) values[n];
        return result;
    }

    static byte[] range() {
        byte[] result = new byte[256];
        for (int n = 0; n < 256; n++) result[n] = (byte) n;
        return result;
    }

    static String hex(byte[] raw) {
        StringBuilder text = new StringBuilder("x");
        for (byte b : raw) text.append(String.format("%02x", b));
        return text.toString();
    }

    static String shown(Object value) throws Exception {
        if (value == null) return "NULL";
        String text = value instanceof byte[] ? hex((byte[]) value) : value.toString();
        if (text.length() <= 3000) return text;
        return "large:" + text.length() + ":" + hex(MessageDigest.getInstance("MD5").digest(text.getBytes(StandardCharsets.UTF_8)));
    }

    static String json(String text) {
        if (text == null) return "null";
        StringBuilder result = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') result.append('\\').append(c);
            else if (c < 32 || c > 126) result.append(String.format("\\u%04x", (int) c));
            else result.append(c);
        }
        return result.append('"').toString();
    }

    /** The text of a bound value as a message holds it. */
    static String contract(Object value) {
        if (value == null) return "null";
        if (value instanceof byte[]) return json("<bytes:" + ((byte[]) value).length + ">");
        if (value instanceof LocalDateTime) {
            String text = value.toString().replace('T', ' ');
            return json(text);
        }
        String text = value instanceof BigDecimal ? ((BigDecimal) value).toPlainString() : value.toString();
        return text.length() > 2048 ? "{\"prefix\":" + json(text.substring(0, 1000)) + "}" : json(text);
    }

    static void expect(String sql, Object[] params, Integer count, int error) throws Exception {
        if (out == null) return;
        StringBuilder text = new StringBuilder("{\"sql\":").append(json(sql)).append(",\"params\":");
        if (params == null) text.append("null");
        else {
            text.append('[');
            for (int n = 0; n < params.length; n++) text.append(n == 0 ? "" : ",").append(contract(params[n]));
            text.append(']');
        }
        out.write(text + ",\"count\":" + count + ",\"error\":" + (error == 0 ? "null" : error) + "}\n");
    }

    static int show(String label, ResultSet rows) throws Exception {
        int columns = rows.getMetaData().getColumnCount(), count = 0;
        while (rows.next()) {
            StringBuilder line = new StringBuilder(label).append(": ");
            for (int n = 1; n <= columns; n++) {
                boolean raw = rows.getMetaData().getColumnTypeName(n).matches(".*(BINARY|BLOB|BIT).*");
                line.append(n == 1 ? "" : " | ").append(shown(raw ? rows.getBytes(n) : rows.getString(n)));
            }
            print.println(line);
            count++;
        }
        rows.close();
        return count;
    }

    static List<Integer> results(String label, Statement statement, boolean isRows) throws Exception {
        List<Integer> counts = new ArrayList<>();
        while (isRows || statement.getUpdateCount() != -1) {
            int count = isRows ? show(label, statement.getResultSet()) : statement.getUpdateCount();
            print.println(label + ": " + count);
            counts.add(count);
            isRows = statement.getMoreResults();
        }
        return counts;
    }

    static void text(String label, String sql) throws Exception {
        try (Statement statement = db.createStatement()) {
            if (fetch > 0) statement.setFetchSize(fetch);
            List<Integer> counts = results(label, statement, statement.execute(sql));
            expect(sql, null, counts.get(0), 0);
        } catch (SQLException e) {
            print.println(label + ": error " + e.getErrorCode() + " " + e.getSQLState());
            expect(sql, null, 0, e.getErrorCode());
        }
    }

    static void bound(String label, String sql, Object... params) throws Exception {
        try (PreparedStatement statement = db.prepareStatement(sql)) {
            if (fetch > 0) statement.setFetchSize(fetch);
            bind(statement, params);
            List<Integer> counts = results(label, statement, statement.execute());
            expect(server ? sql : null, server ? params : null, counts.get(0), 0);
        } catch (SQLException e) {
            print.println(label + ": error " + e.getErrorCode() + " " + e.getSQLState());
        }
    }

    static void bind(PreparedStatement statement, Object... params) throws Exception {
        for (int n = 0; n < params.length; n++) {
            Object value = params[n];
            if (value == null) statement.setNull(n + 1, Types.VARCHAR);
            else if (value instanceof byte[]) statement.setBytes(n + 1, (byte[]) value);
            else statement.setObject(n + 1, value);
        }
    }

    /** Values as streams, which drivers send ahead of the execution; MariaDB's in one flight with the prepare. */
    static void streamed(String label, String sql, Object... params) throws Exception {
        try (PreparedStatement statement = db.prepareStatement(sql)) {
            for (int n = 0; n < params.length; n++) {
                if (params[n] instanceof byte[]) statement.setBinaryStream(n + 1, new java.io.ByteArrayInputStream((byte[]) params[n]));
                else if (params[n] instanceof String) statement.setCharacterStream(n + 1, new java.io.StringReader((String) params[n]));
                else statement.setObject(n + 1, params[n]);
            }
            List<Integer> counts = results(label, statement, statement.execute());
            // Connector/J binds a stream of characters as a BLOB.
            Object[] bound = params.clone();
            for (int n = 0; n < bound.length; n++)
                if (bound[n] instanceof String && !mariadb) bound[n] = ((String) bound[n]).getBytes(StandardCharsets.UTF_8);
            expect(server ? sql : null, server ? bound : null, counts.get(0), 0);
        }
    }

    static void batch(String label, boolean rewrites) throws Exception {
        String sql = "INSERT INTO mt (v) VALUES (?)";
        try (PreparedStatement statement = db.prepareStatement(sql)) {
            for (int n = 0; n < 5; n++) {
                if (n == 3) statement.setNull(1, Types.INTEGER);
                else statement.setInt(1, 5000 + n);
                statement.addBatch();
            }
            for (int count : statement.executeBatch()) print.println(label + ": " + (count == Statement.SUCCESS_NO_INFO ? 1 : count));
            if (server && !rewrites)
                for (int n = 0; n < 5; n++) expect(sql, new Object[] {n == 3 ? null : 5000 + n}, 1, 0);
        }
        text(label + " delete", "DELETE FROM mt WHERE v >= 5000 OR v IS NULL");
    }

    public static void main(String[] args) throws Exception {
        String host = args[0], port = args[1], user = args[2], password = args[3], database = args[4], mode = "client", expect = null;
        boolean tls = false;
        for (int n = 5; n < args.length; n++) {
            if (args[n].startsWith("--mode=")) mode = args[n].substring(7);
            else if (args[n].startsWith("--expect=")) expect = args[n].substring(9);
            else if (args[n].equals("--tls")) tls = true;
        }
        if (expect != null) out = Files.newBufferedWriter(Path.of(expect));
        mariadb = mode.startsWith("mariadb");
        boolean rewrites = mode.contains("rewrite");
        server = mode.contains("server") || mode.contains("cursor");
        fetch = mode.contains("cursor") ? 2 : 0;
        String url;
        if (mariadb) {
            url = "jdbc:mariadb://" + host + ":" + port + "/" + database + "?allowMultiQueries=true&sslMode=" + (tls ? "trust" : "disable")
                + "&allowPublicKeyRetrieval=true&useServerPrepStmts=" + server + "&useBulkStmts=" + mode.contains("bulk");
        } else {
            url = "jdbc:mysql://" + host + ":" + port + "/" + database + "?allowMultiQueries=true&sslMode=" + (tls ? "REQUIRED" : "DISABLED")
                + "&allowPublicKeyRetrieval=true&useServerPrepStmts=" + server + "&useCursorFetch=" + (fetch > 0)
                + "&rewriteBatchedStatements=" + rewrites + "&connectionTimeZone=UTC&cachePrepStmts=" + mode.contains("cache");
        }
        db = DriverManager.getConnection(url, user, password);
        text("drop", "DROP TABLE IF EXISTS all_types");
        text("create", TABLE);
        for (Object[] row : ROWS) bound("insert", INSERT, row);
        for (int n = 1; n <= 3; n++) bound("select", "SELECT * FROM all_types WHERE id = ?", n);
        bound("select all", "SELECT id, vc FROM all_types WHERE id > ? ORDER BY id", 0);
        bound("update", "UPDATE all_types SET vc = ?, de = ? WHERE id = ?", "it's \ud83d\ude00", new BigDecimal("12.5"), 2);
        bound("update null", "UPDATE all_types SET vc = ? WHERE id = ?", null, 1);
        bound("delete", "DELETE FROM all_types WHERE id = ?", 3);
        text("syntax", "SELEC 1");
        bound("bound syntax", "SELEC ?", 1);
        text("duplicate", "INSERT INTO all_types (id) VALUES (1)");
        text("drop streams", "DROP TABLE IF EXISTS streams");
        text("create streams", "CREATE TABLE streams (id INT, b LONGBLOB, c LONGTEXT)");
        for (int n = 1; n <= 3; n++)
            streamed("stream", "INSERT INTO streams VALUES (?, ?, ?)", n, new byte[] {0, (byte) 0xff, (byte) n}, "streamed h\u00e9llo ".repeat(n * n * 20));
        streamed("stream again", "UPDATE streams SET c = ? WHERE id = ?", "short", 2);
        bound("behind the streams", "SELECT id, LENGTH(b), LENGTH(c) FROM streams WHERE id > ? ORDER BY id", 0);
        text("drop mt", "DROP TABLE IF EXISTS mt");
        text("create mt", "CREATE TABLE mt (v INT)");
        String[] parts = {"INSERT INTO mt VALUES (1)", "INSERT INTO mt VALUES (2),(3)", "SELECT v FROM mt ORDER BY v",
            "UPDATE mt SET v = v + 10", "SELECT 'a;b' AS s, \"c;d\" AS t /* e;f */"};
        try (Statement statement = db.createStatement()) {
            List<Integer> counts = results("multi", statement, statement.execute(String.join("; ", parts)));
            for (int n = 0; n < parts.length; n++) expect(parts[n], null, counts.get(n), 0);
        }
        batch("batch", rewrites || mode.contains("bulk"));
        text("drop proc", "DROP PROCEDURE IF EXISTS two_results");
        text("create proc", "CREATE PROCEDURE two_results(IN a INT, IN b INT) BEGIN "
            + "SELECT a + b AS inner_s UNION ALL SELECT a * b; SELECT a - b AS inner_d; END");
        try (CallableStatement call = db.prepareCall("CALL two_results(?, ?)")) {
            bind(call, 7, 3);
            List<Integer> counts = results("call", call, call.execute());
            // Connector/J writes the values of a CALL into its text, whatever useServerPrepStmts says.
            boolean prepares = server && mode.startsWith("mariadb");
            expect(prepares ? "CALL two_results(?, ?)" : null, prepares ? new Object[] {7, 3} : null, counts.get(0), 0);
        }
        db.setAutoCommit(false);
        bound("in trx", "INSERT INTO mt VALUES (?)", 99);
        db.rollback();
        text("after rollback", "SELECT COUNT(*) FROM mt");
        bound("in trx 2", "INSERT INTO mt VALUES (?)", 100);
        db.commit();
        db.setAutoCommit(true);
        text("after commit", "SELECT COUNT(*) FROM mt");
        text("use", "USE ct2");
        text("other", "CREATE TABLE other (v VARCHAR(20))");
        bound("other insert", "INSERT INTO other VALUES (?)", "elsewhere");
        text("where", "SELECT DATABASE(), v FROM other");
        db.setCatalog("ct");
        text("drop big", "DROP TABLE IF EXISTS big");
        text("create big", "CREATE TABLE big (v LONGTEXT)");
        StringBuilder large = new StringBuilder();
        for (int n = 0; n < 20 * 1024 * 1024 / 8; n++) {
            String digits = Integer.toString(n);
            large.append("00000000", 0, 8 - digits.length()).append(digits);
        }
        bound("big insert", "INSERT INTO big VALUES (?)", large.toString());
        text("big select", "SELECT LENGTH(v), CRC32(v), v FROM big");
        text("tls", "SHOW SESSION STATUS LIKE 'Ssl_version'");
        db.close();
        if (out != null) out.close();
        print.println("done");
    }
}
