# ruby-pg: parameters, type maps, prepared statements, single rows, COPY, errors.
require "json"
require "pg"
require "timeout"

$stdout.sync = true
PLANNED = []
def must(name, &run) = PLANNED << [name, "must", run]
def should(name, &run) = PLANNED << [name, "should", run]
def connect = PG.connect(sslmode: "disable")
def equal(actual, expected) = actual == expected || raise("got #{actual.inspect}, not #{expected.inspect}")

def typed
  connection = connect
  connection.type_map_for_results = PG::BasicTypeMapForResults.new(connection)
  connection.type_map_for_queries = PG::BasicTypeMapForQueries.new(connection)
  connection
end

must("connect") { equal(connect.exec("SELECT 1").values, [["1"]]) }
must("version") { equal(connect.server_version / 10_000, 15) }
must("type maps of results") { equal(typed.exec("SELECT 1, 0.5::float8, true, 'x', NULL, ARRAY['a'], DATE '2026-01-31'").values[0][0..5], [1, 0.5, true, "x", nil, ["a"]]) }
must("type maps of parameters") { equal(typed.exec_params("SELECT count(*) FROM profiles WHERE customer_no = ANY($1::text[]) AND visits < $2", [%w[C0001 C0002], 2]).values, [[1]]) }
must("parameters") { equal(connect.exec_params("SELECT city FROM profiles WHERE visits = $1", [1]).values, [["Hull"]]) }
must("prepared") { c = connect; c.prepare("p", "SELECT visits FROM profiles WHERE customer_no = $1"); equal(c.exec_prepared("p", ["C0007"]).values, [["7"]]) }
must("describe") { c = connect; c.prepare("p", "SELECT spend FROM profiles WHERE visits = $1"); equal([c.describe_prepared("p").paramtype(0), c.describe_prepared("p").ftype(0)], [23, 1700]) }
must("binary results") { equal(connect.exec_params("SELECT 7::int4", [], 1).values, [["\x00\x00\x00\x07".b]]) }
must("single rows") { c = connect; c.send_query("SELECT visits FROM profiles"); c.set_single_row_mode; n = 0; while (r = c.get_result); n += r.ntuples; end; equal(n, 1000) }
must("table of a column") { equal(connect.exec("SELECT spend FROM profiles LIMIT 1").then { |r| [r.ftable(0) > 0, r.ftablecol(0)] }, [true, 12]) }
must("error class and position") { begin; connect.exec("SELECT nothing FROM profiles"); raise "no error"; rescue PG::UndefinedColumn => e; equal(e.result.error_field(PG::PG_DIAG_STATEMENT_POSITION), "8"); end }
must("transaction") { c = connect; begin; c.transaction { |t| t.exec("SELECT 1/0") }; rescue PG::DivisionByZero; end; equal(c.exec("SELECT 1").values, [["1"]]) }
must("cancel") { c = connect; c.send_query("SELECT pg_sleep(20)"); sleep 0.5; c.cancel; begin; c.get_last_result; raise "no error"; rescue PG::QueryCanceled; end }
must("quoting") { equal(connect.then { |c| [c.escape_literal("it's"), c.escape_identifier("a b")] }, ["'it''s'", '"a b"']) }
should("COPY out") { c = connect; rows = []; c.copy_data("COPY (SELECT customer_no FROM profiles WHERE visits < 3 ORDER BY 1) TO STDOUT") { while (r = c.get_copy_data); rows << r; end }; equal(rows, ["C0001\n", "C0002\n"]) }
should("notifications") { c = connect; c.exec("LISTEN ruby_channel"); c.exec("NOTIFY ruby_channel, 'payload'"); heard = nil; c.wait_for_notify(3) { |_, _, payload| heard = payload }; equal(heard, "payload") }

PLANNED.select! { |it| it[0].include?(ARGV[0] || "") }
puts "@" + JSON.generate(kind: "plan", version: PG::VERSION, checks: PLANNED.map { |it| it[0..1] })
PLANNED.each do |name, _, run|
  problem = begin
    Timeout.timeout(30) { run.call }
    ""
  rescue StandardError, Timeout::Error => e
    "#{e.class}: #{e.message}"
  end
  puts "@" + JSON.generate(kind: "check", name: name, problem: problem)
end
