<?php
// PDO and the pgsql extension: placeholders, types, metadata, errors, COPY.
declare(strict_types=1);

$planned = [];
function must(string $name, callable $run): void { $GLOBALS['planned'][] = [$name, 'must', $run]; }
function should(string $name, callable $run): void { $GLOBALS['planned'][] = [$name, 'should', $run]; }
function say(array $what): void { echo '@' . json_encode($what, JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE) . "\n"; }
function equal(mixed $actual, mixed $expected): void { if ($actual !== $expected) { throw new Exception('got ' . var_export($actual, true) . ', not ' . var_export($expected, true)); } }
function pdo(): PDO { return new PDO(sprintf('pgsql:host=%s;port=%s;dbname=%s;sslmode=disable', getenv('PGHOST'), getenv('PGPORT'), getenv('PGDATABASE')), getenv('PGUSER'), '', [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]); }
function pgsql(): PgSql\Connection { return pg_connect(sprintf('host=%s port=%s dbname=%s user=%s sslmode=disable', getenv('PGHOST'), getenv('PGPORT'), getenv('PGDATABASE'), getenv('PGUSER')), PGSQL_CONNECT_FORCE_NEW); }
function one(string $sql, array $parameters = []): mixed { $it = pdo()->prepare($sql); $it->execute($parameters); return $it->fetchColumn(); }

must('PDO: connect', fn() => equal(one('SELECT 1'), 1));
must('PDO: version', fn() => equal(substr(pdo()->getAttribute(PDO::ATTR_SERVER_VERSION), 0, 2), '15'));
must('PDO: types', fn() => equal(pdo()->query("SELECT true AS a, 1.50::numeric(12,2) AS b, 'Zoë' AS c, NULL AS d, 0.5::float8 AS e")->fetch(PDO::FETCH_ASSOC), ['a' => true, 'b' => '1.50', 'c' => 'Zoë', 'd' => null, 'e' => '0.5']));
must('PDO: placeholders', fn() => equal(one('SELECT count(*) FROM profiles WHERE customer_no = ? AND visits < ?', ['C0001', 10]), 1));
must('PDO: named placeholders', fn() => equal(one('SELECT city FROM profiles WHERE visits = :n', ['n' => 1]), 'Hull'));
must('PDO: limit as a placeholder', fn() => equal(one('SELECT count(*) FROM (SELECT 1 FROM profiles LIMIT ?) x', [5]), 5));
must('PDO: all rows', fn() => equal(array_sum(pdo()->query('SELECT visits FROM profiles')->fetchAll(PDO::FETCH_COLUMN)), 500500));
must('PDO: metadata of a column', function () { $it = pdo()->query('SELECT spend FROM profiles LIMIT 1'); $meta = $it->getColumnMeta(0); equal([$meta['native_type'], $meta['name'], $meta['table'] ?? ''], ['numeric', 'spend', 'profiles']); });
must('PDO: error', function () { try { pdo()->query('SELECT * FROM nothing_here'); } catch (PDOException $error) { equal($error->getCode(), '42P01'); return; } throw new Exception('no error'); });
must('PDO: transaction', function () { $db = pdo(); $db->beginTransaction(); try { $db->query('SELECT 1/0'); } catch (PDOException) { $db->rollBack(); } equal($db->query('SELECT 1')->fetchColumn(), 1); });
must('PDO: cursor', function () { $it = pdo()->prepare('SELECT visits FROM profiles ORDER BY visits', [PDO::ATTR_CURSOR => PDO::CURSOR_SCROLL]); $it->execute(); equal($it->fetchColumn(), 1); });
must('pgsql: parameters', fn() => equal(pg_fetch_row(pg_query_params(pgsql(), 'SELECT $1::int + 1', [1])), ['2']));
must('pgsql: meta data', fn() => equal(pg_meta_data(pgsql(), 'profiles')['spend']['type'], 'numeric'));
must('pgsql: prepared', function () { $db = pgsql(); pg_prepare($db, 'p', 'SELECT visits FROM profiles WHERE customer_no = $1'); equal(pg_fetch_row(pg_execute($db, 'p', ['C0007'])), ['7']); });
must('pgsql: type and table of a field', function () { $it = pg_query(pgsql(), 'SELECT spend FROM profiles LIMIT 1'); equal([pg_field_type($it, 0), pg_field_table($it, 0)], ['numeric', 'profiles']); });
should('pgsql: COPY out', fn() => equal(pg_copy_to(pgsql(), 'purchases')[0] !== '', true));
should('PDO: insert and delete', function () { $db = pdo(); $it = $db->prepare('INSERT INTO crm (customer_no, email) VALUES (?, ?)'); $it->execute(['X-php', 'x-php@example.com']); equal($db->exec("DELETE FROM crm WHERE customer_no = 'X-php'"), 1); });

$planned = array_values(array_filter($planned, fn($it) => str_contains($it[0], $argv[1] ?? '')));
say(['kind' => 'plan', 'version' => PHP_VERSION, 'checks' => array_map(fn($it) => [$it[0], $it[1]], $planned)]);
foreach ($planned as [$name, , $run]) {
    $problem = '';
    try { $run(); } catch (Throwable $error) { $problem = $error->getMessage() ?: 'failed'; }
    say(['kind' => 'check', 'name' => $name, 'problem' => $problem]);
}
