package journal

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
)

// upgrade brings a journal from an older form to this one.
func upgrade(ctx context.Context, tx *sql.Tx, from int) error {
	err := error(nil)
	if from < formOrders {
		err = addOrders(ctx, tx)
	}
	var tables []string
	if from < formPushes {
		tables = pushes
	}
	if from < formKept {
		tables = slices.Concat(tables, kept)
	}
	for _, statement := range tables {
		if err == nil {
			_, err = tx.ExecContext(ctx, statement)
		}
	}
	if err == nil {
		err = addLinks(ctx, tx)
	}
	if err == nil {
		_, err = tx.ExecContext(ctx, `UPDATE meta SET form = `+strconv.Itoa(form))
	}
	if err != nil {
		return fmt.Errorf("upgrading it to form %d: %w", form, err)
	}
	return nil
}

// addOrders brings a journal from form 1 to form 2. Attempts at an order that stood
// next to a cursor go over to the order.
func addOrders(ctx context.Context, tx *sql.Tx) error {
	undelivered, err := ordersAmong(ctx, tx, `SELECT e.run, e.n, e.event FROM
		(SELECT c.run, min(c.n) AS n FROM cursors c JOIN runs r ON r.run = c.run WHERE c.n < r.n GROUP BY c.run) c
		JOIN events e ON e.run = c.run AND e.n > c.n ORDER BY e.run, e.n`)
	do := func(statement string, args ...any) {
		if err == nil {
			_, err = tx.ExecContext(ctx, statement, args...)
		}
	}
	do(orders)
	for _, o := range undelivered {
		do(`INSERT INTO orders (run, n, endpoint, attempts, next_at, last_error) SELECT run, $1, endpoint,
			iif(n = $2, attempts, 0), iif(n = $3, next_at, 0), iif(n = $4, last_error, '')
			FROM cursors WHERE run = $5 AND n < $6`, o.n, o.n-1, o.n-1, o.n-1, o.run, o.n)
	}
	do(`UPDATE cursors SET attempts = 0, next_at = 0, last_error = ''
		WHERE EXISTS (SELECT 1 FROM orders o WHERE o.run = cursors.run AND o.n = cursors.n + 1 AND o.endpoint = cursors.endpoint)`)
	return err
}
