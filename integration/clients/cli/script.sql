-- The client script for the mysql and mariadb command-line clients; `big.sql` is written by the suite.
DROP TABLE IF EXISTS all_types;
CREATE TABLE all_types (id INT PRIMARY KEY AUTO_INCREMENT, ti TINYINT, bu BIGINT UNSIGNED, de DECIMAL(20,6), db DOUBLE,
  dt DATETIME(6), tm TIME(6), vc VARCHAR(200), bl BLOB, en ENUM('a','b','c')) DEFAULT CHARSET=utf8mb4;
INSERT INTO all_types VALUES (1, -128, 18446744073709551615, -0.000001, 3.141592653589793, '2026-01-31 12:00:00.123456', '-12:34:56.000001', 'it''s 😀 "dq" \\ ; -- no comment ?', x'00ff1041', 'b');
INSERT INTO all_types (id) VALUES (2), (3);
SELECT id, ti, bu, de, db, dt, tm, vc, HEX(bl), en FROM all_types ORDER BY id;
UPDATE all_types SET vc = 'changed' WHERE id < 3;
DELETE FROM all_types WHERE id = 3;
SELEC 1;
INSERT INTO all_types (id) VALUES (1);
SELECT nope FROM all_types;
DROP TABLE IF EXISTS mt;
CREATE TABLE mt (v INT, t VARCHAR(20));
LOAD DATA LOCAL INFILE 'rows.tsv' INTO TABLE mt;
SELECT COUNT(*), SUM(v) FROM mt;
LOAD DATA LOCAL INFILE 'no-such-file.tsv' INTO TABLE mt;
DELIMITER //
INSERT INTO mt (v) VALUES (1000); UPDATE mt SET v = v + 1 WHERE v >= 1000; SELECT MAX(v) AS m FROM mt; SELECT 'a;b' AS s//
SELECT 1 AS before_error; SELEC 2; SELECT 3//
DROP PROCEDURE IF EXISTS two_results//
CREATE PROCEDURE two_results(IN a INT, IN b INT)
BEGIN
  SELECT a + b AS inner_s UNION ALL SELECT a * b;
  SELECT a - b AS inner_d;
END//
DELIMITER ;
CALL two_results(7, 3);
START TRANSACTION;
INSERT INTO mt (v) VALUES (99);
ROLLBACK;
SELECT COUNT(*) AS after_rollback FROM mt;
BEGIN;
INSERT INTO mt (v) VALUES (100);
COMMIT;
SELECT COUNT(*) AS after_commit FROM mt;
PREPARE p FROM 'SELECT ? + 1 AS inner_p';
SET @x = 41;
EXECUTE p USING @x;
DEALLOCATE PREPARE p;
USE ct2
CREATE TABLE other (v VARCHAR(20));
INSERT INTO other VALUES ('elsewhere');
SELECT DATABASE() AS d, v FROM other;
USE ct
DROP TABLE IF EXISTS big;
CREATE TABLE big (v LONGTEXT);
source big.sql
SELECT LENGTH(v), CRC32(v) FROM big;
SELECT v FROM big;
SHOW SESSION STATUS LIKE 'Ssl_version';
