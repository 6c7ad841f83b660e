#!/usr/bin/env bash
# A stand-in for an application: a few statements every INTERVAL seconds, through the proxy.
set -u
# Process 1 of a container ignores the signals that it has no handler for.
trap 'exit 0' TERM INT
pause() { sleep "$1" & wait $!; }

export MYSQL_PWD=$DB_PASSWORD
sql() { mysql --protocol=tcp -h "$DB_HOST" -P "$DB_PORT" -u "$DB_USER" --batch --skip-column-names "$DB_NAME"; }

# The proxy starts after this container, whose network it shares.
until sql >/dev/null 2>&1 <<<'SELECT 1'; do pause 1; done
echo "connected to $DB_HOST:$DB_PORT"

while true; do
  sql <<'SQL' || echo "the statements failed, trying again" >&2
CREATE TABLE IF NOT EXISTS visits (id BIGINT AUTO_INCREMENT PRIMARY KEY, at DATETIME(6) NOT NULL, page VARCHAR(40) NOT NULL);
PREPARE visit FROM 'INSERT INTO visits (at, page) VALUES (NOW(6), ?)';
SET @page = ELT(1 + FLOOR(RAND() * 3), '/', '/cart', '/checkout');
EXECUTE visit USING @page;
SELECT CONCAT(COUNT(*), ' visits, the last at ', MAX(at)) FROM visits;
DELETE FROM visits WHERE at < NOW() - INTERVAL 1 HOUR;
SQL
  pause "${INTERVAL:-5}"
done
