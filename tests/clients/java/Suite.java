import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/** What the checks of pgjdbc are written with; prints the lines that the runner reads. */
final class Suite {
    private static final int CHECK_SECONDS = 30;

    interface Check {
        void run() throws Exception;
    }

    private record Planned(String name, String level, Check check) {}

    private final List<Planned> planned = new ArrayList<>();

    void must(String name, Check check) {
        planned.add(new Planned(name, "must", check));
    }

    void should(String name, Check check) {
        planned.add(new Planned(name, "should", check));
    }

    void run(String version, String word) throws Exception {
        planned.removeIf(it -> !it.name.contains(word));
        var names = new StringBuilder();
        for (var it : planned) {
            names.append(names.isEmpty() ? "" : ", ").append("[").append(quoted(it.name)).append(", ").append(quoted(it.level)).append("]");
        }
        System.out.println("@{\"kind\": \"plan\", \"version\": " + quoted(version) + ", \"checks\": [" + names + "]}");
        for (var it : planned) {
            System.out.println("@{\"kind\": \"check\", \"name\": " + quoted(it.name) + ", \"problem\": " + quoted(problem(it.check)) + "}");
        }
        System.exit(0);
    }

    private static String problem(Check check) {
        ExecutorService alone = Executors.newSingleThreadExecutor(task -> {
            var thread = new Thread(task);
            thread.setDaemon(true);
            return thread;
        });
        try {
            alone.submit(() -> {
                check.run();
                return null;
            }).get(CHECK_SECONDS, TimeUnit.SECONDS);
            return "";
        } catch (java.util.concurrent.ExecutionException error) {
            return String.valueOf(error.getCause());
        } catch (Exception error) {
            return "no answer within " + CHECK_SECONDS + " s";
        } finally {
            alone.shutdownNow();
        }
    }

    private static String quoted(String text) {
        var out = new StringBuilder("\"");
        for (char it : text.toCharArray()) {
            if (it == '"' || it == '\\') {
                out.append('\\').append(it);
            } else if (it < ' ') {
                out.append(String.format("\\u%04x", (int) it));
            } else {
                out.append(it);
            }
        }
        return out.append('"').toString();
    }

    static void equal(Object actual, Object expected) {
        if (!Objects.deepEquals(actual, expected)) {
            throw new AssertionError("got " + shown(actual) + ", not " + shown(expected));
        }
    }

    static void has(String text, String part) {
        if (!text.contains(part)) {
            throw new AssertionError("no " + part + " in " + text);
        }
    }

    private static String shown(Object value) {
        return value instanceof Object[] array ? Arrays.deepToString(array) : value instanceof byte[] bytes ? Arrays.toString(bytes) : value + " (" + (value == null ? "" : value.getClass().getSimpleName()) + ")";
    }
}
