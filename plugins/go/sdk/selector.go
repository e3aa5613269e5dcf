package adjutant

import (
	rawSelection "adjutant/internal/bindings/adjutant_agent_selection"
	exported "adjutant/internal/bindings/export_wit_world"
	_ "adjutant/internal/bindings/wit_exports"
	"adjutant/internal/wit/runtime"
	witTypes "adjutant/internal/wit/types"
)

// Selector names the strategy's function, in a function init: whom to give the task to, best first; no
// choice says that nobody fits. An error says why no choice could be made at all. It is a pure
// function: the same question gets the same answer.
func Selector(choose func(task Question, candidates []Candidate) ([]Choice, error)) {
	exported.ChooseWith = func(
		raw rawSelection.Question, candidates []rawSelection.Candidate,
	) witTypes.Result[[]rawSelection.Choice, string] {
		defer runtime.Guard()
		runtime.Leave()
		choices, err := choose(fromQuestion(raw), fromList(fromCandidate)(candidates))
		if err != nil {
			return witTypes.Err[[]rawSelection.Choice](err.Error())
		}
		return witTypes.Ok[[]rawSelection.Choice, string](toList(toChoice)(choices))
	}
}

func init() {
	exported.ChooseWith = func(
		rawSelection.Question, []rawSelection.Candidate,
	) witTypes.Result[[]rawSelection.Choice, string] {
		return witTypes.Err[[]rawSelection.Choice](
			"This component has no strategy: call adjutant.Selector in a function init.")
	}
}
