// Picks whose skills share most words with the task.
package main

import (
	"fmt"
	"slices"
	"strings"

	"adjutant"
)

func init() { adjutant.Selector(choose) }

func main() {}

func choose(task adjutant.Question, candidates []adjutant.Candidate) ([]adjutant.Choice, error) {
	asked := adjutant.Words(task.Title + " " + task.Description)
	fitting := map[string]int{}
	var choices []adjutant.Choice
	for _, candidate := range candidates {
		shared := shared(asked, candidate.Agent.Skills)
		if len(shared) == 0 {
			continue
		}
		fitting[candidate.Agent.ID] = len(shared)
		choices = append(choices, adjutant.Choice{
			Agent:      candidate.Agent.ID,
			Reason:     fmt.Sprintf("%s can %s", candidate.Agent.Name, strings.Join(shared, ", ")),
			Confidence: confidence(len(shared)),
		})
	}
	// The sort is stable: of equals, the one that the host named first.
	slices.SortStableFunc(choices, func(a, b adjutant.Choice) int {
		return fitting[b.Agent] - fitting[a.Agent]
	})
	return choices, nil
}

// shared gives the words of the skills that the task has too, each once, in order.
func shared(asked, skills []string) []string {
	var words []string
	for _, word := range adjutant.Words(strings.Join(skills, " ")) {
		if slices.Contains(asked, word) && !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	slices.Sort(words)
	return words
}

func confidence(shared int) adjutant.Confidence {
	switch shared {
	case 1:
		return adjutant.ConfidenceLow
	case 2:
		return adjutant.ConfidenceMedium
	}
	return adjutant.ConfidenceHigh
}
