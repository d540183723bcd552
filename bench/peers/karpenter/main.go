// Command karpenter-peer runs the provisioning and consolidation code of
// sigs.k8s.io/karpenter on a problem from a file and prints what it decided and
// how long that took. README.md describes both JSON documents.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/karpenter/pkg/operator/injection"
	"sigs.k8s.io/karpenter/pkg/operator/logging"
	"sigs.k8s.io/karpenter/pkg/operator/options"
)

// upstreamVersion is set by the build script from go.mod.
var upstreamVersion = "unknown"

func main() {
	log.SetLogger(logging.NopLogger)
	answer, err := run(os.Args[1:], os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "karpenter-peer:", err)
		os.Exit(1)
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(answer); err != nil {
		fmt.Fprintln(os.Stderr, "karpenter-peer:", err)
		os.Exit(1)
	}
}

func run(arguments []string, standardInput io.Reader) (any, error) {
	reader := standardInput
	switch {
	case len(arguments) > 1:
		return nil, errors.New("usage: karpenter-peer [FILE]; without FILE the problem is read from standard input")
	case len(arguments) == 1 && arguments[0] == "--version":
		return map[string]string{"karpenter": upstreamVersion}, nil
	case len(arguments) == 1:
		file, err := os.Open(arguments[0])
		if err != nil {
			return nil, err
		}
		defer file.Close()
		reader = file
	}
	problem, err := readProblem(reader)
	if err != nil {
		return nil, err
	}
	if problem.Mode == "consolidate" {
		return consolidate(problem)
	}
	return provision(problem)
}

// contextFor carries the options of the real controller with this number of
// workers (one per CPU requested).
func contextFor(problem *Problem, workers int) context.Context {
	settings := &options.Options{
		CPURequests:       int64(workers) * 1000,
		PreferencePolicy:  problem.PreferencePolicy,
		MinValuesPolicy:   problem.MinValuesPolicy,
		IgnoreDRARequests: true,
		FeatureGates:      options.DefaultFeatureGates(),
	}
	return settings.ToContext(injection.WithControllerName(context.Background(), "provisioner"))
}
