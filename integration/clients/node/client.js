// The client script for node: mode "query" and "execute" (mysql2), "mariadb" and "mariadb-execute" (the mariadb connector).
'use strict';
const crypto = require('crypto');
const fs = require('fs');

const TABLE = `CREATE TABLE all_types (id INT PRIMARY KEY AUTO_INCREMENT, ti TINYINT, tu TINYINT UNSIGNED, si SMALLINT, mi MEDIUMINT,
 i INT, iu INT UNSIGNED, bi BIGINT, bu BIGINT UNSIGNED, de DECIMAL(20,6), fl FLOAT, db DOUBLE, da DATE, dt DATETIME(6),
 tm TIME(6), ye YEAR, ch CHAR(10), vc VARCHAR(200), tx TEXT, bn BINARY(4), vb VARBINARY(50), bl BLOB, js JSON,
 en ENUM('a','b','c'), se SET('x','y','z'), bt BIT(10)) DEFAULT CHARSET=utf8mb4`;
const INSERT = `INSERT INTO all_types (ti,tu,si,mi,i,iu,bi,bu,de,fl,db,da,dt,tm,ye,ch,vc,tx,bn,vb,bl,js,en,se,bt) VALUES (${'?,'.repeat(24)}?)`;
const ROWS = [
  [127, 255, 32767, 8388607, 2147483647, 4294967295, '9223372036854775807', '18446744073709551615', '99999999999999.999999', 1.5,
    3.141592653589793, '2026-01-31', '2026-01-31 12:00:00.123456', '100:59:58.999999', 2155, 'char',
    'h\u00e9llo \u{1f600} "dq" \'sq\' \\ back\nnewline; -- no comment ?', '', Buffer.from([0, 255, 16, 65]), Buffer.from([0, 255]),
    Buffer.from(Array.from({ length: 256 }, (_, n) => n)), '{"k": [1, 2.5, null, "\u00fc"]}', 'b', 'x,z', 513],
  [-128, 0, -32768, -8388608, -2147483648, 0, '-9223372036854775808', '0', '-0.000001', -0.25, -1234.5678, '1000-01-01',
    '9999-12-31 23:59:59', '-12:34:56.000001', 1901, '', "''", '\u{1f680}'.repeat(100), Buffer.from([128, 0, 0, 0]), Buffer.from([255]),
    Buffer.from([0, 255, 0, 255]), '[]', 'a', '', 0],
  new Array(25).fill(null),
];

const [host, port, user, password, database, ...options] = process.argv.slice(2);
const option = (name) => (options.find((o) => o.startsWith(`--${name}=`)) || '').slice(name.length + 3);
const mode = option('mode') || 'query';
const tls = options.includes('--tls');
const expectFile = option('expect') ? fs.openSync(option('expect'), 'w') : null;
const prepared = mode.endsWith('execute');

/** The text of a bound value as a message holds it. */
function contract(value) {
  if (value === null) return null;
  if (Buffer.isBuffer(value)) return `<bytes:${value.length}>`;
  const text = String(value);
  return text.length > 2048 ? { prefix: text.slice(0, 1000) } : text;
}

function expect(sql, params, count, error = null) {
  if (expectFile !== null) {
    const record = { sql, params: params && params.length ? params.map(contract) : null, count, error };
    fs.writeSync(expectFile, JSON.stringify(record) + '\n');
  }
}

function shown(value) {
  let text = Buffer.isBuffer(value) ? `x${value.toString('hex')}` : typeof value === 'bigint' ? `${value}n` : JSON.stringify(value);
  if (text.length > 3000) text = `large:${text.length}:${crypto.createHash('md5').update(text).digest('hex')}`;
  return text;
}

function show(label, result) {
  if (!Array.isArray(result)) {
    console.log(`${label}: ${result.affectedRows} ${result.insertId}`);
    return result.affectedRows;
  }
  for (const row of result) console.log(`${label}: ${Object.values(row).map(shown).join(' | ')}`);
  return result.length;
}

class Mysql2 {
  async connect() {
    this.db = await require('mysql2/promise').createConnection({
      host, port: Number(port), user, password, database, multipleStatements: true, dateStrings: true, supportBigNumbers: true,
      bigNumberStrings: true, charset: 'utf8mb4', ssl: tls ? { rejectUnauthorized: false } : undefined,
    });
  }
  async query(sql, args) { return (await this.db.query(sql, args))[0]; }
  async execute(sql, args) { return (await this.db.execute(sql, args))[0]; }
  text(sql, args) { return this.db.format(sql, args); }
  use(name) { return this.db.changeUser({ database: name }); }
  close() { return this.db.end(); }
}

class MariaDb {
  async connect() {
    this.db = await require('mariadb').createConnection({
      host, port: Number(port), user, password, database, multipleStatements: true, dateStrings: true, bigIntAsNumber: false,
      decimalAsNumber: false, allowPublicKeyRetrieval: true, ssl: tls ? { rejectUnauthorized: false } : false, checkDuplicate: false,
    });
  }
  query(sql, args) { return this.db.query(sql, args); }
  execute(sql, args) { return this.db.execute(sql, args); }
  text() { return null; }
  use(name) { return this.db.query(`USE ${name}`); }
  close() { return this.db.end(); }
}

async function main() {
  const client = mode.startsWith('mariadb') ? new MariaDb() : new Mysql2();
  await client.connect();

  async function run(label, sql, args) {
    const bind = prepared && args;
    const text = bind ? sql : args ? client.text(sql, args) : sql;
    // The driver's text of a Buffer is a literal of its own, and a long text is cut by the proxy's message only in parameters.
    const known = text !== null && text.length > 1e6 ? { prefix: text.slice(0, 1000) } : text;
    try {
      const result = await (bind ? client.execute(sql, args) : client.query(sql, args));
      const count = show(label, result);
      expect(known, bind ? args : null, count);
    } catch (error) {
      console.log(`${label}: error ${error.errno} ${error.sqlState}`);
      expect(known, null, 0, error.errno);
    }
  }

  await run('drop', 'DROP TABLE IF EXISTS all_types');
  await run('create', TABLE);
  for (const row of ROWS) await run('insert', INSERT, row);
  for (const n of [1, 2, 3]) await run('select', 'SELECT * FROM all_types WHERE id = ?', [n]);
  await run('update', 'UPDATE all_types SET vc = ?, de = ? WHERE id = ?', ["it's \u{1f600}", '12.5', 2]);
  await run('update null', 'UPDATE all_types SET vc = ? WHERE id = ?', [null, 1]);
  await run('delete', 'DELETE FROM all_types WHERE id = ?', [3]);
  await run('syntax', 'SELEC 1');
  await run('bound syntax', 'SELEC ?', [1]);
  await run('duplicate', 'INSERT INTO all_types (id) VALUES (1)');
  await run('drop mt', 'DROP TABLE IF EXISTS mt');
  await run('create mt', 'CREATE TABLE mt (v INT)');
  const parts = ['INSERT INTO mt VALUES (1)', 'INSERT INTO mt VALUES (2),(3)', 'SELECT v FROM mt ORDER BY v',
    'UPDATE mt SET v = v + 10', 'SELECT \'a;b\' AS s, "c;d" AS t /* e;f */'];
  const results = await client.query(parts.join('; '));
  results.forEach((result, n) => expect(parts[n], null, show('multi', result)));
  await run('drop proc', 'DROP PROCEDURE IF EXISTS two_results');
  await run('create proc', 'CREATE PROCEDURE two_results(IN a INT, IN b INT) BEGIN '
    + 'SELECT a + b AS inner_s UNION ALL SELECT a * b; SELECT a - b AS inner_d; END');
  const called = await (prepared ? client.execute('CALL two_results(?, ?)', [7, 3]) : client.query('CALL two_results(?, ?)', [7, 3]));
  called.forEach((result) => show('call', result));
  expect(prepared ? 'CALL two_results(?, ?)' : client.text('CALL two_results(?, ?)', [7, 3]), prepared ? [7, 3] : null, 2);
  // Several commands before the first answer.
  const many = [];
  for (let n = 0; n < 20; n++) many.push(client.query(`SELECT ${n} AS n`));
  (await Promise.all(many)).forEach((result, n) => { show('pipelined', result); expect(`SELECT ${n} AS n`, null, 1); });
  for (const end of ['rollback', 'commit']) {
    await client.db.beginTransaction();
    expect('START TRANSACTION', null, 0);
    await run('in trx', 'INSERT INTO mt VALUES (?)', [99]);
    await client.db[end]();
    expect(end.toUpperCase(), null, 0);
    await run('after', 'SELECT COUNT(*) FROM mt');
  }
  await run('use', 'USE ct2');
  await run('other', 'CREATE TABLE other (v VARCHAR(20))');
  await run('other insert', 'INSERT INTO other VALUES (?)', ['elsewhere']);
  await run('where', 'SELECT DATABASE(), v FROM other');
  await client.use('ct');
  await run('drop big', 'DROP TABLE IF EXISTS big');
  await run('create big', 'CREATE TABLE big (v LONGTEXT)');
  const large = Array.from({ length: 20 * 1024 * 1024 / 8 }, (_, n) => String(n).padStart(8, '0')).join('');
  await run('big insert', 'INSERT INTO big VALUES (?)', [large]);
  await run('big select', 'SELECT LENGTH(v), CRC32(v), v FROM big');
  await run('tls', "SHOW SESSION STATUS LIKE 'Ssl_version'");
  await client.close();
  console.log('done');
}

main().catch((error) => { console.log('failed', error); process.exitCode = 1; });
