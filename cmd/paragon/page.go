package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/internal/operator"
	"github.com/paragon-serving/paragon/docs"
	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/intake/httpapi"
	"github.com/paragon-serving/paragon/shared/page"
	"github.com/paragon-serving/paragon/shared/platform/aws/discovery"
)

// pagePort is where the page of a stage is served unless it is said.
const pagePort = 8090

// newPageCommand is `paragon page`.
func newPageCommand(term *cli.Terminal) *cobra.Command {
	port, since := pagePort, defaultCompared
	c := &cobra.Command{
		Use: "page", Short: "Serve the web page of a stage in an account, on this machine", Args: cobra.NoArgs,
		Long: `Serve the web page of a stage in an account, on a loopback address of this machine, until
interrupted. The page calls the stage's API with your AWS credentials or your API key. The parts of
the page for workers, decisions, settings and dead letters need the IAM policy of the stage's
operators. Without this policy, they show an error. The command prints the address of the page. The
address contains a token, and every request needs this token. On one machine, ` + "`paragon up`" + ` serves
the page.

Once an hour, the command compares the cost of the stage with the cost under other schemes, as
` + "`paragon savings`" + ` does. A scheme is the rule that sets the number of workers. The page shows the
result.`,
		Example: "  paragon page --stage prod\n  paragon page --stage prod --since 24h",
		RunE: func(c *cobra.Command, _ []string) error {
			if port < 0 || port > 65535 {
				return cli.Usagef("--port is %d, not within 0 to 65535", port)
			}
			if since != 0 {
				if err := checkSince(since); err != nil {
					return err
				}
			}
			return runPage(c.Context(), term, port, since)
		},
	}
	c.Flags().IntVar(&port, "port", port, "port on this machine; 0 takes a free port")
	c.Flags().Var(cli.DurationValue(&since), "since", "length of the recent time whose cost is compared with other schemes, 1h to 336h; 0: do not compare")
	return term.ServerCommand(c)
}

// runPage serves the page until the context ends, with the cost of the time since then
// compared.
func runPage(ctx context.Context, term *cli.Terminal, port int, since time.Duration) error {
	token := operator.Token(rand.Text())
	ctx, end := context.WithCancel(ctx)
	defer end()
	handler, err := pageHandler(ctx, term, token, compareForPage(ctx, term, since))
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("listen for the page: %w; name another port with --port", err)
	}
	at := fmt.Sprintf("http://%s/#operator=%s", l.Addr(), token)
	if term.JSON {
		term.PrintJSON(map[string]string{"url": at})
	} else {
		term.Printf("The page is at %s\n", at)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the page: %w", err)
	}
	return nil
}

// pageHandler serves the page's files to everybody on this machine, and what they ask
// for to every holder of the token. Compared is what other schemes would have cost.
func pageHandler(ctx context.Context, term *cli.Terminal, token operator.Token, compared func() *api.Savings) (http.Handler, error) {
	stage, _ := term.Place()
	if stage == "" {
		return nil, cli.Usagef("name a stage in an account with --stage; `paragon up` on one machine serves its page itself, at the address that it prints")
	}
	found, err := discovery.Open(ctx, stage)
	if err != nil {
		return nil, err
	}
	service, err := serviceIn(ctx, term, found)
	if err != nil {
		return nil, err
	}
	relay, err := term.Relay(ctx)
	if err != nil {
		return nil, err
	}
	console, err := httpapi.NewConsole(httpapi.ConsoleOptions{API: relay, Savings: compared, Operations: service, Operator: token.Shown, Advice: term.Sentence, Log: term.Logger(false)})
	if err != nil {
		return nil, err
	}
	set, err := profiles.Load("")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", page.Handler(set.Samples(found.Catalogue)))
	mux.Handle("/v1/", console)
	mux.HandleFunc("GET /v1/openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(docs.OpenAPI) // the caller may be gone
	})
	return mux, nil
}
