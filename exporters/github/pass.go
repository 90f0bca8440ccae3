package github

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// Run answers requests until ctx is done. Whatever GitHub does is no error.
func (a *Answerer) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		changed := a.config.Changed()
		next := a.pass(ctx, changed)
		select {
		case <-changed:
		case <-a.woken:
		case <-a.config.After(max(time.Second, next.Sub(a.config.Now()))):
		case <-ctx.Done():
		}
	}
	return nil
}

// pass looks at each request once, and gives the time of the next pass at the latest. Answers
// come first, because jobs wait for them. Then come chores: comments, and the search for lost
// requests. They make way for the next pass once that has an answer to give.
func (a *Answerer) pass(ctx context.Context, changed <-chan struct{}) time.Time {
	start := a.config.Now()
	list, err := a.config.Store.Requests(ctx)
	if err != nil {
		if ctx.Err() == nil {
			a.log.Error("waiting deployments cannot be read", "err", err)
		}
		return start.Add(looksEvery)
	}
	comments := a.answers(ctx, list)
	a.recount(list)
	retry := a.retry(start)
	a.chores(ctx, list, comments, func() bool {
		select {
		case <-changed:
			return true
		default:
			return len(a.woken) > 0 || ctx.Err() != nil || !a.config.Now().Before(retry)
		}
	})
	return a.next(start)
}

// answers handles each request, and gives those that a comment is due for.
func (a *Answerer) answers(ctx context.Context, list []Request) (comments []Request) {
	due := make([]bool, len(list))
	handled := make([]Request, len(list)) // with the run that was found
	var group errgroup.Group
	group.SetLimit(atATime)
	for i, r := range list {
		group.Go(func() error { due[i] = a.handle(ctx, &r, list); handled[i] = r; return nil })
	}
	_ = group.Wait() // no part of it has an error
	for i, r := range handled {
		if due[i] {
			comments = append(comments, r)
		}
	}
	return comments
}

// chores does what no job waits for. The first of it is done in any case, so that it is not put
// off for ever where something always changes; the rest begins only while nothing interrupts it.
func (a *Answerer) chores(ctx context.Context, known, comments []Request, interrupted func() bool) {
	var group errgroup.Group
	group.SetLimit(atATime)
	group.Go(func() error { a.repeatLost(ctx, known, interrupted); return nil })
	for i, r := range comments {
		group.Go(func() error {
			if i < atATime-1 || !interrupted() {
				a.comment(ctx, r)
			}
			return nil
		})
	}
	_ = group.Wait() // no part of it has an error
}

// recount counts the deployments that wait.
func (a *Answerer) recount(list []Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count = Count{}
	for i := range list {
		if t := a.tries[list[i].ID]; list[i].End == "" && t != nil && t.done == nil { // one that has just ended has none
			a.count.Waiting++
			if t.failures > 0 {
				a.count.Untold++
			}
		}
	}
}

// retry is when the first answer is tried again that was not due at the start of a pass; a year
// later where there is none.
func (a *Answerer) retry(start time.Time) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	first := start.AddDate(1, 0, 0)
	for _, t := range a.tries {
		if t.next.After(start) && t.next.Before(first) {
			first = t.next
		}
	}
	return first
}

// next is when something is due that was not due at the start of a pass, also where that was
// before its end: the pass may have looked at it before.
func (a *Answerer) next(start time.Time) time.Time {
	next := start.Add(looksEvery)
	if retry := a.retry(start); retry.Before(next) {
		next = retry
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.look.next.After(start) && a.look.next.Before(next) {
		next = a.look.next
	}
	for _, t := range a.tries {
		if t.talk.After(start) && t.talk.Before(next) {
			next = t.talk
		}
	}
	return next
}
