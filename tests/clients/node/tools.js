// Knex, Sequelize, TypeORM and Drizzle: what they ask at start, and queries that they make.
'use strict';
const { must, should, equal, main } = require('./suite.js');
const { createRequire } = require('node:module');
const load = createRequire(process.env.CACHE + '/node/');
load('reflect-metadata');
const pg = load('pg');
const connection = { host: process.env.PGHOST, port: Number(process.env.PGPORT), user: process.env.PGUSER, database: process.env.PGDATABASE };

async function knex(work) {
  const db = load('knex')({ client: 'pg', connection });
  try {
    return await work(db);
  } finally {
    await db.destroy();
  }
}

async function sequelize(work) {
  const { Sequelize } = load('sequelize');
  const db = new Sequelize(connection.database, connection.user, '', { dialect: 'postgres', host: connection.host, port: connection.port, logging: false });
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}

async function typeorm(work) {
  const { DataSource } = load('typeorm');
  const source = new DataSource({ type: 'postgres', ...connection, username: connection.user });
  await source.initialize();
  try {
    return await work(source);
  } finally {
    await source.destroy();
  }
}

async function drizzle(work) {
  const pool = new pg.Pool(connection);
  try {
    return await work(load('drizzle-orm/node-postgres').drizzle(pool), load('drizzle-orm/pg-core'), load('drizzle-orm'));
  } finally {
    await pool.end();
  }
}

must('knex: select', () => knex(async (db) => equal(await db('profiles').select('city', 'visits').where('visits', '<', 3).orderBy('visits'), [{ city: 'Hull', visits: 1 }, { city: null, visits: 2 }])));
must('knex: count and group', () => knex(async (db) => equal(await db('profiles').select('city').count('* as n').whereNotNull('city').groupBy('city').orderBy('city'), [{ city: 'Hull', n: '334' }, { city: 'Leeds', n: '333' }])));
must('knex: join and limit', () => knex(async (db) => equal((await db('profiles').join('purchases', 'profiles.email', 'purchases.email').limit(5).offset(2)).length, 5)));
must('knex: hasTable and columnInfo', () => knex(async (db) => equal([await db.schema.hasTable('profiles'), (await db('profiles').columnInfo('spend')).type], [true, 'numeric'])));
must('knex: transaction', () => knex((db) => db.transaction(async (inner) => equal((await inner.raw('SELECT 1 AS x')).rows, [{ x: 1 }]))));
must('knex: stream', () => knex(async (db) => {
  let n = 0;
  for await (const _ of db('profiles').select('visits').stream()) n += 1;
  equal(n, 1000);
}));
must('sequelize: authenticate', () => sequelize((db) => db.authenticate()));
must('sequelize: version', () => sequelize(async (db) => equal((await db.databaseVersion()).split('.')[0], '15')));
must('sequelize: showAllTables and describeTable', () => sequelize(async (db) => {
  const tables = await db.getQueryInterface().showAllTables();
  const columns = await db.getQueryInterface().describeTable('profiles');
  equal([tables.includes('profiles'), columns.profile_id.primaryKey, columns.spend.type, columns.profile_id.allowNull], [true, true, 'NUMERIC', false]);
}));
must('sequelize: indexes and keys', () => sequelize(async (db) => {
  await db.getQueryInterface().showIndex('profiles');
  await db.getQueryInterface().getForeignKeyReferencesForTable('profiles');
}));
must('sequelize: model', () => sequelize(async (db) => {
  const { DataTypes, Op } = load('sequelize');
  const Profile = db.define('profiles', { profile_id: { type: DataTypes.BIGINT, primaryKey: true }, city: DataTypes.TEXT, visits: DataTypes.INTEGER }, { timestamps: false });
  equal([await Profile.count({ where: { city: 'Leeds' } }), (await Profile.findOne({ where: { visits: 7 } })).profile_id, (await Profile.findAll({ where: { visits: { [Op.lt]: 5 } }, order: [['visits', 'DESC']] })).length], [333, '12', 4]);
}));
must('sequelize: replacements', () => sequelize(async (db) => equal((await db.query('SELECT count(*)::int AS n FROM profiles WHERE customer_no IN (:n)', { replacements: { n: ['C0001', 'C0002'] } }))[0], [{ n: 2 }])));
must('typeorm: query runner', () => typeorm(async (source) => {
  const runner = source.createQueryRunner();
  equal([await runner.hasTable('profiles'), await runner.hasColumn('profiles', 'spend'), await runner.getCurrentSchema()], [true, true, 'public']);
  await runner.release();
}));
must('typeorm: a table with its columns and keys', () => typeorm(async (source) => {
  const runner = source.createQueryRunner();
  const table = await runner.getTable('profiles');
  equal([table.columns.length, table.primaryColumns.map((it) => it.name), table.findColumnByName('spend').type], [21, ['profile_id'], 'numeric']);
  await runner.release();
}));
must('typeorm: query builder', () => typeorm(async (source) => equal(await source.createQueryBuilder().select('p.city', 'city').addSelect('COUNT(*)', 'n').from('profiles', 'p').where('p.city = :c', { c: 'Leeds' }).groupBy('p.city').getRawMany(), [{ city: 'Leeds', n: '333' }])));
must('drizzle: select', () => drizzle(async (db, core, { eq, lt, desc }) => {
  const profiles = core.pgTable('profiles', { id: core.bigint('profile_id', { mode: 'number' }).primaryKey(), city: core.text('city'), visits: core.integer('visits'), seen: core.timestamp('last_seen_at', { withTimezone: true }) });
  equal(await db.select({ id: profiles.id }).from(profiles).where(eq(profiles.visits, 7)), [{ id: 12 }]);
  equal((await db.select().from(profiles).where(lt(profiles.visits, 100)).orderBy(desc(profiles.visits)).limit(5).offset(2)).map((it) => it.visits), [97, 96, 95, 94, 93]);
}));
must('drizzle: prepared', () => drizzle(async (db, core, { sql }) => {
  const profiles = core.pgTable('profiles', { visits: core.integer('visits'), number: core.text('customer_no') });
  const prepared = db.select().from(profiles).where(sql`${profiles.number} = ${sql.placeholder('n')}`).prepare('by_number');
  equal(await prepared.execute({ n: 'C0007' }), [{ visits: 7, number: 'C0007' }]);
}));
should('knex: create and drop a table', () => knex(async (db) => {
  await db.schema.createTable('knex_scratch', (table) => { table.integer('a'); table.text('b'); });
  await db('knex_scratch').insert([{ a: 1, b: 'x' }, { a: 2, b: 'y' }]);
  equal(await db('knex_scratch').sum('a as s'), [{ s: '3' }]);
  await db.schema.dropTable('knex_scratch');
}));
should('sequelize: transaction with a savepoint', () => sequelize((db) => db.transaction(async (outer) => {
  await db.transaction({ transaction: outer }, (inner) => db.query('SELECT 1/0', { transaction: inner })).catch(() => {});
  await db.query('SELECT 1', { transaction: outer });
})));

main(['knex', 'sequelize', 'typeorm', 'drizzle-orm'].map((name) => `${name} ${JSON.parse(require('node:fs').readFileSync(`${process.env.CACHE}/node/node_modules/${name}/package.json`)).version}`).join(', '));
