// The client script for go-sql-driver: mode "text" (interpolateParams) and mode "prepared".
package main

import (
	"context"
	"crypto/md5"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

const table = `CREATE TABLE all_types (id INT PRIMARY KEY AUTO_INCREMENT, ti TINYINT, tu TINYINT UNSIGNED, si SMALLINT, mi MEDIUMINT,
 i INT, iu INT UNSIGNED, bi BIGINT, bu BIGINT UNSIGNED, de DECIMAL(20,6), fl FLOAT, db DOUBLE, da DATE, dt DATETIME(6),
 tm TIME(6), ye YEAR, ch CHAR(10), vc VARCHAR(200), tx TEXT, bn BINARY(4), vb VARBINARY(50), bl BLOB, js JSON,
 en ENUM('a','b','c'), se SET('x','y','z'), bt BIT(10)) DEFAULT CHARSET=utf8mb4`

var insert = "INSERT INTO all_types (ti,tu,si,mi,i,iu,bi,bu,de,fl,db,da,dt,tm,ye,ch,vc,tx,bn,vb,bl,js,en,se,bt) VALUES (" + strings.Repeat("?,", 24) + "?)"

type client struct {
	conn     *sql.Conn
	prepared bool
	expects  *json.Encoder
}

func allBytes() []byte {
	raw := make([]byte, 256)
	for n := range raw {
		raw[n] = byte(n)
	}
	return raw
}

func rows() [][]any {
	return [][]any{
		{int64(127), int64(255), int64(32767), int64(8388607), int64(2147483647), int64(4294967295), int64(9223372036854775807), uint64(18446744073709551615),
			"99999999999999.999999", 1.5, 3.141592653589793, "2026-01-31", time.Date(2026, 1, 31, 12, 0, 0, 123456000, time.UTC), "100:59:58.999999", int64(2155), "char",
			"h\u00e9llo \U0001f600 \"dq\" 'sq' \\ back\nnewline; -- no comment ?", "", []byte{0, 255, 16, 65}, []byte{0, 255}, allBytes(),
			`{"k": [1, 2.5, null, "` + "\u00fc" + `"]}`, "b", "x,z", int64(513)},
		{int64(-128), int64(0), int64(-32768), int64(-8388608), int64(-2147483648), int64(0), int64(-9223372036854775808), uint64(0),
			"-0.000001", -0.25, -1234.5678, "1000-01-01", time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), "-12:34:56.000001", int64(1901), "",
			"''", strings.Repeat("\U0001f680", 100), []byte{128, 0, 0, 0}, []byte{255}, []byte{0, 255, 0, 255}, "[]", "a", "", int64(0)},
		make([]any, 25),
	}
}

// contract is the text of a bound value as a message holds it.
func contract(value any) any {
	switch v := value.(type) {
	case nil:
		return nil
	case []byte:
		return fmt.Sprintf("<bytes:%d>", len(v))
	case time.Time:
		if v.Nanosecond() == 0 {
			return v.Format("2006-01-02 15:04:05")
		}
		return v.Format("2006-01-02 15:04:05.000000")
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case string:
		if len(v) > 2048 {
			return map[string]string{"prefix": v[:1000]}
		}
		return v
	}
	return fmt.Sprint(value)
}

func (c *client) expect(text any, args []any, count any, failure any) {
	if c.expects == nil {
		return
	}
	var params any
	if len(args) > 0 {
		list := []any{}
		for _, a := range args {
			list = append(list, contract(a))
		}
		params = list
	}
	c.expects.Encode(map[string]any{"sql": text, "params": params, "count": count, "error": failure})
}

func code(err error) int {
	var failure *mysql.MySQLError
	if errors.As(err, &failure) {
		return int(failure.Number)
	}
	return -1
}

// known is the text and parameters where the client knows them: not where the driver interpolates.
func (c *client) known(text string, args []any) (any, []any) {
	if len(args) > 0 && !c.prepared {
		return nil, nil
	}
	return text, args
}

func (c *client) exec(label, text string, args ...any) {
	known, params := c.known(text, args)
	result, err := c.conn.ExecContext(context.Background(), text, args...)
	if err != nil {
		fmt.Printf("%s: error %v\n", label, err)
		if len(args) > 0 {
			params = nil // it fails when prepared
		}
		c.expect(known, params, 0, code(err))
		return
	}
	count, _ := result.RowsAffected()
	id, _ := result.LastInsertId()
	fmt.Printf("%s: %d %d\n", label, count, id)
	c.expect(known, params, count, nil)
}

func show(label string, result *sql.Rows) int {
	columns, _ := result.Columns()
	count := 0
	for result.Next() {
		values, pointers := make([]any, len(columns)), make([]any, len(columns))
		for n := range values {
			pointers[n] = &values[n]
		}
		if err := result.Scan(pointers...); err != nil {
			fmt.Printf("%s: error %v\n", label, err)
		}
		line := []string{}
		for _, value := range values {
			text := fmt.Sprint(value)
			if raw, ok := value.([]byte); ok {
				text = strconv.Quote(string(raw))
			}
			if len(text) > 3000 {
				text = fmt.Sprintf("large:%d:%x", len(text), md5.Sum([]byte(text)))
			}
			line = append(line, text)
		}
		fmt.Printf("%s: %s\n", label, strings.Join(line, " | "))
		count++
	}
	if err := result.Err(); err != nil {
		fmt.Printf("%s: error %v\n", label, err)
	}
	return count
}

func (c *client) query(label, text string, args ...any) []int {
	known, params := c.known(text, args)
	result, err := c.conn.QueryContext(context.Background(), text, args...)
	if err != nil {
		fmt.Printf("%s: error %v\n", label, err)
		c.expect(known, nil, 0, code(err))
		return nil
	}
	defer result.Close()
	counts := []int{show(label, result)}
	for result.NextResultSet() {
		counts = append(counts, show(label, result))
	}
	c.expect(known, params, counts[0], nil)
	return counts
}

func main() {
	mode, tls, expect := "text", "false", ""
	for _, a := range os.Args[6:] {
		switch {
		case strings.HasPrefix(a, "--mode="):
			mode = a[7:]
		case a == "--tls":
			tls = "skip-verify"
		case strings.HasPrefix(a, "--expect="):
			expect = a[9:]
		}
	}
	config := mysql.NewConfig()
	config.Net, config.Addr = "tcp", os.Args[1]+":"+os.Args[2]
	config.User, config.Passwd, config.DBName = os.Args[3], os.Args[4], os.Args[5]
	config.TLSConfig, config.MultiStatements = tls, true
	config.InterpolateParams = mode == "text"
	config.MaxAllowedPacket = 0 // asks the server
	config.Params = map[string]string{"charset": "utf8mb4"}
	db, err := sql.Open("mysql", config.FormatDSN())
	if err != nil {
		panic(err)
	}
	c := &client{prepared: mode == "prepared"}
	if expect != "" {
		file, err := os.Create(expect)
		if err != nil {
			panic(err)
		}
		defer file.Close()
		c.expects = json.NewEncoder(file)
	}
	if c.conn, err = db.Conn(context.Background()); err != nil {
		fmt.Println("connect: error", err)
		os.Exit(1)
	}
	c.exec("drop", "DROP TABLE IF EXISTS all_types")
	c.exec("create", table)
	for _, row := range rows() {
		c.exec("insert", insert, row...)
	}
	for n := int64(1); n <= 3; n++ {
		c.query("select", "SELECT * FROM all_types WHERE id = ?", n)
	}
	statement, err := c.conn.PrepareContext(context.Background(), "SELECT id, vc FROM all_types WHERE id > ? ORDER BY id")
	if err != nil {
		panic(err)
	}
	for n := int64(0); n < 3; n++ {
		result, err := statement.Query(n)
		if err != nil {
			panic(err)
		}
		c.expect("SELECT id, vc FROM all_types WHERE id > ? ORDER BY id", []any{n}, show("reused", result), nil)
		result.Close()
	}
	statement.Close()
	c.exec("update", "UPDATE all_types SET vc = ?, de = ? WHERE id = ?", "it's \U0001f600", "12.5", int64(2))
	c.exec("update null", "UPDATE all_types SET vc = ? WHERE id = ?", nil, int64(1))
	c.exec("delete", "DELETE FROM all_types WHERE id = ?", int64(3))
	c.exec("syntax", "SELEC 1")
	c.exec("bound syntax", "SELEC ?", int64(1))
	c.exec("duplicate", "INSERT INTO all_types (id) VALUES (1)")
	c.exec("drop mt", "DROP TABLE IF EXISTS mt")
	c.exec("create mt", "CREATE TABLE mt (v INT)")
	parts := []string{"INSERT INTO mt VALUES (1)", "INSERT INTO mt VALUES (2),(3)", "SELECT v FROM mt ORDER BY v",
		"UPDATE mt SET v = v + 10", "SELECT 'a;b' AS s, \"c;d\" AS t /* e;f */"}
	result, err := c.conn.QueryContext(context.Background(), strings.Join(parts, "; "))
	if err != nil {
		panic(err)
	}
	show("multi", result)
	for result.NextResultSet() {
		show("multi", result)
	}
	result.Close()
	for n, count := range []int{1, 2, 3, 3, 1} {
		c.expect(parts[n], nil, count, nil)
	}
	c.exec("drop proc", "DROP PROCEDURE IF EXISTS two_results")
	c.exec("create proc", "CREATE PROCEDURE two_results(IN a INT, IN b INT) BEGIN SELECT a + b AS inner_s UNION ALL SELECT a * b; SELECT a - b AS inner_d; END")
	c.query("call", "CALL two_results(?, ?)", int64(7), int64(3))
	for _, commit := range []bool{false, true} {
		tx, err := c.conn.BeginTx(context.Background(), &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		if err != nil {
			panic(err)
		}
		c.expect("SET TRANSACTION ISOLATION LEVEL READ COMMITTED", nil, 0, nil)
		c.expect("START TRANSACTION", nil, 0, nil)
		c.exec("in trx", "INSERT INTO mt VALUES (?)", int64(99))
		if commit {
			tx.Commit()
			c.expect("COMMIT", nil, 0, nil)
		} else {
			tx.Rollback()
			c.expect("ROLLBACK", nil, 0, nil)
		}
		c.query("after", "SELECT COUNT(*) FROM mt")
	}
	c.exec("use", "USE ct2")
	c.exec("other", "CREATE TABLE other (v VARCHAR(20))")
	c.exec("other insert", "INSERT INTO other VALUES (?)", "elsewhere")
	c.query("where", "SELECT DATABASE(), v FROM other")
	c.exec("use back", "USE ct")
	c.exec("drop big", "DROP TABLE IF EXISTS big")
	c.exec("create big", "CREATE TABLE big (v LONGTEXT)")
	large := strings.Builder{}
	for n := 0; n < 20*1024*1024/8; n++ {
		fmt.Fprintf(&large, "%08d", n)
	}
	c.exec("big insert", "INSERT INTO big VALUES (?)", large.String())
	c.query("big select", "SELECT LENGTH(v), CRC32(v), v FROM big")
	c.query("tls", "SHOW SESSION STATUS LIKE 'Ssl_version'")
	c.conn.Close()
	db.Close()
	fmt.Println("done")
}
