// Counts the words of a task, and remembers how many tickets it has done.
package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"adjutant"
)

func init() { adjutant.Subordinate(work) }

func main() {}

// Config is the agent's configuration; see plugin.toml.
type Config struct {
	// Words with fewer letters are not counted. The host fills in the default of plugin.toml.
	Minimum int `json:"minimum"`
}

// Output is what is reported.
type Output struct {
	Words   int `json:"words"`
	Tickets int `json:"tickets"`
}

func work(task adjutant.Task) (adjutant.Report, error) {
	var config Config
	if err := task.Config(&config); err != nil {
		return adjutant.Report{}, err
	}
	if err := adjutant.Reporting.Progress("counting words"); err != nil {
		return adjutant.Report{}, err
	}
	output := Output{}
	for _, word := range strings.Fields(task.Text()) {
		if utf8.RuneCountInString(word) >= config.Minimum {
			output.Words++
		}
	}
	var err error
	if output.Tickets, err = remember(); err != nil {
		return adjutant.Report{}, err
	}
	return adjutant.Done(fmt.Sprintf("The task has %d words. Tickets done so far: %d.",
		output.Words, output.Tickets), output)
}

// remember counts this ticket in the agent's memory.
func remember() (int, error) {
	tickets := 0
	kept, err := adjutant.Memory.Get("tickets")
	if err != nil {
		return 0, err
	}
	if kept != nil {
		if err := json.Unmarshal(kept, &tickets); err != nil {
			return 0, fmt.Errorf("what is kept under \"tickets\" is no number: %w", err)
		}
	}
	tickets++
	return tickets, adjutant.Memory.Put("tickets", fmt.Append(nil, tickets))
}
