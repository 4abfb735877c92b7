package intake

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/feedback"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
)

// votingService is a service that keeps votes, with a second model that is more expensive
// and more accurate.
func votingService(t *testing.T, set settings.Settings) testService {
	t.Helper()
	return votingServiceWith(t, set, func(*Config) {})
}

func votingServiceWith(t *testing.T, set settings.Settings, change func(*Config)) testService {
	t.Helper()
	backend, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "votes.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = backend.Close() })
	d := newTestService(t, func(c *Config) {
		catalogue := c.Catalogue.Current()
		expensive := catalogue.Models[0]
		expensive.Name, expensive.Accuracy.Top1Percent = "expensive", 95
		ms := profile.Percentiles{P50: 40, P95: 50, P99: 60}
		expensive.Latency = []profile.Latency{{Resource: "c5.large", Threads: 1, Batch: 1, MS: ms}}
		catalogue.Models = append(catalogue.Models, expensive)
		c.Votes = backend
		c.Settings = func() settings.Settings { return set }
		change(c)
	})
	d.publish(t, 4)
	return d
}

// answered submits a query for an owner and answers it.
func (d testService) answered(t *testing.T, owner string) query.Record {
	t.Helper()
	r := request(500)
	least := 85.0
	r.Bounds.Accuracy = &least
	got, err := d.Take(t.Context(), owner, r, Terms{})
	if err != nil {
		t.Fatal(err)
	}
	d.Settle() // what was learned is read in the background
	return d.ended(t, got.Record, query.Outcome{
		State: query.Succeeded, FinishedAt: d.clock.now(), Result: &query.Result{Label: "1", Index: 1, Scores: []float32{0, 1}},
	})
}

func TestFeedbackMovesTheChoice(t *testing.T) {
	set := settings.Defaults()
	set.ExploreShare = 0
	d := votingService(t, set)
	wrong := feedback.Opinion{Label: "0"}
	for i := range 400 {
		owner := fmt.Sprint("owner-", i%8)
		rec := d.answered(t, owner)
		if rec.Model == "expensive" {
			st, err := d.Status(t.Context())
			if err != nil || i < 5 {
				t.Errorf("it moved after %d votes, %v", i, err)
			}
			if len(st.Drifted) > 1 || len(st.Drifted) == 1 && st.Drifted[0].Model != "net" {
				t.Errorf("%+v", st.Drifted)
			}
			return
		}
		if err := d.Feedback(t.Context(), owner, rec.ID, "", wrong); err != nil {
			t.Fatal(err)
		}
		d.clock.advance(time.Second)
	}
	t.Error("400 votes against a model did not move the choice")
}

func TestOneCallersFeedbackMovesNothing(t *testing.T) {
	set := settings.Defaults()
	set.ExploreShare = 0
	d := votingService(t, set)
	no := false
	for range 100 {
		rec := d.answered(t, "liar")
		if rec.Model != "net" {
			t.Fatal("one caller moved the choice")
		}
		if err := d.Feedback(t.Context(), "liar", rec.ID, "", feedback.Opinion{Correct: &no}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFeedbackIsRefused(t *testing.T) {
	d := votingService(t, settings.Defaults())
	yes := true
	done := d.answered(t, "me")
	pending, err := d.Take(t.Context(), "me", request(500), Terms{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Feedback(t.Context(), "me", done.ID, "", feedback.Opinion{Correct: &yes}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, owner, id string
		opinion         feedback.Opinion
		want            Kind
	}{
		{"a second vote", "me", done.ID, feedback.Opinion{Correct: &yes}, AlreadyVoted},
		{"a stranger's query", "you", done.ID, feedback.Opinion{Correct: &yes}, NotFound},
		{"no such query", "me", "qnone", feedback.Opinion{Correct: &yes}, NotFound},
		{"no answer yet", "me", pending.Record.ID, feedback.Opinion{Correct: &yes}, NoAnswer},
		{"no such label", "me", done.ID, feedback.Opinion{Label: "cat"}, UnknownLabel},
	} {
		var ref *Refusal
		if err := d.Feedback(t.Context(), tt.owner, tt.id, "", tt.opinion); !errors.As(err, &ref) || ref.Kind != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestFeedbackThatLeavesNothingRefusesNobody(t *testing.T) {
	set := settings.Defaults()
	set.FeedbackOwnerShare = 1
	set.ExploreShare = 0
	d := votingService(t, set)
	no := false
	for range 300 {
		rec := d.answered(t, "me") // and so on, whatever became of both models
		if err := d.Feedback(t.Context(), "me", rec.ID, "", feedback.Opinion{Correct: &no}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestThompsonSamplingChoosesWithinTheBounds(t *testing.T) {
	set := settings.Defaults()
	set.FeedbackSampling = "thompson"
	d := votingService(t, set)
	yes := true
	for i := range 50 {
		rec := d.answered(t, fmt.Sprint("owner-", i%4))
		if err := d.Feedback(t.Context(), rec.Owner, rec.ID, "", feedback.Opinion{Correct: &yes}); err != nil {
			t.Fatal(err)
		}
	}
}

// direct has a query of an owner answered in its request.
func (d testService) direct(t *testing.T, owner string) Answer {
	t.Helper()
	got, err := d.Take(t.Context(), owner, request(500), Terms{Wait: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// A receipt stands for the record of a direct answer, which nobody keeps.
func TestAReceiptStandsForTheRecord(t *testing.T) {
	w := &slots{}
	d := votingServiceWith(t, settings.Defaults(), func(c *Config) { c.Worker, c.Settings = w, keeping(0) })
	w.d = &d
	yes := feedback.Opinion{Correct: new(bool)}
	mine, other, stored := d.direct(t, "me"), d.direct(t, "me"), d.answered(t, "me")
	for _, tt := range []struct {
		name, owner, id, receipt string
		opinion                  feedback.Opinion
		want                     Kind // empty when it is counted
	}{
		{"without a receipt", "me", mine.Record.ID, "", yes, AnsweredDirectly},
		{"another query's", "me", mine.Record.ID, other.Receipt, yes, BadReceipt},
		{"altered", "me", mine.Record.ID, mine.Receipt[:len(mine.Receipt)-2] + "AA", yes, BadReceipt},
		{"a stranger", "you", mine.Record.ID, mine.Receipt, yes, NotFound},
		{"no such label", "me", mine.Record.ID, mine.Receipt, feedback.Opinion{Label: "cat"}, UnknownLabel},
		{"counted", "me", mine.Record.ID, mine.Receipt, feedback.Opinion{Label: "1"}, ""},
		{"a second vote", "me", mine.Record.ID, mine.Receipt, yes, AlreadyVoted},
		{"counted without one", "me", stored.ID, "", yes, ""},
	} {
		err := d.Feedback(t.Context(), tt.owner, tt.id, tt.receipt, tt.opinion)
		if no, refused := errors.AsType[*Refusal](err); refused && no.Kind != tt.want || !refused && (err != nil || tt.want != "") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	votes, _, err := d.Service.Votes.VotesAfter(t.Context(), 0, 10)
	if err != nil || len(votes) != 2 || !votes[0].Correct || votes[0].Model != mine.Record.Model || votes[0].Task != "digits" || votes[0].Owner != "me" || votes[1].Correct {
		t.Errorf("votes %+v, error %v", votes, err)
	}
	d.clock.advance(25 * time.Hour)
	err = d.Feedback(t.Context(), "me", other.Record.ID, other.Receipt, yes)
	wantRefusal(t, Gone)(query.Record{}, err)
}
