// Chooses by the conformance suite's rule.
package main

import (
	"errors"
	"slices"
	"strings"

	"adjutant"
	"conformance/values"
)

func init() { adjutant.Selector(choose) }

func main() {}

func choose(task adjutant.Question, candidates []adjutant.Candidate) ([]adjutant.Choice, error) {
	if task.Title == "trap" {
		panic(task.Description)
	}
	if why, ok := strings.CutPrefix(task.Title, "error: "); ok {
		return nil, errors.New(why)
	}
	var choices []adjutant.Choice
	for _, candidate := range candidates {
		if !slices.Contains(candidate.Agent.Skills, task.Description) {
			continue
		}
		confidence := adjutant.ConfidenceLow
		switch candidate.Status {
		case adjutant.TrackingStatusIdle:
			confidence = adjutant.ConfidenceHigh
		case adjutant.TrackingStatusWorking:
			confidence = adjutant.ConfidenceMedium
		}
		choices = append(choices, adjutant.Choice{
			Agent:      candidate.Agent.ID,
			Reason:     values.Text(map[string]any{"question": task, "candidate": candidate}),
			Confidence: confidence,
		})
	}
	return choices, nil
}
