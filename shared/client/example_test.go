package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"time"

	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/client/clienttest"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// A query with bounds, whose caller waits up to five seconds for the answer.
func ExampleClient_Submit() {
	server := httptest.NewServer(&clienttest.API{}) // `paragon up` of one's own has an address
	defer server.Close()
	c, err := client.New(client.Config{Endpoint: server.URL})
	if err != nil {
		log.Fatal(err)
	}
	q, err := c.Submit(context.Background(), client.Submission{
		Task:        "fashion",
		Input:       query.Input{ContentType: "image/png", Data: []byte("a picture")},
		Constraints: query.Constraints{LatencyMS: 500, Accuracy: 85},
	}, client.Options{Wait: 5 * time.Second})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(q.State, q.Result.Label)
	// Output: succeeded Shirt
}

// A query that nobody waits for is read later. Under one key repeats are one query.
func ExampleClient_Await() {
	server := httptest.NewServer(&clienttest.API{})
	defer server.Close()
	c, err := client.New(client.Config{Endpoint: server.URL})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	q, err := c.Submit(ctx, client.Submission{Task: "fashion", Input: query.Input{ContentType: "image/png", Data: []byte("a picture")}}, client.Options{Key: "order-4711"})
	if err == nil {
		q, err = c.Await(ctx, q, 20*time.Second)
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(q.State)
	// Output: succeeded
}

// What the server refuses says which field is wrong, and by what kind programs act.
func ExampleProblem() {
	server := httptest.NewServer(&clienttest.API{})
	defer server.Close()
	c, err := client.New(client.Config{Endpoint: server.URL})
	if err != nil {
		log.Fatal(err)
	}
	_, err = c.Submit(context.Background(), client.Submission{Task: "fashion", Input: query.Input{ContentType: "image/png", Data: []byte(clienttest.Refused)}}, client.Options{Wait: time.Second})
	if p, ok := errors.AsType[*client.Problem](err); ok {
		fmt.Println(p.Status, p.Kind(), p.Field)
	}
	// Output: 422 bad-input input.data
}
