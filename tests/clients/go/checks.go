// lib/pq through database/sql: what Go programs and Grafana use.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/lib/pq"
)

const checkSeconds = 30

type check struct {
	name, level string
	run         func(db *sql.DB) error
}

var planned []check

func must(name string, run func(db *sql.DB) error)   { planned = append(planned, check{name, "must", run}) }
func should(name string, run func(db *sql.DB) error) { planned = append(planned, check{name, "should", run}) }

func equal(actual, expected any) error {
	if fmt.Sprintf("%#v", actual) != fmt.Sprintf("%#v", expected) {
		return fmt.Errorf("got %#v, not %#v", actual, expected)
	}
	return nil
}

// first is the first of several problems.
func first(problems ...error) error {
	for _, it := range problems {
		if it != nil {
			return it
		}
	}
	return nil
}

func say(what map[string]any) {
	text, _ := json.Marshal(what)
	fmt.Println("@" + string(text))
}

func connect(more string) *sql.DB {
	db, err := sql.Open("postgres", "sslmode=disable "+more)
	if err != nil {
		panic(err)
	}
	return db
}

func one[T any](db *sql.DB, query string, parameters ...any) (T, error) {
	var value T
	err := db.QueryRow(query, parameters...).Scan(&value)
	return value, err
}

func gives[T any](name, query string, expected T, parameters ...any) {
	must(name, func(db *sql.DB) error {
		value, err := one[T](db, query, parameters...)
		if err != nil {
			return err
		}
		return equal(value, expected)
	})
}

func fails(query, state string) {
	must("error: "+query, func(db *sql.DB) error {
		_, err := db.Exec(query)
		var failure *pq.Error
		if !errors.As(err, &failure) {
			return fmt.Errorf("no error of the server, but %v", err)
		}
		return equal(string(failure.Code), state)
	})
}

func plan() {
	gives("connect", "SELECT 1", int64(1))
	gives("value: text", "SELECT 'Zoë'", "Zoë")
	gives("value: bool", "SELECT true", true)
	gives("value: float8", "SELECT 0.1::float8", 0.1)
	gives("value: numeric as text", "SELECT 12.50::numeric(12,2)", "12.50")
	gives("value: bytea", "SELECT '\\x00ff'::bytea", []byte{0, 255})
	gives("parameter: int", "SELECT $1::int + 1", int64(2), 1)
	gives("parameter: of a filter", "SELECT count(*) FROM profiles WHERE customer_no = $1 AND visits < $2", int64(1), "C0001", 10)
	gives("parameter: array", "SELECT count(*) FROM profiles WHERE customer_no = ANY($1)", int64(2), pq.Array([]string{"C0001", "C0002"}))
	gives("parameter: limit", "SELECT count(*) FROM (SELECT 1 FROM profiles LIMIT $1) x", int64(5), 5)
	gives("parameter: time", "SELECT count(*) FROM profiles WHERE last_seen_at < $1", int64(399), time.Date(2026, 1, 1, 18, 20, 0, 0, time.UTC))
	gives("parameter: null", "SELECT $1::text IS NULL", true, nil)
	must("value: timestamptz", func(db *sql.DB) error {
		value, err := one[time.Time](db, "SELECT timestamptz '2026-01-31 10:11:12+02'")
		if err != nil {
			return err
		}
		return equal(value.UTC().Format(time.RFC3339), "2026-01-31T08:11:12Z")
	})
	must("value: array", func(db *sql.DB) error {
		var tags []string
		if err := db.QueryRow("SELECT tags FROM profiles WHERE visits = 1").Scan(pq.Array(&tags)); err != nil {
			return err
		}
		return equal(tags, []string{"a", "b"})
	})
	must("types of columns", func(db *sql.DB) error {
		rows, err := db.Query("SELECT profile_id, spend, tags FROM profiles LIMIT 1")
		if err != nil {
			return err
		}
		defer rows.Close()
		types, err := rows.ColumnTypes()
		if err != nil {
			return err
		}
		precision, scale, _ := types[1].DecimalSize()
		return equal([]any{types[0].DatabaseTypeName(), types[1].DatabaseTypeName(), precision, scale, types[2].DatabaseTypeName()}, []any{"INT8", "NUMERIC", int64(12), int64(2), "_TEXT"})
	})
	must("prepared statement", func(db *sql.DB) error {
		statement, err := db.Prepare("SELECT visits FROM profiles WHERE customer_no = $1")
		if err != nil {
			return err
		}
		defer statement.Close()
		for n := 1; n < 4; n++ {
			var visits int
			if err := statement.QueryRow(fmt.Sprintf("C%04d", n)).Scan(&visits); err != nil {
				return err
			}
			if err := equal(visits, n); err != nil {
				return err
			}
		}
		return nil
	})
	must("all rows", func(db *sql.DB) error {
		rows, err := db.Query("SELECT visits FROM profiles")
		if err != nil {
			return err
		}
		sum := 0
		for rows.Next() {
			var visits int
			if err := rows.Scan(&visits); err != nil {
				return err
			}
			sum += visits
		}
		return equal(sum, 500500)
	})
	must("context cancels", func(db *sql.DB) error {
		within, stop := context.WithTimeout(context.Background(), 500*time.Millisecond)
		defer stop()
		began := time.Now()
		_, err := db.ExecContext(within, "SELECT pg_sleep(20)")
		if err == nil || time.Since(began) > 5*time.Second {
			return fmt.Errorf("not cancelled: %v", err)
		}
		return nil
	})
	must("transaction that fails", func(db *sql.DB) error {
		transaction, err := db.Begin()
		if err != nil {
			return err
		}
		if _, err := transaction.Exec("SELECT 1/0"); err == nil {
			return errors.New("no error")
		}
		return transaction.Rollback()
	})
	must("read-only transaction", func(db *sql.DB) error {
		transaction, err := db.BeginTx(context.Background(), &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
		if err != nil {
			return err
		}
		var mode string
		if err := transaction.QueryRow("SHOW transaction_isolation").Scan(&mode); err != nil {
			return err
		}
		return first(equal(mode, "repeatable read"), transaction.Commit())
	})
	must("pool", func(db *sql.DB) error {
		done := make(chan error)
		for n := 0; n < 10; n++ {
			go func(n int) {
				value, err := one[int](db, "SELECT $1::int", n)
				done <- first(err, equal(value, n))
			}(n)
		}
		var problems error
		for n := 0; n < 10; n++ {
			problems = first(problems, <-done)
		}
		return problems
	})
	fails("SELECT * FROM nothing_here", "42P01")
	fails("SELECT nothing FROM profiles", "42703")
	fails("SELEC 1", "42601")
	fails("SELECT 1/0", "22012")
	fails("SELECT 'x'::int", "22P02")
	should("COPY in, rolled back", func(db *sql.DB) error {
		transaction, err := db.Begin()
		if err != nil {
			return err
		}
		defer transaction.Rollback()
		statement, err := transaction.Prepare(pq.CopyIn("purchases", "order_id", "email"))
		if err != nil {
			return err
		}
		if _, err := statement.Exec("O9600", "p1@example.com"); err != nil {
			return err
		}
		_, err = statement.Exec()
		return err
	})
	should("listen", func(*sql.DB) error {
		listener := pq.NewListener("sslmode=disable", time.Second, time.Second, nil)
		defer listener.Close()
		if err := listener.Listen("go_channel"); err != nil {
			return err
		}
		db := connect("")
		defer db.Close()
		if _, err := db.Exec("NOTIFY go_channel, 'payload'"); err != nil {
			return err
		}
		select {
		case it := <-listener.Notify:
			return equal(it.Extra, "payload")
		case <-time.After(3 * time.Second):
			return errors.New("nothing heard")
		}
	})
}

func attempt(run func(db *sql.DB) error) string {
	done := make(chan error, 1)
	go func() {
		db := connect("")
		defer db.Close()
		done <- run(db)
	}()
	select {
	case err := <-done:
		if err != nil {
			return err.Error()
		}
		return ""
	case <-time.After(checkSeconds * time.Second):
		return fmt.Sprintf("no answer within %d s", checkSeconds)
	}
}

func main() {
	plan()
	names := [][]string{}
	for _, it := range planned {
		if len(os.Args) < 2 || strings.Contains(it.name, os.Args[1]) {
			names = append(names, []string{it.name, it.level})
		}
	}
	say(map[string]any{"kind": "plan", "version": "1.10", "checks": names})
	for _, it := range planned {
		if len(os.Args) < 2 || strings.Contains(it.name, os.Args[1]) {
			say(map[string]any{"kind": "check", "name": it.name, "problem": attempt(it.run)})
		}
	}
}
