import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.Array;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.UUID;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;
import org.postgresql.core.BaseConnection;

/** pgjdbc: DatabaseMetaData, types, prepared statements, fetch size, timeouts, errors, transactions, COPY. */
public final class Checks {
    private static final Suite SUITE = new Suite();

    private static Connection connect(String... more) throws SQLException {
        var properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        for (int at = 0; at < more.length; at += 2) {
            properties.setProperty(more[at], more[at + 1]);
        }
        return DriverManager.getConnection("jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE"), properties);
    }

    interface Body {
        void run(Connection connection) throws Exception;
    }

    private static void must(String name, Body body) {
        SUITE.must(name, () -> {
            try (var connection = connect()) {
                body.run(connection);
            }
        });
    }

    private static void should(String name, Body body) {
        SUITE.should(name, () -> {
            try (var connection = connect()) {
                body.run(connection);
            }
        });
    }

    private static Object one(Connection connection, String sql, Object... parameters) throws SQLException {
        try (var statement = connection.prepareStatement(sql)) {
            for (int at = 0; at < parameters.length; at++) {
                statement.setObject(at + 1, parameters[at]);
            }
            try (var rows = statement.executeQuery()) {
                rows.next();
                return rows.getObject(1);
            }
        }
    }

    private static List<String> column(ResultSet rows, String name) throws SQLException {
        var values = new ArrayList<String>();
        while (rows.next()) {
            values.add(rows.getString(name));
        }
        return values;
    }

    private static void contains(List<String> values, String... wanted) {
        for (var it : wanted) {
            if (!values.contains(it)) {
                throw new AssertionError("no " + it + " in " + values);
            }
        }
    }

    private static void fails(Connection connection, String sql, String state) throws SQLException {
        try (var statement = connection.prepareStatement(sql)) {
            statement.execute();
        } catch (SQLException error) {
            Suite.equal(error.getSQLState(), state);
            return;
        }
        throw new AssertionError("no error of " + sql);
    }

    private static void value(String name, String sql, Object expected) {
        must("value: " + name, it -> Suite.equal(one(it, "SELECT " + sql), expected));
        SUITE.must("binary value: " + name, () -> {
            try (var it = connect("prepareThreshold", "-1", "binaryTransfer", "true")) {
                Suite.equal(one(it, "SELECT " + sql), expected);
            }
        });
    }

    private static void values() {
        value("int4", "1", 1);
        value("int8", "9000000000", 9000000000L);
        value("int2", "7::int2", 7);
        value("bool", "true", true);
        value("float4", "1.5::float4", 1.5f);
        value("float8", "0.1::float8", 0.1);
        value("numeric", "12345.67::numeric(12,2)", new BigDecimal("12345.67"));
        value("text", "'Zoë'::text", "Zoë");
        value("date", "date '2026-01-31'", Date.valueOf("2026-01-31"));
        value("timestamp", "timestamp '2026-01-31 10:11:12.5'", Timestamp.valueOf("2026-01-31 10:11:12.5"));
        value("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", UUID.fromString("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"));
        value("bytea", "'\\x00ff'::bytea", new byte[] {0, -1});
        value("null", "NULL::int", null);
        must("value: timestamptz as OffsetDateTime", it -> {
            try (var rows = it.createStatement().executeQuery("SELECT timestamptz '2026-01-31 10:11:12+02'")) {
                rows.next();
                Suite.equal(rows.getObject(1, OffsetDateTime.class).toInstant(), OffsetDateTime.of(2026, 1, 31, 8, 11, 12, 0, ZoneOffset.UTC).toInstant());
            }
        });
        must("value: array", it -> Suite.equal(((Array) one(it, "SELECT ARRAY['a', NULL, 'b c']")).getArray(), new String[] {"a", null, "b c"}));
        must("value: array of int4", it -> Suite.equal(((Array) one(it, "SELECT ARRAY[1, 2]")).getArray(), new Integer[] {1, 2}));
        must("value: json", it -> Suite.equal(one(it, "SELECT '{\"a\": 1}'::jsonb").toString(), "{\"a\": 1}"));
    }

    private static void parameters() {
        must("parameter: text and int", it -> Suite.equal(one(it, "SELECT count(*) FROM profiles WHERE customer_no = ? AND visits < ?", "C0001", 10), 1L));
        must("parameter: long", it -> Suite.equal(one(it, "SELECT count(*) FROM profiles WHERE big = ?", 10_000_000_000L), 1L));
        must("parameter: numeric", it -> Suite.equal(one(it, "SELECT count(*) FROM profiles WHERE spend <= ?", new BigDecimal("12.50")), 10L));
        must("parameter: date", it -> Suite.equal(one(it, "SELECT count(*) FROM profiles WHERE birth_date < ?", Date.valueOf("2000-01-11")), 9L));
        must("parameter: LocalDate", it -> Suite.equal(one(it, "SELECT count(*) FROM profiles WHERE birth_date < ?", LocalDate.of(2000, 1, 11)), 9L));
        must("parameter: LocalDateTime", it -> Suite.equal(one(it, "SELECT count(*) FROM profiles WHERE local_at < ?", LocalDateTime.of(2026, 1, 1, 10, 0, 11)), 10L));
        must("parameter: OffsetDateTime", it -> Suite.equal(one(it, "SELECT count(*) FROM profiles WHERE first_seen_at < ?", OffsetDateTime.of(2026, 1, 1, 10, 11, 0, 0, ZoneOffset.UTC)), 10L));
        must("parameter: Timestamp", it -> Suite.equal(one(it, "SELECT ?::timestamp", Timestamp.valueOf("2026-01-31 10:00:00")), Timestamp.valueOf("2026-01-31 10:00:00")));
        must("parameter: boolean", it -> Suite.equal(one(it, "SELECT count(*) FROM profiles WHERE opted_in = ?", true), 400L));
        must("parameter: double", it -> Suite.equal(one(it, "SELECT count(*) FROM profiles WHERE score < ?", 15.0), 9L));
        must("parameter: array", it -> Suite.equal(one(it, "SELECT count(*) FROM profiles WHERE customer_no = ANY(?)", it.createArrayOf("text", new String[] {"C0001", "C0002"})), 2L));
        must("parameter: null", it -> {
            try (var statement = it.prepareStatement("SELECT ?::text IS NULL")) {
                statement.setNull(1, Types.VARCHAR);
                try (var rows = statement.executeQuery()) {
                    rows.next();
                    Suite.equal(rows.getBoolean(1), true);
                }
            }
        });
        must("parameter: limit and offset", it -> Suite.equal(one(it, "SELECT customer_no FROM profiles ORDER BY customer_no LIMIT ? OFFSET ?", 1, 10), "C0011"));
        must("parameter: uuid", it -> Suite.equal(one(it, "SELECT ?", UUID.fromString("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")), UUID.fromString("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")));
        must("a statement is prepared on the server after five uses", it -> {
            try (var statement = it.prepareStatement("SELECT visits FROM profiles WHERE customer_no = ?")) {
                for (int n = 1; n <= 12; n++) {
                    statement.setString(1, String.format("C%04d", n));
                    try (var rows = statement.executeQuery()) {
                        rows.next();
                        Suite.equal(rows.getInt(1), n);
                    }
                }
            }
        });
        must("getParameterMetaData", it -> {
            var metadata = it.prepareStatement("SELECT 1 FROM profiles WHERE customer_no = ? AND visits = ? LIMIT ?").getParameterMetaData();
            Suite.equal(metadata.getParameterCount(), 3);
            Suite.equal(metadata.getParameterTypeName(1) + " " + metadata.getParameterTypeName(2) + " " + metadata.getParameterTypeName(3), "text int4 int8");
        });
        for (var mode : List.of("simple", "extended", "extendedForPrepared", "extendedCacheEverything")) {
            SUITE.must("preferQueryMode=" + mode, () -> {
                try (var it = connect("preferQueryMode", mode)) {
                    Suite.equal(one(it, "SELECT count(*) FROM profiles WHERE customer_no = ?", "C0001"), 1L);
                    Suite.equal(one(it, "SELECT city FROM profiles WHERE visits = ?", 1), "Hull");
                }
            });
        }
    }

    private static void metadata() {
        must("getDatabaseProductVersion", it -> Suite.equal(it.getMetaData().getDatabaseProductName() + it.getMetaData().getDatabaseMajorVersion(), "PostgreSQL15"));
        must("getCatalog and getSchema", it -> Suite.equal(it.getCatalog() + " " + it.getSchema(), System.getenv("PGDATABASE") + " public"));
        must("getSchemas", it -> contains(column(it.getMetaData().getSchemas(), "TABLE_SCHEM"), "public", "pg_catalog", "information_schema"));
        must("getCatalogs", it -> contains(column(it.getMetaData().getCatalogs(), "TABLE_CAT"), System.getenv("PGDATABASE")));
        must("getTableTypes", it -> contains(column(it.getMetaData().getTableTypes(), "TABLE_TYPE"), "TABLE", "VIEW"));
        must("getTables", it -> contains(column(it.getMetaData().getTables(null, "public", "%", new String[] {"TABLE"}), "TABLE_NAME"), "profiles", "crm", "purchases", "identities"));
        must("getTables of views", it -> contains(column(it.getMetaData().getTables(null, "public", "%", new String[] {"VIEW"}), "TABLE_NAME"), "identity_conflicts"));
        must("getTables with a catalog", it -> contains(column(it.getMetaData().getTables(it.getCatalog(), null, "prof%", null), "TABLE_NAME"), "profiles"));
        must("getTables has comments", it -> Suite.equal(column(it.getMetaData().getTables(null, "public", "profiles", null), "REMARKS").get(0).isEmpty(), false));
        must("getColumns", it -> {
            var seen = new ArrayList<String>();
            try (var rows = it.getMetaData().getColumns(null, "public", "profiles", "%")) {
                while (rows.next()) {
                    seen.add(rows.getString("COLUMN_NAME") + " " + rows.getInt("DATA_TYPE") + " " + rows.getString("TYPE_NAME") + " " + rows.getInt("COLUMN_SIZE") + " " + rows.getInt("DECIMAL_DIGITS") + " " + rows.getString("IS_NULLABLE") + " " + rows.getInt("ORDINAL_POSITION"));
                }
            }
            Suite.equal(seen.get(0), "profile_id " + Types.BIGINT + " int8 19 0 NO 1");
            contains(seen, "customer_no " + Types.VARCHAR + " text 2147483647 0 YES 2", "spend " + Types.NUMERIC + " numeric 12 2 YES 12", "tags " + Types.ARRAY + " _text 2147483647 0 YES 6",
                "opted_in " + Types.BIT + " bool 1 0 YES 13", "birth_date " + Types.DATE + " date 13 0 YES 14", "local_at " + Types.TIMESTAMP + " timestamp 29 6 YES 15", "last_seen_at " + Types.TIMESTAMP + " timestamptz 35 6 YES 20");
        });
        must("getColumns has comments", it -> Suite.equal(column(it.getMetaData().getColumns(null, "public", "profiles", "profile_id"), "REMARKS").get(0).isEmpty(), false));
        must("getPrimaryKeys", it -> {
            try (var rows = it.getMetaData().getPrimaryKeys(null, "public", "profiles")) {
                Suite.equal(rows.next(), true);
                Suite.equal(rows.getString("COLUMN_NAME") + rows.getInt("KEY_SEQ") + rows.getString("PK_NAME"), "profile_id1profiles_pkey");
                Suite.equal(rows.next(), false);
            }
        });
        must("getIndexInfo", it -> contains(column(it.getMetaData().getIndexInfo(null, "public", "profiles", false, false), "INDEX_NAME"), "profiles_pkey"));
        must("getIndexInfo of unique indexes", it -> contains(column(it.getMetaData().getIndexInfo(null, "public", "profiles", true, true), "COLUMN_NAME"), "profile_id"));
        must("getBestRowIdentifier", it -> contains(column(it.getMetaData().getBestRowIdentifier(null, "public", "profiles", DatabaseMetaData.bestRowSession, true), "COLUMN_NAME"), "profile_id"));
        must("getImportedKeys and getExportedKeys", it -> {
            Suite.equal(it.getMetaData().getImportedKeys(null, "public", "profiles").next(), false);
            Suite.equal(it.getMetaData().getExportedKeys(null, "public", "profiles").next(), false);
            Suite.equal(it.getMetaData().getCrossReference(null, "public", "profiles", null, "public", "crm").next(), false);
        });
        must("getTypeInfo", it -> contains(column(it.getMetaData().getTypeInfo(), "TYPE_NAME"), "int4", "text", "timestamptz", "numeric"));
        must("getFunctions", it -> contains(column(it.getMetaData().getFunctions(null, "public", "profile_of"), "FUNCTION_NAME"), "profile_of"));
        must("getFunctionColumns", it -> contains(column(it.getMetaData().getFunctionColumns(null, "public", "profile_of", "%"), "TYPE_NAME"), "text", "int8"));
        must("getProcedures and their columns", it -> {
            column(it.getMetaData().getProcedures(null, "public", "%"), "PROCEDURE_NAME");
            column(it.getMetaData().getProcedureColumns(null, "public", "%", "%"), "COLUMN_NAME");
        });
        must("getTablePrivileges", it -> contains(column(it.getMetaData().getTablePrivileges(null, "public", "profiles"), "PRIVILEGE"), "SELECT"));
        must("getColumnPrivileges", it -> contains(column(it.getMetaData().getColumnPrivileges(null, "public", "profiles", "email"), "PRIVILEGE"), "SELECT"));
        must("getClientInfoProperties", it -> contains(column(it.getMetaData().getClientInfoProperties(), "NAME"), "ApplicationName"));
        must("getUDTs and getVersionColumns", it -> {
            column(it.getMetaData().getUDTs(null, null, "%", null), "TYPE_NAME");
            column(it.getMetaData().getVersionColumns(null, "public", "profiles"), "COLUMN_NAME");
        });
        must("getMaxConnections, keywords, functions", it -> {
            Suite.equal(it.getMetaData().getMaxConnections() > 0, true);
            Suite.has(it.getMetaData().getSQLKeywords(), "ilike");
            Suite.equal(it.getMetaData().getUserName(), System.getenv("PGUSER"));
            Suite.equal(it.getMetaData().getMaxColumnNameLength(), 63);
        });
        must("the default isolation level is one that is supported", it -> Suite.equal(it.getMetaData().supportsTransactionIsolationLevel(it.getMetaData().getDefaultTransactionIsolation()), true));
        must("ResultSetMetaData", it -> {
            try (var rows = it.createStatement().executeQuery("SELECT profile_id, spend AS money, tags, 1 + 1 AS two FROM profiles LIMIT 1")) {
                ResultSetMetaData metadata = rows.getMetaData();
                Suite.equal(metadata.getColumnTypeName(1) + metadata.getPrecision(2) + metadata.getScale(2) + metadata.getColumnTypeName(3), "int8122_text");
                Suite.equal(metadata.getColumnClassName(2), "java.math.BigDecimal");
                Suite.equal(metadata.getColumnLabel(2), "money");
            }
        });
        must("ResultSetMetaData knows base tables", it -> {
            try (var rows = it.createStatement().executeQuery("SELECT spend AS money FROM profiles LIMIT 1")) {
                var metadata = rows.getMetaData();
                Suite.equal(metadata.getTableName(1), "profiles");
                Suite.equal(((org.postgresql.PGResultSetMetaData) metadata).getBaseColumnName(1), "spend");
                Suite.equal(((org.postgresql.PGResultSetMetaData) metadata).getBaseSchemaName(1), "public");
            }
        });
        must("ResultSetMetaData knows nullability", it -> {
            try (var rows = it.createStatement().executeQuery("SELECT profile_id, city FROM profiles LIMIT 1")) {
                Suite.equal(rows.getMetaData().isNullable(1), ResultSetMetaData.columnNoNulls);
                Suite.equal(rows.getMetaData().isNullable(2), ResultSetMetaData.columnNullable);
            }
        });
        must("metadata of a prepared statement", it -> Suite.equal(it.prepareStatement("SELECT city FROM profiles WHERE visits = ?").getMetaData().getColumnTypeName(1), "text"));
    }

    private static void cursors() {
        must("fetch size streams through a portal", it -> {
            it.setAutoCommit(false);
            try (var statement = it.createStatement()) {
                statement.setFetchSize(70);
                int count = 0;
                try (var rows = statement.executeQuery("SELECT visits FROM profiles ORDER BY visits")) {
                    while (rows.next()) {
                        count++;
                        Suite.equal(rows.getInt(1), count);
                    }
                }
                Suite.equal(count, 1000);
            }
        });
        must("two streams in turn", it -> {
            it.setAutoCommit(false);
            var up = it.prepareStatement("SELECT visits FROM profiles ORDER BY visits");
            var down = it.prepareStatement("SELECT visits FROM profiles ORDER BY visits DESC");
            up.setFetchSize(10);
            down.setFetchSize(10);
            var ups = up.executeQuery();
            var downs = down.executeQuery();
            for (int n = 1; n <= 30; n++) {
                ups.next();
                downs.next();
                Suite.equal(ups.getInt(1) + downs.getInt(1), 1001);
            }
        });
        must("setMaxRows", it -> {
            var statement = it.createStatement();
            statement.setMaxRows(7);
            Suite.equal(column(statement.executeQuery("SELECT city FROM profiles"), "city").size(), 7);
        });
        must("scrollable result", it -> {
            var rows = it.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_READ_ONLY).executeQuery("SELECT visits FROM profiles ORDER BY visits");
            Suite.equal(rows.last(), true);
            Suite.equal(rows.getInt(1), 1000);
            rows.absolute(5);
            Suite.equal(rows.getInt(1), 5);
        });
        must("setQueryTimeout", it -> {
            try (var statement = it.createStatement()) {
                statement.setQueryTimeout(1);
                statement.execute("SELECT pg_sleep(20)");
                throw new AssertionError("no timeout");
            } catch (SQLException error) {
                Suite.equal(error.getSQLState(), "57014");
            }
            Suite.equal(one(it, "SELECT 1"), 1);
        });
        must("Statement.cancel", it -> {
            try (var statement = it.createStatement()) {
                new Thread(() -> {
                    try {
                        Thread.sleep(500);
                        statement.cancel();
                    } catch (Exception error) {
                        throw new IllegalStateException(error);
                    }
                }).start();
                statement.execute("SELECT pg_sleep(20)");
                throw new AssertionError("not cancelled");
            } catch (SQLException error) {
                Suite.equal(error.getSQLState(), "57014");
            }
        });
        SUITE.must("options of the connection", () -> {
            try (var it = connect("options", "-c statement_timeout=4s", "ApplicationName", "mine", "currentSchema", "public")) {
                Suite.equal(one(it, "SHOW statement_timeout") + " " + one(it, "SHOW application_name"), "4s mine");
            }
        });
        must("several results of one string", it -> {
            var statement = it.createStatement();
            statement.execute("SELECT 1; SELECT 'two'");
            statement.getResultSet().next();
            Suite.equal(statement.getMoreResults(), true);
            var rows = statement.getResultSet();
            rows.next();
            Suite.equal(rows.getString(1), "two");
        });
    }

    private static void transactions() {
        must("failed transaction", it -> {
            it.setAutoCommit(false);
            fails(it, "SELECT 1/0", "22012");
            fails(it, "SELECT 1", "25P02");
            it.rollback();
            Suite.equal(one(it, "SELECT 1"), 1);
        });
        must("savepoint", it -> {
            it.setAutoCommit(false);
            var savepoint = it.setSavepoint("a");
            fails(it, "SELECT 1/0", "22012");
            it.rollback(savepoint);
            Suite.equal(one(it, "SELECT 2"), 2);
            it.commit();
        });
        SUITE.must("autosave", () -> {
            try (var it = connect("autosave", "always")) {
                it.setAutoCommit(false);
                one(it, "SELECT 1");
                fails(it, "SELECT 1/0", "22012");
                Suite.equal(one(it, "SELECT 3"), 3);
            }
        });
        must("read-only connection", it -> {
            it.setReadOnly(true);
            it.setAutoCommit(false);
            Suite.equal(one(it, "SHOW transaction_read_only"), "on");
        });
        must("isolation level", it -> {
            it.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
            Suite.equal(it.getTransactionIsolation(), Connection.TRANSACTION_REPEATABLE_READ);
        });
        must("isValid and setClientInfo", it -> {
            Suite.equal(it.isValid(3), true);
            it.setClientInfo("ApplicationName", "other");
            Suite.equal(one(it, "SHOW application_name"), "other");
        });
        must("setSchema", it -> {
            it.setSchema("selfsame");
            Suite.equal(it.getSchema(), "selfsame");
        });
        must("setNetworkTimeout", it -> it.setNetworkTimeout(Runnable::run, 5000));
        for (var error : new String[][] {
            {"SELECT * FROM nothing_here", "42P01"}, {"SELECT nothing FROM profiles", "42703"}, {"SELEC 1", "42601"}, {"SELECT 1/0", "22012"}, {"SELECT 'x'::int", "22P02"},
            {"SELECT 'x'::date", "22007"}, {"SELECT nothing(1)", "42883"}, {"SELECT email FROM profiles a, profiles b", "42702"}, {"SELECT city, visits FROM profiles GROUP BY city", "42803"},
            {"SELECT 99999999999::int", "22003"}, {"SELECT (SELECT visits FROM profiles)", "21000"}, {"SHOW nothing_at_all", "42704"},
        }) {
            must("error: " + error[0], it -> fails(it, error[0], error[1]));
        }
        must("error has a position", it -> {
            try {
                one(it, "SELECT nothing FROM profiles");
                throw new AssertionError("no error");
            } catch (org.postgresql.util.PSQLException error) {
                Suite.equal(error.getServerErrorMessage().getPosition(), 8);
            }
        });
    }

    private static void writes() {
        must("CopyManager out", it -> {
            var text = new StringWriter();
            Suite.equal(new CopyManager((BaseConnection) it).copyOut("COPY (SELECT customer_no, city FROM profiles WHERE visits <= 2 ORDER BY 1) TO STDOUT", text), 2L);
            Suite.equal(text.toString(), "C0001\tHull\nC0002\t\\N\n");
        });
        must("CopyManager out as csv", it -> {
            var text = new StringWriter();
            new CopyManager((BaseConnection) it).copyOut("COPY purchases (order_id, amount) TO STDOUT WITH (FORMAT csv, HEADER)", text);
            Suite.has(text.toString(), "O0001,0.99\n");
        });
        should("CopyManager in, rolled back", it -> {
            it.setAutoCommit(false);
            Suite.equal(new CopyManager((BaseConnection) it).copyIn("COPY purchases (order_id, email) FROM STDIN", new StringReader("O9500\tp1@example.com\n")), 1L);
            it.rollback();
        });
        should("batch of inserts", it -> {
            it.setAutoCommit(false);
            try (PreparedStatement statement = it.prepareStatement("INSERT INTO crm (customer_no, email) VALUES (?, ?)")) {
                for (int n = 0; n < 3; n++) {
                    statement.setString(1, "X-j" + n);
                    statement.setString(2, "x-j" + n + "@example.com");
                    statement.addBatch();
                }
                Suite.equal(statement.executeBatch(), new int[] {1, 1, 1});
            }
            it.rollback();
        });
        should("rewritten batch", it -> {
            try (var other = connect("reWriteBatchedInserts", "true")) {
                other.setAutoCommit(false);
                var statement = other.prepareStatement("INSERT INTO crm (customer_no, email) VALUES (?, ?)");
                for (int n = 0; n < 4; n++) {
                    statement.setString(1, "X-k" + n);
                    statement.setString(2, "x-k" + n + "@example.com");
                    statement.addBatch();
                }
                statement.executeBatch();
                other.rollback();
            }
        });
        should("executeUpdate counts", it -> {
            Suite.equal(it.createStatement().executeUpdate("INSERT INTO crm (customer_no, email) VALUES ('X-jdbc', 'x-jdbc@example.com')"), 1);
            Suite.equal(it.createStatement().executeUpdate("DELETE FROM crm WHERE customer_no = 'X-jdbc'"), 1);
        });
        should("warnings", it -> {
            Statement statement = it.createStatement();
            statement.execute("DROP VIEW IF EXISTS nothing_here");
            Suite.has(statement.getWarnings().getMessage(), "does not exist, skipping");
        });
        should("notifications", it -> {
            it.createStatement().execute("LISTEN jdbc_channel");
            it.createStatement().execute("NOTIFY jdbc_channel, 'payload'");
            Suite.equal(it.unwrap(PGConnection.class).getNotifications(2000)[0].getParameter(), "payload");
        });
        should("a view", it -> {
            it.createStatement().execute("CREATE OR REPLACE VIEW jdbc_view AS SELECT city FROM profiles");
            Suite.equal(it.getMetaData().getTables(null, "public", "jdbc_view", null).next(), true);
            it.createStatement().execute("DROP VIEW jdbc_view");
        });
    }

    public static void main(String[] words) throws Exception {
        values();
        parameters();
        metadata();
        cursors();
        transactions();
        writes();
        SUITE.run(org.postgresql.util.DriverInfo.DRIVER_VERSION, words.length > 0 ? words[0] : "");
    }
}
