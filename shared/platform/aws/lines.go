package aws

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/paragon-serving/paragon/shared/platform"
)

// endAttribute is when a line ends, in Unix microseconds.
const endAttribute = "line_end"

// mostReserves bounds the writes of one Reserve: others may end the line
// between two of them, or begin it anew.
const mostReserves = 4

// ends are the ends of lines as this process saw them last. They say which of
// two writes will probably hold: one of a line that goes on, or of a new one.
type ends struct {
	mu sync.Mutex
	of map[string]int64
}

func (e *ends) last(line string) int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.of[line]
}

func (e *ends) saw(line string, endUS int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.of == nil {
		e.of = map[string]int64{}
	}
	e.of[line] = endUS
}

// lineKey is the row of a line, in a partition of its own: the lines of a pool share
// its load, and one partition takes 1,000 writes a second.
func lineKey(line string) item { return stateKey("line#"+line, "line") }

// Reserve implements platform.Shared by conditional additions, of which any number
// may come at once: unlike a swap, none makes another one fail. It takes one
// write as a rule, and two where the line ended since this process saw it last. A write
// that is refused is not tried again: the repeat of one whose answer was lost would add
// the work twice, and a throttle says that too many ask.
func (s *shared) Reserve(ctx context.Context, line string, from, latest time.Time, work time.Duration) (time.Time, bool, error) {
	fromUS, latestUS, workUS := from.UnixMicro(), latest.UnixMicro(), work.Microseconds()
	endUS := s.ends.last(line)
	for range mostReserves {
		if max(endUS, fromUS)+workUS > latestUS && fromUS+workUS > latestUS {
			return time.UnixMicro(endUS), false, nil // it fits no line
		}
		in := goOn(fromUS, latestUS, workUS)
		if endUS < fromUS {
			in = beginAnew(fromUS, workUS)
		}
		in.Key, in.ExpressionAttributeNames = lineKey(line), placeholders(endAttribute)
		row, held, err := s.table.update(ctx, in, once)
		if err != nil {
			return time.Time{}, false, fmt.Errorf("add to the line %s: %w", line, err)
		}
		endUS = numberOf(row, endAttribute)
		s.ends.saw(line, endUS)
		if held || endUS >= fromUS && endUS+workUS > latestUS {
			return time.UnixMicro(endUS), held, nil
		}
	}
	return time.Time{}, false, fmt.Errorf("add to the line %s: %w", line, platform.ErrConflict)
}

// goOn adds work to a line that has not ended, if it fits.
func goOn(fromUS, latestUS, workUS int64) *dynamodb.UpdateItemInput {
	return &dynamodb.UpdateItemInput{
		UpdateExpression:          aws.String("SET #line_end = #line_end + :work"),
		ConditionExpression:       aws.String("#line_end BETWEEN :from AND :most"),
		ExpressionAttributeValues: item{":work": number(workUS), ":from": number(fromUS), ":most": number(latestUS - workUS)},
	}
}

// beginAnew begins a line with work, if there is none or it has ended.
func beginAnew(fromUS, workUS int64) *dynamodb.UpdateItemInput {
	return &dynamodb.UpdateItemInput{
		UpdateExpression:          aws.String("SET #line_end = :end"),
		ConditionExpression:       aws.String("attribute_not_exists(#line_end) OR #line_end < :from"),
		ExpressionAttributeValues: item{":end": number(fromUS + workUS), ":from": number(fromUS)},
	}
}
