package main

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/controllers/disruption"
	podutils "sigs.k8s.io/karpenter/pkg/utils/pod"
)

// Command is one thing that upstream would do: nodes go, at most one comes.
type Command struct {
	Method       string            `json:"method"`
	Seconds      float64           `json:"seconds"`
	Deleted      []string          `json:"deleted"`
	Replacements []Claim           `json:"replacements"`
	Evictions    int               `json:"evictions"`
	Moves        map[string]string `json:"moves"`
	HourlyAfter  float64           `json:"hourlyAfter"`
}

// FleetNode is a node at the end. HourlyEur is null for nodes of no NodePool.
type FleetNode struct {
	Name      string   `json:"name"`
	NodePool  string   `json:"nodePool"`
	Flavor    string   `json:"flavor"`
	Zone      string   `json:"zone"`
	HourlyEur *float64 `json:"hourlyEur"`
	Pods      []string `json:"pods"`
}

// Consolidation is one run until nothing is left to do.
type Consolidation struct {
	Seconds      float64     `json:"seconds"`
	HourlyBefore float64     `json:"hourlyBefore"`
	HourlyAfter  float64     `json:"hourlyAfter"`
	Evictions    int         `json:"evictions"`
	Commands     []Command   `json:"commands"`
	Fleet        []FleetNode `json:"fleet"`
}

// ConsolidateAnswer is the output of mode consolidate.
type ConsolidateAnswer struct {
	Karpenter string          `json:"karpenter"`
	Mode      string          `json:"mode"`
	Results   []Consolidation `json:"results"`
}

// consolidate ignores the number of workers: upstream simulates with one.
func consolidate(problem *Problem) (*ConsolidateAnswer, error) {
	answer := &ConsolidateAnswer{Karpenter: upstreamVersion, Mode: problem.Mode}
	for range problem.Runs {
		result, err := consolidateOnce(problem)
		if err != nil {
			return nil, err
		}
		answer.Results = append(answer.Results, *result)
	}
	return answer, nil
}

// consolidateOnce asks upstream's methods in their order, carries out the first
// command that one of them gives, and starts again, until none has one left.
func consolidateOnce(problem *Problem) (*Consolidation, error) {
	ctx := contextFor(problem, 1)
	m, err := newMirror(ctx, problem, true)
	if err != nil {
		return nil, err
	}
	queue := disruption.NewQueue(m.store, m.recorder, m.cluster, m.clock, m.provisioner)
	basis := disruption.MakeConsolidation(m.clock, m.cluster, m.store, m.provisioner, m.cloud, m.recorder, queue)
	methods := []disruption.Method{
		disruption.NewEmptiness(basis, disruption.WithValidator(trusting{})),
		disruption.NewMultiNodeConsolidation(basis, disruption.WithValidator(trusting{})),
		disruption.NewSingleNodeConsolidation(basis, disruption.WithValidator(trusting{})),
	}
	var spent *ledger
	if problem.AtOnce {
		if spent, err = m.newLedger(ctx, methods); err != nil {
			return nil, err
		}
	}
	result := &Consolidation{Commands: []Command{}, HourlyBefore: m.hourly()}
	result.HourlyAfter = result.HourlyBefore
	deadline := time.Now().Add(time.Duration(problem.TimeoutSeconds * float64(time.Second)))
	for problem.TimeoutSeconds == 0 || time.Now().Before(deadline) {
		done, err := m.step(ctx, methods, queue, spent, result)
		if err != nil {
			return nil, err
		}
		if done {
			break
		}
	}
	result.Fleet = m.fleet()
	return result, nil
}

// ledger keeps what budgets of nodes allowed at first, by reason and NodePool,
// and how many nodes have gone since. It is nil when those do not count any more.
type ledger struct {
	start map[karpv1.DisruptionReason]map[string]int
	gone  map[string]int
}

// newLedger asks for the budgets of all methods.
func (m *mirror) newLedger(ctx context.Context, methods []disruption.Method) (*ledger, error) {
	found := &ledger{start: map[karpv1.DisruptionReason]map[string]int{}, gone: map[string]int{}}
	for _, method := range methods {
		budgets, err := disruption.BuildDisruptionBudgetMapping(ctx, m.cluster, m.clock, m.store, m.cloud, m.recorder, method.Reason())
		if err != nil {
			return nil, err
		}
		found.start[method.Reason()] = budgets
	}
	return found, nil
}

// take notes that the nodes of a command go.
func (l *ledger) take(command disruption.Command) {
	if l == nil {
		return
	}
	for _, candidate := range command.Candidates {
		l.gone[candidate.NodePool.Name]++
	}
}

// left is what budgets allow by NodePool when nodes that have gone still count.
func (l *ledger) left(reason karpv1.DisruptionReason, now map[string]int) map[string]int {
	if l == nil {
		return now
	}
	left := map[string]int{}
	for pool, allowed := range l.start[reason] {
		left[pool] = max(0, allowed-l.gone[pool])
	}
	return left
}

// step finds and carries out the next commands; it says whether none is left.
func (m *mirror) step(ctx context.Context, methods []disruption.Method, queue *disruption.Queue, spent *ledger, result *Consolidation) (bool, error) {
	since := 0.0
	for _, method := range methods {
		begin := time.Now()
		commands, err := m.compute(ctx, method, queue, spent)
		elapsed := time.Since(begin).Seconds()
		since += elapsed
		result.Seconds += elapsed
		if err != nil {
			return false, fmt.Errorf("%s: %w", methodName(method), err)
		}
		for _, command := range commands {
			spent.take(command)
			carried, err := m.carryOut(ctx, command, len(result.Commands))
			if err != nil {
				return false, err
			}
			carried.Method = methodName(method)
			carried.Seconds, since = since, 0
			carried.HourlyAfter = m.hourly()
			result.HourlyAfter = carried.HourlyAfter
			result.Evictions += carried.Evictions
			result.Commands = append(result.Commands, *carried)
		}
		if len(commands) > 0 {
			return false, nil
		}
	}
	return true, nil
}

// compute is what upstream's disruption controller does to one method.
func (m *mirror) compute(ctx context.Context, method disruption.Method, queue *disruption.Queue, spent *ledger) ([]disruption.Command, error) {
	candidates, totals, err := disruption.GetCandidatesWithTotals(ctx, m.cluster, m.store, m.recorder, m.clock, m.cloud,
		method.ShouldDisrupt, method.Class(), queue, nil)
	if err != nil || len(candidates) == 0 {
		return nil, err
	}
	if setter, ok := method.(disruption.NodePoolTotalsSetter); ok {
		setter.SetNodePoolTotals(totals)
	}
	budgets, err := disruption.BuildDisruptionBudgetMapping(ctx, m.cluster, m.clock, m.store, m.cloud, m.recorder, method.Reason())
	if err != nil {
		return nil, err
	}
	commands, err := method.ComputeCommands(ctx, spent.left(method.Reason(), budgets), candidates...)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(commands, func(c disruption.Command) bool { return c.Decision() == disruption.NoOpDecision }), nil
}

// carryOut brings the replacement up, moves the pods to where the simulation
// put them, and removes the nodes.
func (m *mirror) carryOut(ctx context.Context, command disruption.Command, number int) (*Command, error) {
	done := &Command{Deleted: command.SourceNodeNames(), Replacements: []Claim{}, Moves: map[string]string{}}
	targets := map[client.ObjectKey]string{}
	for i, replacement := range command.Replacements {
		claim, err := newClaim(m.cloud, replacement.NodeClaim, fmt.Sprintf("%s-new-%d-%d", replacement.NodePoolName, number, i))
		if err != nil {
			return nil, err
		}
		if err := m.bringUp(ctx, replacement.ToNodeClaim(), claim); err != nil {
			return nil, err
		}
		done.Replacements = append(done.Replacements, claim)
		for _, pod := range replacement.Pods {
			targets[client.ObjectKeyFromObject(pod)] = claim.Name
		}
	}
	for _, node := range command.Results.ExistingNodes {
		for _, pod := range node.Pods {
			targets[client.ObjectKeyFromObject(pod)] = node.Name()
		}
	}
	for _, candidate := range command.Candidates {
		for _, pod := range m.store.podsOnNode(candidate.Node.Name) {
			key := client.ObjectKeyFromObject(pod)
			if !podutils.IsReschedulable(pod) {
				m.store.remove(pod)
				m.cluster.DeletePod(key)
				continue
			}
			target, planned := targets[key]
			if !planned {
				return nil, fmt.Errorf("node %s would go although pod %s has no place", candidate.Node.Name, key)
			}
			moved := pod.DeepCopy()
			moved.Spec.NodeName = target
			m.store.put(moved)
			if err := m.cluster.UpdatePod(ctx, moved.DeepCopy()); err != nil {
				return nil, fmt.Errorf("moving pod %s: %w", key, err)
			}
			done.Moves[key.String()] = target
			done.Evictions++
		}
		m.store.remove(candidate.Node)
		m.store.remove(candidate.NodeClaim)
		m.cluster.DeleteNodeClaim(candidate.NodeClaim.Name)
		m.cluster.DeleteNode(candidate.Node.Name)
	}
	slices.Sort(done.Deleted)
	return done, nil
}

// bringUp adds a replacement as an initialised node that may be consolidated again.
func (m *mirror) bringUp(ctx context.Context, nodeClaim *karpv1.NodeClaim, claim Claim) error {
	instanceType := m.cloud.byName[claim.Flavor]
	labels := nodeLabels(m.cloud, nodeClaim.Labels, claim.Flavor, claim.Zone)
	now := metav1.NewTime(m.clock.Now())
	nodeClaim.GenerateName, nodeClaim.Name, nodeClaim.UID = "", claim.Name, types.UID(claim.Name)
	nodeClaim.CreationTimestamp = now
	nodeClaim.Labels = labels
	nodeClaim.Status.ProviderID = "peer://" + claim.Name
	nodeClaim.Status.NodeName = claim.Name
	nodeClaim.Status.Capacity = instanceType.Capacity
	nodeClaim.Status.Allocatable = instanceType.Allocatable()
	for _, condition := range []string{
		karpv1.ConditionTypeLaunched, karpv1.ConditionTypeRegistered, karpv1.ConditionTypeInitialized, karpv1.ConditionTypeConsolidatable,
	} {
		nodeClaim.Status.Conditions = append(nodeClaim.Status.Conditions, trueCondition(condition, now))
	}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: claim.Name, UID: types.UID("node-" + claim.Name), CreationTimestamp: now, Labels: map[string]string{
			corev1.LabelHostname:           claim.Name,
			karpv1.NodeRegisteredLabelKey:  "true",
			karpv1.NodeInitializedLabelKey: "true",
		}},
		Spec: corev1.NodeSpec{ProviderID: nodeClaim.Status.ProviderID, Taints: nodeClaim.Spec.Taints},
		Status: corev1.NodeStatus{
			Capacity:    instanceType.Capacity,
			Allocatable: instanceType.Allocatable(),
			Conditions:  []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		},
	}
	for key, value := range labels {
		node.Labels[key] = value
	}
	m.store.put(nodeClaim.DeepCopy())
	m.cluster.UpdateNodeClaim(nodeClaim)
	return m.addNode(ctx, node)
}

// price is what a NodePool's node costs by its flavor and zone.
func (m *mirror) price(node *corev1.Node) *float64 {
	instanceType := m.cloud.byName[node.Labels[corev1.LabelInstanceTypeStable]]
	if instanceType == nil || node.Labels[karpv1.NodePoolLabelKey] == "" {
		return nil
	}
	price, known := instanceType.OfferingPrice(node.Labels[corev1.LabelTopologyZone], karpv1.CapacityTypeOnDemand)
	if !known {
		return nil
	}
	return &price
}

func (m *mirror) hourly() float64 {
	sum := 0.0
	for _, node := range m.fleet() {
		if node.HourlyEur != nil {
			sum += *node.HourlyEur
		}
	}
	return sum
}

func (m *mirror) fleet() []FleetNode {
	fleet := []FleetNode{}
	for node := range m.cluster.Nodes() {
		if node.Node == nil {
			continue
		}
		labels := node.Node.Labels
		fleet = append(fleet, FleetNode{
			Name:      node.Node.Name,
			NodePool:  labels[karpv1.NodePoolLabelKey],
			Flavor:    labels[corev1.LabelInstanceTypeStable],
			Zone:      labels[corev1.LabelTopologyZone],
			HourlyEur: m.price(node.Node),
			Pods:      names(m.store.podsOnNode(node.Node.Name)),
		})
	}
	sort.Slice(fleet, func(i, j int) bool { return fleet[i].Name < fleet[j].Name })
	return fleet
}

func methodName(method disruption.Method) string { return method.ConsolidationType() }

// trusting takes a command as valid at once: upstream waits 15 seconds and looks
// again whether the cluster has changed meanwhile, which this one does not.
type trusting struct{}

func (trusting) Validate(_ context.Context, command disruption.Command, _ time.Duration) (disruption.Command, error) {
	return command, nil
}
