# The client script for Ruby's mysql2: mode "text" and "prepared". Without the 20 MiB, and with OUT parameters.
require 'mysql2'
require 'json'

host, port, user, password, database, *options = ARGV
$prepared = options.include?('--mode=prepared')
expect_path = options.find { |option| option.start_with?('--expect=') }
$expects = expect_path && File.open(expect_path.delete_prefix('--expect='), 'w')

TABLE = 'CREATE TABLE all_types (id INT PRIMARY KEY AUTO_INCREMENT, ti TINYINT, bu BIGINT UNSIGNED, de DECIMAL(20,6), db DOUBLE,' \
        ' dt DATETIME(6), tm TIME(6), vc VARCHAR(200), bl BLOB, js JSON) DEFAULT CHARSET=utf8mb4'.freeze
ROWS = [
  [127, 18_446_744_073_709_551_615, '99999999999999.999999', 3.141592653589793, '2026-01-31 12:00:00.123456', '23:59:58.999999',
   "h\u00e9llo \u{1f600} \"dq\" 'sq' \\ back\nnewline; -- no comment ?", "\x00\xff\x10A".b, '{"k": [1, 2.5, null]}'],
  [-128, 0, '-0.000001', -1234.5678, '9999-12-31 23:59:59', '12:34:56.000001', '', "\xff".b, '[]'],
  [nil] * 9
].freeze

def expect(sql, params, count, error = nil)
  $expects&.puts(JSON.generate({ sql: sql, params: params, count: count, error: error }))
end

# The text of a bound value as a message holds it.
def contract(value)
  return nil if value.nil?
  return value.to_s unless value.is_a?(String)

  value.encoding == Encoding::BINARY ? "<bytes:#{value.bytesize}>" : value
end

def show(label, result)
  result.each { |row| puts "#{label}: #{row.map(&:inspect).join(' | ')}" }
  result.count
end

def failed(label, sql, error)
  puts "#{label}: error #{error.error_number} #{error.sql_state} #{error.message}"
  expect(sql, nil, 0, error.error_number)
end

def text(label, sql)
  result = $db.query(sql, as: :array)
  count = result ? show(label, result) : $db.affected_rows
  puts "#{label}: #{count} #{$db.last_id}"
  expect(sql, nil, count)
rescue Mysql2::Error => e
  failed(label, sql, e)
end

def literal(value)
  case value
  when nil then 'NULL'
  when String then value.encoding == Encoding::BINARY ? "x'#{value.unpack1('H*')}'" : "'#{$db.escape(value)}'"
  else value.to_s
  end
end

def bound(label, sql, params)
  unless $prepared
    values = params.dup
    return text(label, sql.gsub('?') { literal(values.shift) })
  end
  statement = $db.prepare(sql)
  result = statement.execute(*params, as: :array)
  count = result ? show(label, result) : statement.affected_rows
  statement.close
  puts "#{label}: #{count}"
  expect(sql, params.map { |value| contract(value) }, count)
rescue Mysql2::Error => e
  failed(label, sql, e)
end

tls = options.include?('--tls') ? { ssl_mode: :required } : {}
$db = Mysql2::Client.new(host: host, port: port.to_i, username: user, password: password, database: database, encoding: 'utf8mb4',
                         flags: Mysql2::Client::MULTI_STATEMENTS, **tls)
text('drop', 'DROP TABLE IF EXISTS all_types')
text('create', TABLE)
ROWS.each { |row| bound('insert', 'INSERT INTO all_types (ti,bu,de,db,dt,tm,vc,bl,js) VALUES (?,?,?,?,?,?,?,?,?)', row) }
[1, 2, 3].each { |id| bound('select', 'SELECT * FROM all_types WHERE id = ?', [id]) }
bound('update', 'UPDATE all_types SET vc = ? WHERE id = ?', ["it's \u{1f600}", 2])
bound('delete', 'DELETE FROM all_types WHERE id = ?', [3])
text('syntax', 'SELEC 1')
bound('bound syntax', 'SELEC ?', [1])
text('duplicate', 'INSERT INTO all_types (id) VALUES (1)')
text('drop mt', 'DROP TABLE IF EXISTS mt')
text('create mt', 'CREATE TABLE mt (v INT)')
parts = ['INSERT INTO mt VALUES (1)', 'INSERT INTO mt VALUES (2),(3)', 'SELECT v FROM mt ORDER BY v', 'UPDATE mt SET v = v + 10',
         "SELECT 'a;b' AS s, \"c;d\" AS t /* e;f */"]
result = $db.query(parts.join('; '), as: :array)
parts.each_with_index do |part, index|
  if index.positive?
    $db.next_result
    result = $db.store_result
  end
  count = result ? show('multi', result) : $db.affected_rows
  puts "multi: #{count}"
  expect(part, nil, count)
end
text('drop proc', 'DROP PROCEDURE IF EXISTS outs')
text('create proc', 'CREATE PROCEDURE outs(OUT x INT, INOUT y VARCHAR(20)) BEGIN SET x = 7; SET y = CONCAT(y, \'!\'); END')
# mysql2 leaves the results after the first to its user; what it makes of them is up to it, and the same without the proxy.
if $prepared
  statement = $db.prepare('CALL outs(?, ?)')
  result = statement.execute(nil, 'why', as: :array)
  show('out', result) if result
  $db.abandon_results!
  expect('CALL outs(?, ?)', [nil, 'why'], nil)
end
text('behind the call', 'SELECT 2')
%w[ROLLBACK COMMIT].each do |ending|
  text('begin', 'START TRANSACTION')
  bound('in trx', 'INSERT INTO mt VALUES (?)', [99])
  text('end', ending)
  text('after', 'SELECT COUNT(*) FROM mt')
end
$db.select_db('ct2')
text('other', 'CREATE TABLE other (v VARCHAR(20))')
bound('other insert', 'INSERT INTO other VALUES (?)', ['elsewhere'])
text('where', 'SELECT DATABASE(), v FROM other')
text('tls', "SHOW SESSION STATUS LIKE 'Ssl_version'")
$db.close
puts 'done'
