# The client script for Perl's DBD::mysql and DBD::MariaDB: modes "mysql", "mysql-prepared", "mariadb", "mariadb-prepared". Without the
# 20 MiB, and with OUT parameters.
use strict;
use warnings;
use utf8;
use DBI;
use Digest::MD5 ();
use JSON::PP ();

my ($host, $port, $user, $password, $database, @options) = @ARGV;
my ($mode) = map { /^--mode=(.*)/ ? $1 : () } @options;
my ($expects) = map { /^--expect=(.*)/ ? $1 : () } @options;
my $prepared = $mode =~ /prepared/;
my $driver = $mode =~ /^mysql/ ? 'mysql' : 'MariaDB';
my $prefix = lc($driver);
my $file;
if (defined $expects) { open($file, '>:raw', $expects) or die "$expects: $!" }
binmode(STDOUT, ':utf8');

sub expect {
    my ($sql, $params, $count, $error) = @_;
    print $file JSON::PP->new->canonical->utf8->encode({ sql => $sql, params => $params, count => $count, error => $error }), "\n" if $file;
}

sub show {
    my ($label, $statement) = @_;
    my $count = 0;
    while (my $row = $statement->fetchrow_arrayref) {
        print "$label: ", join(' | ', map { defined $_ ? $_ =~ s/([^\x20-\x7e])/sprintf('\\x{%x}', ord $1)/ger : 'NULL' } @$row), "\n";
        $count++;
    }
    return $count;
}

my $db;

sub run {
    my ($label, $sql, @params) = @_;
    my $statement = $db->prepare($sql);
    if (!$statement || !$statement->execute(@params)) {
        my ($code, $state, $text) = ($db->err, $db->state, $db->errstr);
        print "$label: error $code $state $text\n";
        # Without server-side statements the driver writes the values itself.
        return expect(@params && !$prepared ? undef : $sql, undef, 0, $code);
    }
    my $count = 0 + ($statement->{NUM_OF_FIELDS} ? show($label, $statement) : $statement->rows);
    $statement->finish;
    print "$label: $count\n";
    expect(@params && !$prepared ? undef : $sql, @params ? [map { defined $_ ? "$_" : undef } @params] : undef, $count);
}

my $tls = grep { $_ eq '--tls' } @options;
my $flags = $tls ? ";${prefix}_ssl=1" : '';
$db = DBI->connect("DBI:$driver:database=$database;host=$host;port=$port;${prefix}_server_prepare=" . ($prepared ? 1 : 0) . $flags, $user, $password,
    { RaiseError => 0, PrintError => 0, AutoCommit => 1, $driver eq 'mysql' ? (mysql_enable_utf8mb4 => 1) : () }) or die DBI->errstr;
run('drop', 'DROP TABLE IF EXISTS all_types');
run('create', 'CREATE TABLE all_types (id INT PRIMARY KEY AUTO_INCREMENT, ti TINYINT, bu BIGINT UNSIGNED, de DECIMAL(20,6), db DOUBLE,'
    . ' dt DATETIME(6), tm TIME(6), vc VARCHAR(200), js JSON) DEFAULT CHARSET=utf8mb4');
for my $row (['127', '18446744073709551615', '99999999999999.999999', '3.25', '2026-01-31 12:00:00.123456', '100:59:58.999999',
        "h\x{e9}llo \x{1f600} \"dq\" 'sq' \\ back\nnewline; -- no comment", '{"k": [1, 2.5, null]}'],
    ['-128', '0', '-0.000001', '-1234.5', '9999-12-31 23:59:59', '-12:34:56.000001', '', '[]'], [(undef) x 8]) {
    run('insert', 'INSERT INTO all_types (ti,bu,de,db,dt,tm,vc,js) VALUES (?,?,?,?,?,?,?,?)', @$row);
}
run('select', 'SELECT * FROM all_types WHERE id = ?', $_) for 1 .. 3;
run('update', 'UPDATE all_types SET vc = ? WHERE id = ?', "it's \x{1f600}", 2);
run('delete', 'DELETE FROM all_types WHERE id = ?', 3);
run('syntax', 'SELEC 1');
run('bound syntax', 'SELEC ?', 1);
run('duplicate', 'INSERT INTO all_types (id) VALUES (1)');
run('drop proc', 'DROP PROCEDURE IF EXISTS outs');
run('create proc', 'CREATE PROCEDURE outs(OUT x INT) SET x = 7');
run('call', 'CALL outs(?)', undef) if $prepared;
run('behind the call', 'SELECT 2');
run('create mt', 'CREATE TABLE IF NOT EXISTS mt (v INT)');
for my $ending ('rollback', 'commit') {
    $db->begin_work;
    run('in trx', 'INSERT INTO mt VALUES (?)', 99);
    $db->$ending;
    run('after', 'SELECT COUNT(*) FROM mt');
}
run('use', 'USE ct2');
run('other', 'CREATE TABLE other (v VARCHAR(20))');
run('other insert', 'INSERT INTO other VALUES (?)', 'elsewhere');
run('where', 'SELECT DATABASE(), v FROM other');
run('tls', "SHOW SESSION STATUS LIKE 'Ssl_version'");
$db->disconnect;
print "done\n";
