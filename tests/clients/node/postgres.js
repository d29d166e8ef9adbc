// postgres.js: pipelined and prepared throughout, its own introspection of array types.
'use strict';
const { must, should, equal, fails, main } = require('./suite.js');
const { createRequire } = require('node:module');
const load = createRequire(process.env.CACHE + '/node/');
const postgres = load('postgres');

async function using(work, options = {}) {
  const sql = postgres({ ssl: false, max: 2, onnotice: () => {}, ...options });
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

must('connect', () => using(async (sql) => equal((await sql`SELECT 1 AS x`)[0].x, 1)));
must('int8 is a text', () => using(async (sql) => equal((await sql`SELECT 9000000000 AS x`)[0].x, '9000000000')));
must('parameters', () => using(async (sql) => equal((await sql`SELECT ${1}::int + 1 AS x, ${'it\'s'} AS y, ${null}::int AS z`)[0], { x: 2, y: 'it\'s', z: null })));
must('parameter of a filter', () => using(async (sql) => equal([...await sql`SELECT visits FROM profiles WHERE customer_no = ${'C0007'}`], [{ visits: 7 }])));
must('list as a parameter', () => using(async (sql) => equal((await sql`SELECT count(*)::int AS n FROM profiles WHERE customer_no IN ${sql(['C0001', 'C0002'])}`)[0].n, 2)));
must('array as a parameter', () => using(async (sql) => equal((await sql`SELECT count(*)::int AS n FROM profiles WHERE customer_no = ANY(${['C0001', 'C0002']})`)[0].n, 2)));
must('arrays', () => using(async (sql) => equal((await sql`SELECT tags FROM profiles WHERE visits = 1`)[0].tags, ['a', 'b'])));
must('json', () => using(async (sql) => equal((await sql`SELECT ${sql.json({ a: [1] })}::jsonb AS x`)[0].x, { a: [1] })));
must('moments', () => using(async (sql) => equal((await sql`SELECT last_seen_at FROM profiles WHERE visits = 300`)[0].last_seen_at, new Date('2026-01-01T15:00:00Z'))));
must('dynamic columns', () => using(async (sql) => equal({ ...(await sql`SELECT ${sql(['city', 'visits'])} FROM profiles WHERE visits = 1`)[0] }, { city: 'Hull', visits: 1 })));
must('cursor', () => using(async (sql) => {
  const sizes = [];
  for await (const rows of sql`SELECT visits FROM profiles`.cursor(300)) sizes.push(rows.length);
  equal(sizes, [300, 300, 300, 100]);
}));
must('forEach', () => using(async (sql) => {
  let sum = 0;
  await sql`SELECT visits FROM profiles`.forEach((row) => { sum += row.visits; });
  equal(sum, 500500);
}));
must('transaction and savepoint', () => using((sql) => sql.begin(async (inner) => {
  await inner.savepoint((deeper) => deeper`SELECT 1/0`).catch(() => {});
  equal((await inner`SELECT 1 AS x`)[0].x, 1);
})));
must('many at once', () => using(async (sql) => equal(await Promise.all([...Array(20).keys()].map((n) => sql`SELECT ${n}::int AS n`.then((it) => it[0].n))), [...Array(20).keys()])));
must('simple query of several statements', () => using(async (sql) => equal((await sql`SELECT 1 AS a; SELECT 2 AS b`.simple()).map((it) => ({ ...it[0] })), [{ a: 1 }, { b: 2 }])));
must('describe', () => using(async (sql) => equal((await sql`SELECT profile_id, spend FROM profiles WHERE city = ${'x'}`.describe()).columns.map((it) => it.type), [20, 1700])));
must('error code', () => using((sql) => fails(() => sql`SELECT * FROM nothing_here`, '42P01')));
must('cancel', () => using(async (sql) => {
  const query = sql`SELECT pg_sleep(20)`;
  setTimeout(() => query.cancel(), 500);
  await fails(() => query, '57014');
}));
should('COPY out', () => using(async (sql) => {
  let text = '';
  for await (const part of await sql`COPY (SELECT customer_no FROM profiles WHERE visits < 3 ORDER BY 1) TO STDOUT`.readable()) text += part;
  equal(text, 'C0001\nC0002\n');
}));
should('listen', () => using(async (sql) => {
  let tell;
  const heard = new Promise((resolve) => { tell = resolve; });
  await sql.listen('postgresjs_channel', tell);
  await sql.notify('postgresjs_channel', 'payload');
  equal(await heard, 'payload');
}));

main(JSON.parse(require('node:fs').readFileSync(`${process.env.CACHE}/node/node_modules/postgres/package.json`)).version);
