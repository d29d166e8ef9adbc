// What the checks of the Node clients are written with; prints the lines that the runner reads.
'use strict';
const assert = require('node:assert');

const CHECK_SECONDS = 30;
const planned = [];

const must = (name, run) => planned.push([name, 'must', run]);
const should = (name, run) => planned.push([name, 'should', run]);
const equal = (actual, expected) => assert.deepStrictEqual(actual, expected);

async function fails(work, code) {
  try {
    await work();
  } catch (error) {
    equal(error.code || (error.driverError && error.driverError.code) || (error.original && error.original.code), code);
    return error;
  }
  throw new Error(`no error ${code}`);
}

async function main(version) {
  const word = process.argv[2] || '';
  const chosen = planned.filter(([name]) => name.includes(word));
  console.log('@' + JSON.stringify({ kind: 'plan', version, checks: chosen.map(([name, level]) => [name, level]) }));
  for (const [name, , run] of chosen) {
    let timer;
    const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`no answer within ${CHECK_SECONDS} s`)), CHECK_SECONDS * 1000); });
    let problem = '';
    try {
      await Promise.race([run(), late]);
    } catch (error) {
      problem = `${error.name}: ${error.message}`.slice(0, 1500) || 'failed';
    }
    clearTimeout(timer);
    console.log('@' + JSON.stringify({ kind: 'check', name, problem }));
  }
  process.exit(0);
}

process.on('uncaughtException', () => {});
module.exports = { must, should, equal, fails, main };
