<?php
// The client script for PHP's mysqli: mode "text" and "prepared".
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
[, $host, $port, $user, $password, $database] = $argv;
$options = array_slice($argv, 6);
$tls = in_array('--tls', $options);
$prepared = in_array('--mode=prepared', $options);
$expects = null;
foreach ($options as $option) {
    if (str_starts_with($option, '--expect=')) {
        $expects = fopen(substr($option, 9), 'w');
    }
}
$table = "CREATE TABLE all_types (id INT PRIMARY KEY AUTO_INCREMENT, ti TINYINT, bu BIGINT UNSIGNED, de DECIMAL(20,6), db DOUBLE,"
    . " dt DATETIME(6), tm TIME(6), vc VARCHAR(200), bl BLOB, js JSON) DEFAULT CHARSET=utf8mb4";
$rows = [
    [127, '18446744073709551615', '99999999999999.999999', 3.141592653589793, '2026-01-31 12:00:00.123456', '100:59:58.999999',
        "h\u{e9}llo \u{1f600} \"dq\" 'sq' \\ back\nnewline; -- no comment ?", "\x00\xff\x10A", '{"k": [1, 2.5, null]}'],
    [-128, '0', '-0.000001', -1234.5678, '9999-12-31 23:59:59', '-12:34:56.000001', '', "\xff", '[]'],
    array_fill(0, 9, null),
];

function expect($sql, $params, $count, $error = null) {
    global $expects;
    if ($expects) {
        if (strlen($sql) > 1000000) {
            $sql = ['prefix' => substr($sql, 0, 1000)];
        }
        fwrite($expects, json_encode(['sql' => $sql, 'params' => $params, 'count' => $count, 'error' => $error], JSON_THROW_ON_ERROR) . "\n");
    }
}

/** The text of a bound value as a message holds it. */
function contract($value) {
    if ($value === null) {
        return null;
    }
    if (is_string($value) && !preg_match('//u', $value)) {
        return '<bytes:' . strlen($value) . '>';
    }
    if (is_float($value)) {
        return json_encode($value);
    }
    return strlen((string) $value) > 2048 ? ['prefix' => substr($value, 0, 1000)] : (string) $value;
}

function show($label, $result) {
    foreach ($result as $row) {
        $line = array_map(function ($value) {
            $text = $value === null ? 'NULL' : (is_string($value) ? addcslashes($value, "\0..\37\177..\377") : var_export($value, true));
            return strlen($text) > 3000 ? 'large:' . strlen($text) . ':' . md5($text) : $text;
        }, array_values($row));
        echo "$label: ", implode(' | ', $line), "\n";
    }
    return $result->num_rows;
}

function text($label, $sql) {
    global $db;
    try {
        $result = $db->query($sql);
        $count = $result === true ? $db->affected_rows : show($label, $result);
    } catch (mysqli_sql_exception $error) {
        echo "$label: error {$error->getCode()} {$error->getSqlState()} {$error->getMessage()}\n";
        return expect($sql, null, 0, $error->getCode());
    }
    echo "$label: $count $db->insert_id\n";
    expect($sql, null, $count);
}

function bound($label, $sql, $params) {
    global $db, $prepared;
    if (!$prepared) {
        $parts = explode('?', $sql);
        $whole = array_shift($parts);
        $known = true;
        foreach ($parts as $index => $part) {
            $value = $params[$index];
            $known = $known && ($value === null || preg_match('//u', (string) $value));
            $whole .= ($value === null ? 'NULL' : (is_string($value) && !preg_match('//u', $value) ? "x'" . bin2hex($value) . "'"
                : (is_string($value) ? "'" . $db->real_escape_string($value) . "'" : json_encode($value)))) . $part;
        }
        return text($label, $whole);
    }
    try {
        $statement = $db->prepare($sql);
        $types = implode('', array_map(fn($v) => is_int($v) ? 'i' : (is_float($v) ? 'd' : 's'), $params));
        $statement->bind_param($types, ...$params);
        $statement->execute();
        $result = $statement->get_result();
        $count = $result === false ? $statement->affected_rows : show($label, $result);
        $statement->close();
    } catch (mysqli_sql_exception $error) {
        echo "$label: error {$error->getCode()} {$error->getSqlState()} {$error->getMessage()}\n";
        return expect($sql, null, 0, $error->getCode());
    }
    echo "$label: $count\n";
    expect($sql, array_map('contract', $params), $count);
}

$db = mysqli_init();
$db->options(MYSQLI_OPT_INT_AND_FLOAT_NATIVE, 1);
$flags = $tls ? MYSQLI_CLIENT_SSL | MYSQLI_CLIENT_SSL_DONT_VERIFY_SERVER_CERT : 0;
$db->real_connect($host, $user, $password, $database, (int) $port, null, $flags);
$db->set_charset('utf8mb4');
text('drop', 'DROP TABLE IF EXISTS all_types');
text('create', $table);
foreach ($rows as $row) {
    bound('insert', 'INSERT INTO all_types (ti,bu,de,db,dt,tm,vc,bl,js) VALUES (?,?,?,?,?,?,?,?,?)', $row);
}
foreach ([1, 2, 3] as $id) {
    bound('select', 'SELECT * FROM all_types WHERE id = ?', [$id]);
}
bound('update', 'UPDATE all_types SET vc = ? WHERE id = ?', ["it's \u{1f600}", 2]);
bound('delete', 'DELETE FROM all_types WHERE id = ?', [3]);
text('syntax', 'SELEC 1');
bound('bound syntax', 'SELEC ?', [1]);
text('duplicate', 'INSERT INTO all_types (id) VALUES (1)');
text('drop mt', 'DROP TABLE IF EXISTS mt');
text('create mt', 'CREATE TABLE mt (v INT)');
$parts = ['INSERT INTO mt VALUES (1)', 'INSERT INTO mt VALUES (2),(3)', 'SELECT v FROM mt ORDER BY v', 'UPDATE mt SET v = v + 10',
    "SELECT 'a;b' AS s, \"c;d\" AS t /* e;f */"];
$db->multi_query(implode('; ', $parts));
foreach ($parts as $index => $part) {
    if ($index) {
        $db->next_result();
    }
    $result = $db->store_result();
    $count = $result ? show('multi', $result) : $db->affected_rows;
    echo "multi: $count\n";
    expect($part, null, $count);
}
text('drop proc', 'DROP PROCEDURE IF EXISTS two_results');
text('create proc', 'CREATE PROCEDURE two_results(IN a INT, IN b INT) BEGIN '
    . 'SELECT a + b AS inner_s UNION ALL SELECT a * b; SELECT a - b AS inner_d; END');
$db->multi_query('CALL two_results(7, 3)');
do {
    if ($result = $db->store_result()) {
        show('call', $result);
    }
} while ($db->more_results() && $db->next_result());
expect('CALL two_results(7, 3)', null, 2);
foreach (['rollback' => 'ROLLBACK', 'commit' => 'COMMIT'] as $method => $sql) {
    $db->begin_transaction();
    expect('START TRANSACTION', null, 0);
    bound('in trx', 'INSERT INTO mt VALUES (?)', [99]);
    $db->$method();
    expect($sql, null, 0);
    text('after', 'SELECT COUNT(*) FROM mt');
}
$db->select_db('ct2');
text('other', 'CREATE TABLE other (v VARCHAR(20))');
bound('other insert', 'INSERT INTO other VALUES (?)', ['elsewhere']);
text('where', 'SELECT DATABASE(), v FROM other');
$db->change_user($user, $password, 'ct');
$db->set_charset('utf8mb4');
text('big', 'DROP TABLE IF EXISTS big');
text('create big', 'CREATE TABLE big (v LONGTEXT)');
$large = '';
for ($n = 0; $n < 20 * 1024 * 1024 / 8; $n++) {
    $large .= sprintf('%08d', $n);
}
bound('big insert', 'INSERT INTO big VALUES (?)', [$large]);
text('big select', 'SELECT LENGTH(v), CRC32(v), v FROM big');
text('tls', "SHOW SESSION STATUS LIKE 'Ssl_version'");
$db->close();
echo "done\n";
