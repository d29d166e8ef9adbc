// node-postgres: simple and extended queries, prepared statements, cursors, streams, pools, cancel.
'use strict';
const { must, should, equal, fails, main } = require('./suite.js');
const { createRequire } = require('node:module');
const load = createRequire(process.env.CACHE + '/node/');
const pg = load('pg');
const Cursor = load('pg-cursor');
const QueryStream = load('pg-query-stream');

async function using(work, options = {}) {
  const client = new pg.Client(options);
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const one = (sql, parameters) => using(async (client) => Object.values((await client.query(sql, parameters)).rows[0])[0]);

must('connect', async () => equal(await one('SELECT 1'), 1));
for (const [name, sql, value] of [
  ['int4', '1', 1], ['int8 is a text', '9000000000', '9000000000'], ['int2', '7::int2', 7], ['float8', '0.1::float8', 0.1], ['numeric is a text', '12.50::numeric(12,2)', '12.50'],
  ['bool', 'true', true], ['text', "'Zoë'", 'Zoë'], ['null', 'NULL::int', null], ['bytea', "'\\x00ff'::bytea", Buffer.from([0, 255])], ['json', `'{"a": [1]}'::json`, { a: [1] }],
  ['jsonb', `'{"a": [1]}'::jsonb`, { a: [1] }], ['text[]', "ARRAY['a b', NULL]", ['a b', null]], ['int4[]', 'ARRAY[1, 2]', [1, 2]], ['uuid', "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  ['timestamptz', "timestamptz '2026-01-31 10:11:12+00'", new Date('2026-01-31T10:11:12Z')], ['count is a text', 'count(*) FROM profiles', '1000'],
]) {
  must(`value: ${name}`, async () => equal(await one(`SELECT ${sql}`), value));
}
for (const [name, sql, parameters, value] of [
  ['int', 'SELECT $1::int + 1', [1], 2], ['text', 'SELECT $1::text', ["it's"], "it's"], ['null', 'SELECT $1::int', [null], null], ['bool', 'SELECT $1::bool', [true], true],
  ['array', 'SELECT count(*)::int FROM profiles WHERE customer_no = ANY($1)', [['C0001', 'C0002']], 2], ['date', 'SELECT count(*)::int FROM profiles WHERE last_seen_at < $1', [new Date('2026-01-01T18:20:00Z')], 399],
  ['json', 'SELECT $1::jsonb', [{ a: 1 }], { a: 1 }], ['limit', 'SELECT count(*)::int FROM (SELECT 1 FROM profiles LIMIT $1) x', [5], 5], ['of a filter', 'SELECT city FROM profiles WHERE visits = $1', [1], 'Hull'],
]) {
  must(`parameter: ${name}`, async () => equal(await one(sql, parameters), value));
}
for (const [sql, code] of [['SELECT * FROM nothing_here', '42P01'], ['SELECT nothing FROM profiles', '42703'], ['SELEC 1', '42601'], ['SELECT 1/0', '22012'], ["SELECT 'x'::int", '22P02'], ['SELECT nothing(1)', '42883']]) {
  must(`error: ${sql}`, () => fails(() => one(sql), code));
}
must('error has a position', async () => equal((await fails(() => one('SELECT nothing FROM profiles'), '42703')).position, '8'));
must('fields have types', () => using(async (client) => {
  const { fields, rowCount, command } = await client.query('SELECT profile_id, spend, tags FROM profiles');
  equal([fields.map((it) => it.dataTypeID), rowCount, command], [[20, 1700, 1009], 1000, 'SELECT']);
}));
must('rows as arrays', () => using(async (client) => equal((await client.query({ text: 'SELECT 1 AS a, 2 AS a', rowMode: 'array' })).rows, [[1, 2]])));
must('named prepared statement', () => using(async (client) => {
  for (const n of [1, 2, 3]) equal((await client.query({ name: 'by-number', text: 'SELECT visits FROM profiles WHERE customer_no = $1', values: [`C000${n}`] })).rows, [{ visits: n }]);
}));
must('binary results', () => using(async (client) => equal((await client.query({ text: 'SELECT visits FROM profiles WHERE customer_no = $1', values: ['C0001'], binary: true })).rows, [{ visits: 1 }])));
must('several statements', () => using(async (client) => equal((await client.query("SELECT 1 AS a; SELECT 'b' AS b")).map((it) => it.rows[0]), [{ a: 1 }, { b: 'b' }])));
must('cursor', () => using(async (client) => {
  const cursor = client.query(new Cursor('SELECT visits FROM profiles ORDER BY visits'));
  equal([(await cursor.read(2)).map((it) => it.visits), (await cursor.read(3)).map((it) => it.visits)], [[1, 2], [3, 4, 5]]);
  await cursor.close();
}));
must('stream', () => using(async (client) => {
  let sum = 0;
  for await (const row of client.query(new QueryStream('SELECT visits FROM profiles', [], { batchSize: 70 }))) sum += row.visits;
  equal(sum, 500500);
}));
must('pool', async () => {
  const pool = new pg.Pool({ max: 4 });
  const sums = await Promise.all([...Array(12).keys()].map((n) => pool.query('SELECT $1::int AS n', [n]).then((it) => it.rows[0].n)));
  equal(sums, [...Array(12).keys()]);
  await pool.end();
});
must('transaction that fails', () => using(async (client) => {
  await client.query('BEGIN');
  await fails(() => client.query('SELECT 1/0'), '22012');
  await fails(() => client.query('SELECT 1'), '25P02');
  await client.query('ROLLBACK');
}));
must('statement_timeout', () => using((client) => fails(() => client.query('SELECT pg_sleep(20)'), '57014'), { statement_timeout: 300 }));
must('pg_cancel_backend', () => using(async (client) => {
  const pid = client.processID;
  setTimeout(() => one('SELECT pg_cancel_backend($1)', [pid]), 500);
  await fails(() => client.query('SELECT pg_sleep(20)'), '57014');
}));
must('application_name', () => using(async (client) => equal((await client.query('SHOW application_name')).rows, [{ application_name: 'mine' }]), { application_name: 'mine' }));
should('notifications', () => using(async (client) => {
  const heard = new Promise((resolve) => client.on('notification', (it) => resolve(it.payload)));
  await client.query('LISTEN node_channel');
  await client.query("NOTIFY node_channel, 'payload'");
  equal(await heard, 'payload');
}));

main(load('pg/package.json').version);
