package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/awslabs/operatorpkg/status"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/operator/options"
)

// Offer is one flavor in one zone. Capacity, overhead and labels of a flavor
// are the same in all its zones.
type Offer struct {
	Flavor      string              `json:"flavor"`
	Zone        string              `json:"zone"`
	Price       float64             `json:"price"`
	Capacity    corev1.ResourceList `json:"capacity"`
	Overhead    corev1.ResourceList `json:"overhead"`
	Allocatable corev1.ResourceList `json:"allocatable"`
	Labels      map[string]string   `json:"labels"`
}

// Problem is the input document.
type Problem struct {
	Mode             string                          `json:"mode"`
	Offers           []Offer                         `json:"offers"`
	NodePools        []*karpv1.NodePool              `json:"nodePools"`
	NodeClaims       []*karpv1.NodeClaim             `json:"nodeClaims"`
	Nodes            []*corev1.Node                  `json:"nodes"`
	Pods             []*corev1.Pod                   `json:"pods"`
	DaemonSets       []*appsv1.DaemonSet             `json:"daemonSets"`
	PDBs             []*policyv1.PodDisruptionBudget `json:"pdbs"`
	Objects          []json.RawMessage               `json:"objects"`
	Workers          []int                           `json:"workers"`
	Runs             int                             `json:"runs"`
	TimeoutSeconds   float64                         `json:"timeoutSeconds"`
	Now              time.Time                       `json:"now"`
	AtOnce           bool                            `json:"atOnce"`
	PreferencePolicy options.PreferencePolicy        `json:"preferencePolicy"`
	MinValuesPolicy  options.MinValuesPolicy         `json:"minValuesPolicy"`

	others []client.Object
}

func readProblem(reader io.Reader) (*Problem, error) {
	problem := &Problem{
		Mode:             "provision",
		Workers:          []int{1},
		Runs:             1,
		PreferencePolicy: options.PreferencePolicyRespect,
		MinValuesPolicy:  options.MinValuesPolicyStrict,
	}
	if err := json.NewDecoder(reader).Decode(problem); err != nil {
		return nil, fmt.Errorf("reading the problem: %w", err)
	}
	if problem.Mode != "provision" && problem.Mode != "consolidate" {
		return nil, fmt.Errorf("mode is %q: write provision or consolidate", problem.Mode)
	}
	if len(problem.Offers) == 0 {
		return nil, fmt.Errorf("offers is empty: give at least one flavor in one zone")
	}
	if problem.Runs < 1 || len(problem.Workers) == 0 || slices.Min(problem.Workers) < 1 {
		return nil, fmt.Errorf("runs and workers must be 1 or more")
	}
	if err := problem.parseOthers(); err != nil {
		return nil, err
	}
	return problem, problem.complete()
}

// parseOthers reads the kinds that only some rules need.
func (p *Problem) parseOthers() error {
	for i, raw := range p.Objects {
		var kind metav1.TypeMeta
		if err := json.Unmarshal(raw, &kind); err != nil {
			return fmt.Errorf("objects[%d]: %w", i, err)
		}
		var object client.Object
		switch kind.Kind {
		case "Namespace":
			object = &corev1.Namespace{}
		case "PersistentVolume":
			object = &corev1.PersistentVolume{}
		case "PersistentVolumeClaim":
			object = &corev1.PersistentVolumeClaim{}
		case "StorageClass":
			object = &storagev1.StorageClass{}
		case "CSINode":
			object = &storagev1.CSINode{}
		case "PriorityClass":
			// The priority stands in the pods; this code never reads the class.
			continue
		default:
			return fmt.Errorf("objects[%d]: kind %q is not used here: leave it out", i, kind.Kind)
		}
		if err := json.Unmarshal(raw, object); err != nil {
			return fmt.Errorf("objects[%d], a %s: %w", i, kind.Kind, err)
		}
		p.others = append(p.others, object)
	}
	return nil
}

// complete fills in what an API server and controllers would have: namespaces,
// UIDs, readiness of NodePools, allowed disruptions of budgets.
func (p *Problem) complete() error {
	for _, pod := range p.Pods {
		setDefaults(pod)
	}
	for _, set := range p.DaemonSets {
		setDefaults(set)
	}
	for _, pdb := range p.PDBs {
		setDefaults(pdb)
		if pdb.Status.ExpectedPods == 0 && pdb.Status.DisruptionsAllowed == 0 {
			if err := p.allowDisruptions(pdb); err != nil {
				return err
			}
		}
	}
	for _, object := range p.others {
		if claim, ok := object.(*corev1.PersistentVolumeClaim); ok {
			setDefaults(claim)
		}
	}
	for _, pool := range p.NodePools {
		if pool.UID == "" {
			pool.UID = types.UID(pool.Name)
		}
		if pool.Spec.Template.Spec.NodeClassRef == nil {
			return fmt.Errorf("NodePool %s has no nodeClassRef", pool.Name)
		}
		makeReady(pool)
		buyOnDemand(pool)
	}
	return nil
}

// allowDisruptions does the disruption controller's sum for a budget that came
// without a status, all running pods taken as healthy and expected.
func (p *Problem) allowDisruptions(pdb *policyv1.PodDisruptionBudget) error {
	selector, err := metav1.LabelSelectorAsSelector(pdb.Spec.Selector)
	if err != nil {
		return fmt.Errorf("PodDisruptionBudget %s/%s: %w", pdb.Namespace, pdb.Name, err)
	}
	running := 0
	for _, pod := range p.Pods {
		if pod.Spec.NodeName != "" && pod.Namespace == pdb.Namespace && selector.Matches(labels.Set(pod.Labels)) {
			running++
		}
	}
	desired := 0
	switch {
	case pdb.Spec.MaxUnavailable != nil:
		most, err := intstr.GetScaledValueFromIntOrPercent(pdb.Spec.MaxUnavailable, running, true)
		if err != nil {
			return fmt.Errorf("PodDisruptionBudget %s/%s: maxUnavailable: %w", pdb.Namespace, pdb.Name, err)
		}
		desired = running - most
	case pdb.Spec.MinAvailable != nil:
		least, err := intstr.GetScaledValueFromIntOrPercent(pdb.Spec.MinAvailable, running, true)
		if err != nil {
			return fmt.Errorf("PodDisruptionBudget %s/%s: minAvailable: %w", pdb.Namespace, pdb.Name, err)
		}
		desired = least
	}
	pdb.Status.ExpectedPods = int32(running)
	pdb.Status.CurrentHealthy = int32(running)
	pdb.Status.DesiredHealthy = int32(max(desired, 0))
	pdb.Status.DisruptionsAllowed = int32(max(running-max(desired, 0), 0))
	return nil
}

func setDefaults(object client.Object) {
	if object.GetNamespace() == "" {
		object.SetNamespace("default")
	}
	if object.GetUID() == "" {
		object.SetUID(types.UID(client.ObjectKeyFromObject(object).String()))
	}
}

// makeReady takes a NodePool as ready unless it says that it is not. Upstream
// derives readiness from two conditions, which need not stand in the input.
func makeReady(pool *karpv1.NodePool) {
	stated := map[string]bool{}
	for _, condition := range pool.Status.Conditions {
		stated[condition.Type] = true
		if condition.Type == status.ConditionReady && !condition.IsTrue() {
			return
		}
	}
	for _, name := range []string{karpv1.ConditionTypeValidationSucceeded, karpv1.ConditionTypeNodeClassReady, status.ConditionReady} {
		if !stated[name] {
			pool.Status.Conditions = append(pool.Status.Conditions, trueCondition(name, metav1.Time{}))
		}
	}
}

// buyOnDemand says the capacity type where the NodePool does not, as providers
// without spot capacity have to: consolidation takes an open capacity type for
// a chance to buy spot, and asks for nothing else then.
func buyOnDemand(pool *karpv1.NodePool) {
	template := &pool.Spec.Template
	for _, requirement := range template.Spec.Requirements {
		if requirement.Key == karpv1.CapacityTypeLabelKey {
			return
		}
	}
	if _, given := template.Labels[karpv1.CapacityTypeLabelKey]; given {
		return
	}
	template.Spec.Requirements = append(template.Spec.Requirements, karpv1.NodeSelectorRequirementWithMinValues{
		Key: karpv1.CapacityTypeLabelKey, Operator: corev1.NodeSelectorOpIn, Values: []string{karpv1.CapacityTypeOnDemand},
	})
}

func trueCondition(name string, since metav1.Time) status.Condition {
	return status.Condition{Type: name, Status: metav1.ConditionTrue, Reason: name, LastTransitionTime: since}
}
