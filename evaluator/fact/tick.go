package fact

import (
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// Tick is everything that Step learns at one instant. Ticks are journalled.
type Tick struct {
	At       time.Time       `json:"at"` // UTC, whole seconds, never before the tick before
	Readings []rules.Reading `json:"readings,omitempty"`
	Commands []Command       `json:"commands,omitempty"`
	Results  []Result        `json:"results,omitempty"`

	// Judging numbers the way in which the program that made the tick judges. Zero is
	// that of ticks which were kept before there were numbers: 1.
	Judging int `json:"judging,omitempty"`

	// Begin makes the first tick of a run: who began it, and how. Nil in later
	// ticks, and where a plan is tried without a run.
	Begin *Begun `json:"begin,omitempty"`
	// Edit says that the plan in force differs from the one of the tick before.
	Edit *Edit `json:"edit,omitempty"`

	// Woken are the signals whose inboxes were pushed to since the tick before: why the
	// tick comes ahead of its time, and why they, and what tells the same, were asked then.
	Woken []string `json:"woken,omitempty"`

	// Past is the releases that passed before, newest first, in the first tick of
	// a run; later ones have no effect. Nil means that none were looked for,
	// empty that there are none.
	Past []Past `json:"past,omitzero"`
}

// JudgedBy is the number of the judging of a tick.
func (t *Tick) JudgedBy() int { return max(t.Judging, 1) }

// Begun is the input that begins a run. What the run is stands in the plan's
// Binding, Version and Start.
type Begun struct {
	By         string `json:"by,omitempty"`         // who began it; empty where the config did
	Why        string `json:"why,omitempty"`        //
	Principal  string `json:"principal,omitempty"`  // the token that proved who; empty without tokens
	Supersedes string `json:"supersedes,omitempty"` // id of the run whose place it takes
}

// Edit is a change of the plan under way, in facts.
type Edit struct {
	From    string         `json:"from"` // digest of the plan before
	To      string         `json:"to"`   // and of the one in force from this tick on
	Changes []rules.Change `json:"changes"`
}

// CommandKind is what a person or a pipeline asks for.
type CommandKind string

const (
	StartPhase   CommandKind = "start"         // the phase has begun (CI moved the traffic)
	Hold         CommandKind = "hold"          // no phase may start or pass until resume
	Resume       CommandKind = "resume"        //
	Override     CommandKind = "override"      // decide a phase by hand: Verdict pass or fail
	Abort        CommandKind = "abort"         // roll the whole run back, now
	RollbackDone CommandKind = "rollback_done" // the rollback has been carried out
	Supersede    CommandKind = "supersede"     // end the run: another version takes its place

	Approve     CommandKind = "approve"      // sign for Role
	Reject      CommandKind = "reject"       // refuse to sign for Role
	BreakGlass  CommandKind = "break_glass"  // go on without the signatures for Subject
	SendMessage CommandKind = "send_message" // send the message Subject now
	SkipMessage CommandKind = "skip_message" // do not send the message Subject
	EditReview  CommandKind = "edit_review"  // write Why in the field Subject of the review
	SignReview  CommandKind = "sign_review"  // sign the review for Role

	AckEffect    CommandKind = "ack_effect"    // who is to do the step Subject of the way back knows of it
	EffectDone   CommandKind = "effect_done"   // it is done
	EffectFailed CommandKind = "effect_failed" // it could not be done
	SkipEffect   CommandKind = "skip_effect"   // it is not to be done
)

// Command is an input like a reading: it goes through a tick, so it is
// journalled, replayed and audited. By and Why are required.
type Command struct {
	ID      string        `json:"id"` // chosen by the sender; the same command of the same token with the same ID is applied once
	Kind    CommandKind   `json:"kind"`
	Phase   string        `json:"phase,omitempty"`   // start, override: which one; empty means the current
	Verdict rules.Verdict `json:"verdict,omitempty"` // override: pass or fail
	By      string        `json:"by"`
	Why     string        `json:"why"`

	Subject string `json:"subject,omitempty"` // approve, reject, break_glass: what is allowed by it, empty for the first that wants the role; of messages, reviews and steps of the way back: which one
	Role    string `json:"role,omitempty"`    // approve, reject, sign_review: for which role
	Meaning string `json:"meaning,omitempty"` // approve, sign_review: what the signature means; empty: what the plan says
	Digest  string `json:"digest,omitempty"`  // of the plan in force, which is what is signed
	Read    string `json:"read,omitempty"`    // of the plan that the signer has read; empty: not said

	Principal string `json:"principal,omitempty"` // the token that proved who; empty without tokens
	Next      string `json:"next,omitempty"`      // supersede: id of the run that takes its place
	// Blocked is the id of another run of the plan that is under way: a command
	// that would bring an ended run back to life, or roll back one that passed, is refused then.
	Blocked string `json:"blocked,omitempty"`
	// PersonsHold makes a resume one that may end a hold of a person only: its token
	// has no right to go on against evidence. It travels with the command because only
	// the tick that takes it knows what holds the run then.
	PersonsHold bool `json:"persons_hold,omitempty"`
	// EvidenceHold is the other half: it makes a resume one that ends no hold of a person.
	EvidenceHold bool `json:"evidence_hold,omitempty"`
}

// Once is what makes a command the same as one before: the ID, who proved it, and what it
// does. An ID that another token has used, or that stood for another command, hides
// nothing: an abort is never taken for a hold that was applied before.
func (c *Command) Once() string {
	once := []string{string(c.Kind), c.Phase, c.Verdict.String(), c.Principal, c.ID}
	if c.Subject+c.Role != "" {
		once = append(once, c.Subject, c.Role)
	}
	return strings.Join(once, " ")
}

// Result is what became of something that an event has sent to a sink. It is an input, like
// a command.
type Result struct {
	Event  string `json:"event"`            // id of the event
	Sink   string `json:"sink"`             //
	OK     bool   `json:"ok"`               // the receiver has it
	Done   bool   `json:"done,omitempty"`   // and has done what it asks for, as was read back
	Kept   string `json:"kept,omitempty"`   // the receiver's own name for it, or a link
	Reason string `json:"reason,omitempty"` // why it has not

	Drill *Drill `json:"drill,omitempty"` // it is not about an event: the way back of the plan was rehearsed
}

// Want is one question that is due: the points of a signal from From
// (inclusive) to To (exclusive), Unix seconds.
type Want struct {
	Signal int // index in Plan.Signals
	From   int64
	To     int64
}
