package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/feedback"
)

// feedbackFlags are the flags of `paragon feedback`.
type feedbackFlags struct {
	right, wrong bool
	label        string
	receipt      string
}

func newFeedbackCommand(term *cli.Terminal) *cobra.Command {
	f := &feedbackFlags{}
	c := &cobra.Command{
		Use:   "feedback {--right | --wrong | --label LABEL} ID",
		Short: "Report whether an answer was right",
		Long: `Report whether the answer to a query was right, or report the correct label of its input. The report
is one vote. Paragon estimates the accuracy of its models from the votes.

If Paragon answers a query in the response to its request, it usually does not store the query. To
report on such a query, pass its receipt with --receipt. The receipt is a signed text that comes
with the answer. ` + "`paragon submit --json`" + ` prints it.`,
		Example: `  paragon feedback --right ID
  paragon feedback --label bag --receipt RECEIPT ID`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, ids []string) error { return runFeedback(c.Context(), term, f, ids[0]) },
	}
	c.ValidArgsFunction = completeIDs(term)
	c.Flags().BoolVar(&f.right, "right", false, "the answer was right")
	c.Flags().BoolVar(&f.wrong, "wrong", false, "the answer was wrong")
	c.Flags().StringVar(&f.label, "label", "", "correct label of the input")
	c.Flags().StringVar(&f.receipt, "receipt", "", "receipt that came with the answer; required if the query was not stored")
	return term.ServerCommand(c)
}

func (f *feedbackFlags) opinion() (feedback.Opinion, error) {
	said := 0
	for _, yes := range []bool{f.right, f.wrong, f.label != ""} {
		if yes {
			said++
		}
	}
	if said != 1 {
		return feedback.Opinion{}, cli.Usagef("give exactly one of --right, --wrong and --label")
	}
	if f.label != "" {
		return feedback.Opinion{Label: f.label}, nil
	}
	return feedback.Opinion{Correct: &f.right}, nil
}

func runFeedback(ctx context.Context, term *cli.Terminal, f *feedbackFlags, id string) error {
	o, err := f.opinion()
	if err != nil {
		return err
	}
	cl, err := term.Connect(ctx, client.Config{})
	if err != nil {
		return err
	}
	if err := cl.Feedback(ctx, id, f.receipt, o); err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	if term.JSON {
		term.PrintJSON(map[string]string{"id": id, "feedback": "counted"})
		return nil
	}
	term.Printf("Counted.\n")
	return nil
}
