package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/operator/options"
)

// Claim is a node that would be bought.
type Claim struct {
	Name        string            `json:"name"`
	NodePool    string            `json:"nodePool"`
	Flavor      string            `json:"flavor"`
	Zone        string            `json:"zone"`
	OpenZones   []string          `json:"openZones"`
	HourlyEur   float64           `json:"hourlyEur"`
	OpenFlavors int               `json:"openFlavors"`
	Labels      map[string]string `json:"labels"`
	Pods        []string          `json:"pods"`
}

// Unplaced is a pod that upstream left out, with upstream's words.
type Unplaced struct {
	Pod   string `json:"pod"`
	Error string `json:"error"`
}

// Plan is one round's decision.
type Plan struct {
	HourlyEur float64             `json:"hourlyEur"`
	Claims    []Claim             `json:"claims"`
	Existing  map[string][]string `json:"existing"`
	Unplaced  []Unplaced          `json:"unplaced"`
}

// Provisioning is what one number of workers reached.
type Provisioning struct {
	Workers   int       `json:"workers"`
	Seconds   []float64 `json:"seconds"`
	HourlyEur []float64 `json:"hourlyEur"`
	TimedOut  int       `json:"timedOut"`
	Plan      Plan      `json:"plan"`
}

// ProvisionAnswer is the output of mode provision.
type ProvisionAnswer struct {
	Karpenter string         `json:"karpenter"`
	Mode      string         `json:"mode"`
	Results   []Provisioning `json:"results"`
}

func provision(problem *Problem) (*ProvisionAnswer, error) {
	answer := &ProvisionAnswer{Karpenter: upstreamVersion, Mode: problem.Mode}
	for _, workers := range problem.Workers {
		result := Provisioning{Workers: workers}
		plans := []Plan{}
		for range problem.Runs {
			seconds, timedOut, plan, err := provisionOnce(problem, workers)
			if err != nil {
				return nil, err
			}
			result.Seconds = append(result.Seconds, seconds)
			result.HourlyEur = append(result.HourlyEur, plan.HourlyEur)
			if timedOut {
				result.TimedOut++
			}
			plans = append(plans, plan)
		}
		// The plan shown is the one of median price: the decision varies a little from run to run.
		sort.SliceStable(plans, func(i, j int) bool { return plans[i].HourlyEur < plans[j].HourlyEur })
		result.Plan = plans[(len(plans)-1)/2]
		answer.Results = append(answer.Results, result)
	}
	return answer, nil
}

// provisionOnce does what the provisioner's Schedule does in production, from
// a fresh mirror; timed are the scheduler's construction, which counts the
// topology, and Solve.
func provisionOnce(problem *Problem, workers int) (seconds float64, timedOut bool, plan Plan, err error) {
	ctx := contextFor(problem, workers)
	m, err := newMirror(ctx, problem, false)
	if err != nil {
		return 0, false, plan, err
	}
	plan = Plan{Claims: []Claim{}, Existing: map[string][]string{}, Unplaced: []Unplaced{}}
	var pods []*corev1.Pod
	for _, pod := range problem.Pods {
		if pod.Spec.NodeName != "" {
			continue
		}
		if invalid := m.provisioner.Validate(ctx, pod); invalid != nil {
			plan.Unplaced = append(plan.Unplaced, Unplaced{Pod: name(pod), Error: "ignoring pod, " + invalid.Error()})
			continue
		}
		pods = append(pods, pod.DeepCopy())
	}
	nodes := m.cluster.DeepCopyNodes()
	leaving, err := nodes.Deleting().CurrentlyReschedulablePods(ctx, m.store, m.clock, m.recorder)
	if err != nil {
		return 0, false, plan, err
	}
	leavingUIDs := sets.New[types.UID]()
	for _, pod := range leaving {
		leavingUIDs.Insert(pod.UID)
	}
	pods = append(pods, leaving...)
	settings := []scheduling.Options{
		scheduling.DisableReservedCapacityFallback,
		scheduling.NumConcurrentReconciles(workers),
		scheduling.MinValuesPolicy(problem.MinValuesPolicy),
	}
	if problem.PreferencePolicy == options.PreferencePolicyIgnore {
		settings = append(settings, scheduling.IgnorePreferences)
	}
	solveCtx, cancel := ctx, context.CancelFunc(func() {})
	if problem.TimeoutSeconds > 0 {
		solveCtx, cancel = context.WithTimeout(ctx, time.Duration(problem.TimeoutSeconds*float64(time.Second)))
	}
	defer cancel()

	active := nodes.Active()
	begin := time.Now()
	scheduler, err := m.provisioner.NewScheduler(ctx, pods, active, leavingUIDs, settings...)
	if errors.Is(err, provisioning.ErrNodePoolsNotFound) {
		for _, pod := range pods {
			plan.Unplaced = append(plan.Unplaced, Unplaced{Pod: name(pod), Error: "no dynamic nodepools found"})
		}
		return time.Since(begin).Seconds(), false, plan, nil
	}
	if err != nil {
		return 0, false, plan, fmt.Errorf("building the scheduler: %w", err)
	}
	results, err := scheduler.Solve(solveCtx, pods)
	seconds = time.Since(begin).Seconds()

	timedOut = errors.Is(err, context.DeadlineExceeded)
	if err != nil && !timedOut {
		return 0, false, plan, fmt.Errorf("solving: %w", err)
	}
	results = results.TruncateInstanceTypes(ctx, scheduling.MaxInstanceTypes)
	return seconds, timedOut, plan, plan.fill(m.cloud, results, pods)
}

// fill writes down what Solve decided about these pods.
func (p *Plan) fill(c *cloud, results scheduling.Results, pods []*corev1.Pod) error {
	placed := sets.New[string]()
	for i, planned := range results.NewNodeClaims {
		claim, err := newClaim(c, planned, fmt.Sprintf("%s-%d", planned.NodePoolName, i))
		if err != nil {
			return err
		}
		p.Claims = append(p.Claims, claim)
		p.HourlyEur += claim.HourlyEur
		placed.Insert(claim.Pods...)
	}
	for _, node := range results.ExistingNodes {
		if len(node.Pods) > 0 {
			p.Existing[node.Name()] = names(node.Pods)
			placed.Insert(names(node.Pods)...)
		}
	}
	reasons := map[string]error{}
	for pod, reason := range results.PodErrors {
		reasons[name(pod)] = reason
	}
	for _, pod := range pods {
		if placed.Has(name(pod)) {
			continue
		}
		text := "not reached before the time limit"
		if reason, known := reasons[name(pod)]; known {
			text = reason.Error()
		}
		p.Unplaced = append(p.Unplaced, Unplaced{Pod: name(pod), Error: text})
	}
	return nil
}

// newClaim buys the cheapest offering that a planned node still allows.
func newClaim(c *cloud, planned *scheduling.NodeClaim, claimName string) (Claim, error) {
	flavor, zone, price, err := c.launch(planned.InstanceTypeOptions, planned.Requirements)
	if err != nil {
		return Claim{}, err
	}
	open := len(planned.InstanceTypeOptions)
	return Claim{
		Name:        claimName,
		NodePool:    planned.NodePoolName,
		Flavor:      flavor,
		Zone:        zone,
		OpenZones:   c.zones(flavor, price, planned.Requirements),
		HourlyEur:   price,
		OpenFlavors: open,
		Labels:      nodeLabels(c, planned.ToNodeClaim().Labels, flavor, zone),
		Pods:        names(planned.Pods),
	}, nil
}

// nodeLabels are the labels of a node: of its claim, its flavor and its zone.
func nodeLabels(c *cloud, ofClaim map[string]string, flavor, zone string) map[string]string {
	labels := map[string]string{corev1.LabelTopologyZone: zone, cinderZone: zone}
	for _, source := range []map[string]string{ofClaim, c.labels[flavor]} {
		for key, value := range source {
			labels[key] = value
		}
	}
	return labels
}

func name(pod *corev1.Pod) string { return client.ObjectKeyFromObject(pod).String() }

func names(pods []*corev1.Pod) []string {
	list := make([]string, 0, len(pods))
	for _, pod := range pods {
		list = append(list, name(pod))
	}
	slices.Sort(list)
	return list
}
